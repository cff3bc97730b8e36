//! The connection that appends. It is never healed: when it is lost it is thrown away and another one is made.
//!
//! async-nats keeps what was published but not yet written and sends it after a reconnect, minutes later if need be.
//! For an append that would be a second copy: its caller was told "unknown", sent it again through another node, and
//! the dedupe window is long over when the first one arrives. So this connection makes one round through the servers
//! after a loss and then ends, with all that waits in it. A forgotten append can arrive no later than a dead
//! connection stays unnoticed (40 s) plus one round of dialling (2 s a server): well inside the window of 120 s, where
//! it is a duplicate and nothing else.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use parking_lot::RwLock;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Core, SHARDS_AT_ONCE, StartError,
    link::{Change, Link, Purpose, reconnect_delay},
    shards::Gate,
};
use crate::{BusError, metrics};

/// Between two looks at shards that refuse appends.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The connection in use, if any.
#[derive(Default)]
pub(super) struct Writer {
    link: RwLock<Option<Arc<Link>>>,
    look: Notify,
    checked: Notify,
}

impl Writer {
    /// The connection, if it is alive now.
    pub(super) fn link(&self) -> Result<Arc<Link>, BusError> {
        self.link.read().clone().filter(|link| link.connected()).ok_or(BusError::Unavailable)
    }

    /// Have doubtful shards compared now.
    pub(super) fn look(&self) {
        self.look.notify_one();
    }

    /// Waits until every shard was compared once.
    pub(super) async fn ready(&self, deadline: Instant) -> Result<(), BusError> {
        timeout_at(deadline, self.checked.notified()).await.map_err(|_| BusError::Unavailable)
    }

    fn replace(&self, link: Option<Arc<Link>>) {
        ::metrics::gauge!(metrics::CONNECTED).set(if link.is_some() { 1.0 } else { 0.0 });
        let old = std::mem::replace(&mut *self.link.write(), link);
        if let Some(old) = old {
            old.replies.close();
        }
    }
}

/// Keeps a connection for appends until the log is dropped.
pub(super) async fn keep(core: Arc<Core>, first: Link) {
    let stop = core.stop.clone();
    let keeping = async {
        let mut next = Some(first);
        loop {
            let link = match next.take() {
                Some(link) => link,
                None => dial(&core).await,
            };
            serve(&core, Arc::new(link)).await;
            tracing::warn!("lost the appending connection to the log");
        }
    };
    tokio::select! {
        () = keeping => {}
        () = stop.cancelled() => core.writer.replace(None),
    }
}

/// Until the connection is lost: lets appends pass, shard by shard, once each was compared.
async fn serve(core: &Core, link: Arc<Link>) {
    for shard in core.shards.all() {
        shard.doubt();
    }
    let mut watch = Link::watch();
    core.writer.replace(Some(link.clone()));
    let lost = async {
        // One that came back by itself has lost what it held all the same.
        while link.changed(&mut watch).await == Change::Overflowed {}
    };
    let comparing = async {
        loop {
            let shut = core.shards.all().iter().filter(|shard| shard.gate() != Gate::Open);
            stream::iter(shut)
                .for_each_concurrent(SHARDS_AT_ONCE, |shard| async {
                    if let Err(err) = core.check(&link, shard).await {
                        tracing::warn!(shard = %shard.shard, error = %err, "not compared yet");
                    }
                })
                .await;
            core.writer.checked.notify_one();
            if core.shards.all().iter().all(|shard| shard.gate() == Gate::Open) {
                core.writer.look.notified().await;
            } else {
                let _looked_for = tokio::time::timeout(LOOK_INTERVAL, core.writer.look.notified()).await;
            }
        }
    };
    tokio::select! {
        () = lost => {}
        () = comparing => {}
    }
    core.writer.replace(None);
}

async fn dial(core: &Core) -> Link {
    let mut attempt = 0;
    loop {
        match Link::open(&core.options, Purpose::Write).await {
            Ok(link) => {
                tracing::info!("the appending connection to the log is back");
                ::metrics::counter!(metrics::RECONNECTS).increment(1);
                return link;
            }
            // At start this is fatal; here somebody may put the credentials right again.
            Err(err @ StartError::Unauthorised) => tracing::error!(error = %err, "cannot append"),
            Err(err) => tracing::debug!(error = %err, attempt, "cannot append yet"),
        }
        attempt += 1;
        sleep(reconnect_delay(attempt)).await;
    }
}
