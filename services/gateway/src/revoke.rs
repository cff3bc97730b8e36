//! Sessions that end before their tokens do: told to all gateways, and read again in case a signal was lost.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chat_auth::Revocation;
use chat_bus::Topic;
use chat_protocol::ErrorCode;
use chat_store as store;
use futures_util::{StreamExt, stream};

use tokio::time::Instant;

use crate::{app::App, fault::Fault, metrics};

/// How often the list is read again.
const POLL: Duration = Duration::from_secs(60);
/// After a failure to read or listen.
const RETRY: Duration = Duration::from_secs(2);

impl App {
    /// Ends what `revocation` names, everywhere: for good once this returns, within a second on other gateways.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), Fault> {
        let began = Instant::now();
        self.store.revoke(&to_store(&revocation)).await?;
        self.obey([revocation]);
        let signal = Bytes::from(serde_json::to_vec(&revocation).map_err(|_| ErrorCode::Internal)?);
        if let Err(err) = self.log.emit(&Topic::Revocations, signal).await {
            tracing::warn!(error = %err, "other gateways learn of a revocation by their next poll");
        }
        metrics::revoked(began.elapsed());
        Ok(())
    }

    fn obey(&self, news: impl IntoIterator<Item = Revocation>) {
        self.revocations.merge(news);
        for conn in self.hub.conns() {
            if let Err(code) = self.revocations.check(conn.user, conn.session, conn.token_issued_at()) {
                conn.close(code, "log in again");
            }
        }
    }
}

/// Listens and polls; ends never.
pub async fn run(app: Arc<App>) {
    let loaded = app.health.check("revocations");
    let mut signals = stream::pending().boxed();
    let mut listening = false;
    loop {
        if !listening && let Ok(stream) = app.log.listen(&Topic::Revocations).await {
            signals = stream;
            listening = true;
        }
        let pause = match app.store.revocations().await {
            Ok(list) => {
                app.obey(list.iter().map(from_store));
                loaded.ok();
                if listening { POLL } else { RETRY }
            }
            Err(_) => RETRY,
        };
        app.revocations.expire(app.now());
        let poll = tokio::time::sleep(pause);
        tokio::pin!(poll);
        while listening {
            tokio::select! {
                () = &mut poll => break,
                signal = signals.next() => match signal {
                    Some(signal) => match serde_json::from_slice(&signal) {
                        Ok(revocation) => app.obey([revocation]),
                        Err(err) => tracing::warn!(error = %err, "signal not understood"),
                    },
                    None => listening = false,
                },
            }
        }
        if !listening {
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn to_store(revocation: &Revocation) -> store::Revocation {
    match *revocation {
        Revocation::Session { session, until } => store::Revocation::Session { session, until },
        Revocation::User { user, issued_before, until } => store::Revocation::User { user, issued_before, until },
    }
}

fn from_store(revocation: &store::Revocation) -> Revocation {
    match *revocation {
        store::Revocation::Session { session, until } => Revocation::Session { session, until },
        store::Revocation::User { user, issued_before, until } => Revocation::User { user, issued_before, until },
    }
}
