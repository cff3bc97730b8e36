//! Conversations as their events made them.

use async_trait::async_trait;
use chat_protocol::{
    ConversationId, Timestamp, UserId,
    model::{Conversation, HistoryAccess, Kind, Settings, Visibility},
};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    latest::Latest,
    stage::Stage,
    tables::{Subject, Table},
};
use crate::{Conversations, StoreError};

/// By conversation.
static CONVERSATIONS: Table<Row> = Table::new(Subject::Conversations, b'c');

/// Each part with the position that wrote it; they come in any order.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) fixed: Option<Latest<Fixed>>,
    pub(super) settings: Option<Latest<Changeable>>,
    pub(super) deleted: Option<Latest<()>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Fixed {
    pub(super) kind: Kind,
    pub(super) history: HistoryAccess,
    pub(super) created_by: UserId,
    pub(super) created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Changeable {
    pub(super) visibility: Visibility,
    pub(super) settings: Settings,
}

impl Row {
    /// `None` as long as the creation has not come.
    fn conversation(self, id: ConversationId) -> Option<Conversation> {
        let (fixed, settings) = (self.fixed?.value, self.settings?);
        let changed = settings.at();
        let deleted = self.deleted.map(|deleted| deleted.at());
        Some(Conversation {
            id,
            kind: fixed.kind,
            visibility: settings.value.visibility,
            history: fixed.history,
            settings: settings.value.settings,
            created_by: fixed.created_by,
            created_at: fixed.created_at,
            version: deleted.map_or(changed, |deleted| deleted.max(changed)),
            deleted: deleted.is_some(),
        })
    }
}

#[async_trait]
impl Conversations for Embedded {
    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        self.read("conversation", move |view| Ok(view.get(&CONVERSATIONS, id)?.and_then(|row| row.conversation(id))))
            .await
    }
}

/// Changes one conversation's row.
pub(super) fn change(
    stage: &mut Stage<'_>,
    id: ConversationId,
    change: impl FnOnce(&mut Row),
) -> Result<(), StoreError> {
    let mut row = stage.get(&CONVERSATIONS, id)?.unwrap_or_default();
    change(&mut row);
    stage.put(&CONVERSATIONS, id, &row)
}
