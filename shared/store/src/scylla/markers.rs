//! How far members have read. Each cell is stamped with its own value, so that the highest one wins whatever the order;
//! the time with the mean of both positions, so that it belongs to the highest pair that was said.

use async_trait::async_trait;
use chat_protocol::{ConversationId, Seq, UserId, model::Marker};
use futures_util::future::{FutureExt, try_join};
use scylla::{statement::prepared::PreparedStatement, value::CqlTimestamp};

use super::{
    Scylla,
    apply::at_once,
    cells::{self, AsKey, Key},
    db::{Db, Row},
};
use crate::{Markers, StoreError};

/// Markers of one user that share a batch: three small rows each.
const TOGETHER: usize = 20;
/// Conversations written at once.
const AT_ONCE: usize = 16;
/// Rows asked for by their keys at once.
const KEYS: usize = 100;

pub(crate) struct Statements {
    by_user: Raise,
    by_conversation: Raise,
    of_user: PreparedStatement,
    of_conversation: PreparedStatement,
}

/// The three cells of one table.
struct Raise {
    read: PreparedStatement,
    delivered: PreparedStatement,
    at: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let cells = "read, delivered, at";
        Ok(Self {
            by_user: Raise {
                read: db
                    .prepare_write(
                        "UPDATE markers_by_user USING TIMESTAMP ? SET read = ? WHERE user_id = ? AND conversation = ?",
                    )
                    .await?,
                delivered: db
                    .prepare_write(
                        "UPDATE markers_by_user USING TIMESTAMP ? SET delivered = ? \
                         WHERE user_id = ? AND conversation = ?",
                    )
                    .await?,
                at: db
                    .prepare_write(
                        "UPDATE markers_by_user USING TIMESTAMP ? SET at = ? WHERE user_id = ? AND conversation = ?",
                    )
                    .await?,
            },
            by_conversation: Raise {
                read: db
                    .prepare_write(
                        "UPDATE markers_by_conversation USING TIMESTAMP ? SET read = ? \
                         WHERE user_id = ? AND conversation = ?",
                    )
                    .await?,
                delivered: db
                    .prepare_write(
                        "UPDATE markers_by_conversation USING TIMESTAMP ? SET delivered = ? \
                         WHERE user_id = ? AND conversation = ?",
                    )
                    .await?,
                at: db
                    .prepare_write(
                        "UPDATE markers_by_conversation USING TIMESTAMP ? SET at = ? \
                         WHERE user_id = ? AND conversation = ?",
                    )
                    .await?,
            },
            of_user: db
                .prepare_read(&format!(
                    "SELECT conversation, {cells} FROM markers_by_user WHERE user_id = ? AND conversation IN ?"
                ))
                .await?,
            of_conversation: db
                .prepare_read(&format!(
                    "SELECT user_id, {cells} FROM markers_by_conversation WHERE conversation = ? LIMIT ?"
                ))
                .await?,
        })
    }
}

impl Raise {
    fn rows(&self, of: UserId, here: ConversationId, marker: &Marker) -> Vec<(PreparedStatement, Row)> {
        let delivered = marker.delivered.max(marker.read);
        let (read, delivered) = (cells::position(marker.read), cells::position(delivered));
        let mean = i64::midpoint(read, delivered);
        let key = (of.key(), here.key());
        vec![
            (self.read.clone(), Box::new((read, read, key.0, key.1)) as Row),
            (self.delivered.clone(), Box::new((delivered, delivered, key.0, key.1))),
            (self.at.clone(), Box::new((mean, cells::time_cell(marker.at), key.0, key.1))),
        ]
    }
}

type MarkerRow<'row> = (&'row [u8], Option<i64>, Option<i64>, Option<CqlTimestamp>);

fn marker(
    user: UserId,
    read: Option<i64>,
    delivered: Option<i64>,
    at: Option<CqlTimestamp>,
) -> Result<Marker, StoreError> {
    let position = |cell: Option<i64>| cell.map_or(Ok(Seq::ZERO), cells::seq);
    Ok(Marker {
        user,
        read: position(read)?,
        delivered: position(delivered)?,
        at: at.map_or_else(Default::default, cells::time),
    })
}

#[async_trait]
impl Markers for Scylla {
    async fn raise_markers(&self, of: UserId, markers: &[(ConversationId, Marker)]) -> Result<(), StoreError> {
        let raise = async {
            let own = async {
                for some in markers.chunks(TOGETHER) {
                    let rows = some.iter().flat_map(|(here, marker)| self.markers.by_user.rows(of, *here, marker));
                    self.db.write_together(&rows.collect::<Vec<_>>()).await?;
                }
                Ok(())
            };
            let theirs = markers.iter().map(|(here, marker)| {
                let rows = self.markers.by_conversation.rows(of, *here, marker);
                async move { self.db.write_together(&rows).await }.boxed()
            });
            let theirs = at_once(AT_ONCE, theirs.collect());
            try_join(own, theirs).await?;
            Ok(())
        };
        self.db.writing("raise_markers", raise).await
    }

    async fn markers(&self, of: UserId, here: &[ConversationId]) -> Result<Vec<Option<Marker>>, StoreError> {
        let find = async {
            let mut all = Vec::with_capacity(here.len());
            for some in here.chunks(KEYS) {
                let keys: Vec<Key> = some.iter().map(|conversation| conversation.key()).collect();
                let answer = self.db.select(&self.markers.of_user, (of.key(), keys)).await?;
                let found = cells::each(&answer, |(conversation, read, delivered, at): MarkerRow<'_>| {
                    Ok((cells::conversation_id(conversation)?, marker(of, read, delivered, at)?))
                })?;
                all.extend(some.iter().map(|wanted| {
                    found.iter().find(|(conversation, _)| conversation == wanted).map(|(_, marker)| *marker)
                }));
            }
            Ok(all)
        };
        self.db.reading("markers", find).await
    }

    async fn markers_in(&self, of: ConversationId, limit: usize) -> Result<Vec<Marker>, StoreError> {
        let list = async {
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            let answer = self.db.select(&self.markers.of_conversation, (of.key(), limit)).await?;
            cells::each(&answer, |(user, read, delivered, at): MarkerRow<'_>| {
                marker(cells::user_id(user)?, read, delivered, at)
            })
        };
        self.db.reading("markers_in", list).await
    }
}
