//! Removing for good what nobody may see any more. Rows of tables that follow from the log are removed with the stamp
//! of the present microsecond: above every position there is, so that no redelivery brings them back.

use chat_protocol::{ConversationId, Seq, Timestamp, UserId};
use futures_util::future::{try_join_all, try_join3};
use scylla::statement::prepared::PreparedStatement;

use super::{
    Scylla,
    cells::{self, AsKey, Key},
    db::Db,
};
use crate::{Members, Sessions, StoreError};

/// Members taken out of their own lists in one step.
const MEMBERS: usize = 200;
/// What a step says once every window is gone.
const WINDOWS_DONE: &str = "members";

pub(crate) struct Statements {
    messages: PreparedStatement,
    revisions: PreparedStatement,
    reactions: PreparedStatement,
    pins: PreparedStatement,
    bans: PreparedStatement,
    members: PreparedStatement,
    membership: PreparedStatement,
    markers: PreparedStatement,
    marker_of_user: PreparedStatement,
    marker_of_conversation: PreparedStatement,
    status: PreparedStatement,
    last_seen: PreparedStatement,
    settings: PreparedStatement,
    blocks: PreparedStatement,
    blocked_by: PreparedStatement,
    blocked: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let write = |cql: &'static str| db.prepare_write(cql);
        Ok(Self {
            messages: write("DELETE FROM messages USING TIMESTAMP ? WHERE conversation = ? AND win = ?").await?,
            revisions: write("DELETE FROM revisions USING TIMESTAMP ? WHERE conversation = ? AND win = ?").await?,
            reactions: write("DELETE FROM reactions USING TIMESTAMP ? WHERE conversation = ? AND win = ?").await?,
            pins: write("DELETE FROM pins USING TIMESTAMP ? WHERE conversation = ?").await?,
            bans: write("DELETE FROM bans USING TIMESTAMP ? WHERE conversation = ?").await?,
            members: write("DELETE FROM members USING TIMESTAMP ? WHERE conversation = ?").await?,
            membership: write("DELETE FROM memberships USING TIMESTAMP ? WHERE user_id = ? AND conversation = ?")
                .await?,
            markers: write("DELETE FROM markers_by_conversation USING TIMESTAMP ? WHERE conversation = ?").await?,
            marker_of_user: write(
                "DELETE FROM markers_by_user USING TIMESTAMP ? WHERE user_id = ? AND conversation = ?",
            )
            .await?,
            marker_of_conversation: write(
                "DELETE FROM markers_by_conversation USING TIMESTAMP ? WHERE user_id = ? AND conversation = ?",
            )
            .await?,
            status: write("DELETE FROM user_status WHERE user_id = ?").await?,
            last_seen: write("DELETE FROM last_seen USING TIMESTAMP ? WHERE user_id = ?").await?,
            settings: write("DELETE FROM member_settings USING TIMESTAMP ? WHERE user_id = ?").await?,
            blocks: write("DELETE FROM blocks USING TIMESTAMP ? WHERE user_id = ?").await?,
            blocked_by: write("DELETE FROM blocked_by USING TIMESTAMP ? WHERE blocked = ? AND user_id = ?").await?,
            blocked: db.prepare_read("SELECT blocked FROM blocks WHERE user_id = ?").await?,
        })
    }
}

impl Scylla {
    /// One window, or the members, or all the rest; answers where to go on. The windows themselves stay: they are small,
    /// and written by conditional statements alone.
    pub(crate) async fn purge_step(&self, of: ConversationId, progress: &str) -> Result<Option<String>, StoreError> {
        let stamp = self.stamp();
        if progress == WINDOWS_DONE {
            return self.purge_members(of, stamp).await;
        }
        let from = progress.parse().ok().and_then(Seq::new).unwrap_or(Seq::ZERO);
        let windows = self.windows_now(of).await?;
        let Some(window) = windows.iter().find(|window| window.first >= from) else {
            return Ok(Some(WINDOWS_DONE.to_owned()));
        };
        let place = (stamp, of.key(), cells::position(window.first));
        try_join3(
            self.db.write(&self.purge.messages, place),
            self.db.write(&self.purge.revisions, place),
            self.db.write(&self.purge.reactions, place),
        )
        .await?;
        Ok(Some(window.first.next().to_string()))
    }

    /// Some members leave their lists; those who did are members no longer, so that the next step finds the others.
    async fn purge_members(&self, of: ConversationId, stamp: i64) -> Result<Option<String>, StoreError> {
        let members = self.members(of, None, MEMBERS).await?;
        for member in &members {
            let user = member.user.key();
            self.db.write(&self.purge.membership, (stamp, user, of.key())).await?;
            self.db.write(&self.purge.marker_of_user, (stamp, user, of.key())).await?;
            self.leave_for_good(of, member.user, stamp).await?;
        }
        if members.len() == MEMBERS {
            return Ok(Some(WINDOWS_DONE.to_owned()));
        }
        let place = (stamp, of.key());
        for table in [&self.purge.pins, &self.purge.bans, &self.purge.markers, &self.purge.members] {
            self.db.write(table, place).await?;
        }
        Ok(None)
    }

    /// Keeps of an account that there was one.
    pub(crate) async fn erase_account(&self, user: UserId) -> Result<(), StoreError> {
        let stamp = self.stamp();
        let mut after = None;
        loop {
            let some = self.memberships(user, after, MEMBERS).await?;
            for membership in &some {
                let key = (stamp, user.key(), membership.conversation.key());
                self.db.write(&self.purge.marker_of_conversation, key).await?;
                self.db.write(&self.purge.marker_of_user, key).await?;
            }
            after = some.last().map(|membership| membership.conversation);
            if some.len() < MEMBERS {
                break;
            }
        }
        let answer = self.db.select(&self.purge.blocked, (user.key(),)).await?;
        let blocked: Vec<Key> = cells::each(&answer, |(blocked,): (&[u8],)| Ok(cells::user_id(blocked)?.key()))?;
        let blocked = blocked.iter().map(|other| self.db.write(&self.purge.blocked_by, (stamp, *other, user.key())));
        try_join_all(blocked).await?;
        for table in [&self.purge.blocks, &self.purge.settings, &self.purge.last_seen] {
            self.db.write(table, (stamp, user.key())).await?;
        }
        self.db.write(&self.purge.status, (user.key(),)).await?;
        for session in self.sessions(user).await? {
            self.end_session(user, session.id).await?;
        }
        self.erase_profile(user).await
    }

    /// Now in microseconds, as stamps count.
    fn stamp(&self) -> i64 {
        let now: Timestamp = self.clock.now();
        now.as_ms().saturating_mul(1_000)
    }
}
