//! Blocks, as every gateway must know them: said to all at once, and read from the store again after a minute for when
//! that was lost.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chat_bus::Topic;
use chat_protocol::ConversationId;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use crate::app::App;

/// After a failure to listen.
const RETRY: Duration = Duration::from_secs(2);

/// One of two users blocked the other, or no longer does.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct BlockSignal {
    /// The direct conversation of the two, whether or not there is one.
    pub direct: ConversationId,
    /// Which of the two.
    pub blocked: bool,
}

impl App {
    /// Counts here at once, and within a moment everywhere.
    pub async fn block_changed(self: &Arc<Self>, signal: BlockSignal) {
        self.obey_block(signal);
        let Ok(bytes) = serde_json::to_vec(&signal) else { return };
        if let Err(err) = self.log.emit(&Topic::Relations, Bytes::from(bytes)).await {
            tracing::warn!(error = %err, "other gateways learn of a block when they next read it");
        }
    }

    fn obey_block(self: &Arc<Self>, signal: BlockSignal) {
        if let Some(room) = self.hub.open_room(signal.direct) {
            room.block_changed(signal.blocked, self.now());
        }
        self.doubt_sight_between(signal.direct);
    }
}

/// Listens to what other gateways say; ends never.
pub async fn run(app: Arc<App>) {
    loop {
        if let Ok(mut signals) = app.log.listen(&Topic::Relations).await {
            while let Some(signal) = signals.next().await {
                match serde_json::from_slice(&signal) {
                    Ok(signal) => app.obey_block(signal),
                    Err(err) => tracing::warn!(error = %err, "signal not understood"),
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}
