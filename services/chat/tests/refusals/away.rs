//! A store that fails at everything, and a log that fails at what it is told to: every failure of theirs, on demand.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chat_bus::{
    Appended, BusError, LiveStream, Log, Logged, Newest, Nonce, Replay, ShardState, SignalStream, Status, Topic,
    WorkStream,
};
use chat_protocol::{
    ClientId, ConversationId, JobId, Seq, SessionId, Shard, Timestamp, UserId,
    model::{
        AccountState, Ban, Block, Conversation, JobKind, JobState, Marker, Member, MemberSettings, Message, Reaction,
        SelfUser, User,
    },
};
use chat_store::{
    Account, Conversations, Cursor, DedupeRow, EventPage, EventRow, JobRow, Jobs, Markers, Marks, Members, Membership,
    MessagePage, Messages, NewAccount, Pin, ProfileChange, Quarantined, Reacted, Reactions, Relations, Revocation,
    Revocations, SessionRow, Sessions, Statuses, StoreError, Users,
};

/// A store of which every question fails like this.
pub struct NoStore(pub fn() -> StoreError);

macro_rules! fails {
    ($($subject:ident { $($name:ident($($kind:ty),*) -> $answer:ty;)+ })+) => {$(
        #[async_trait]
        impl $subject for NoStore {
            $(async fn $name(&self, $(_: $kind),*) -> Result<$answer, StoreError> {
                Err((self.0)())
            })+
        }
    )+};
}

fails! {
    Users {
        create_user(&NewAccount) -> bool;
        account(UserId) -> Option<Account>;
        account_by_name(&str) -> Option<Account>;
        change_profile(UserId, &ProfileChange) -> Option<SelfUser>;
        rename(UserId, &str) -> bool;
        set_state(UserId, AccountState) -> ();
        set_password(UserId, &str) -> ();
        users(&[UserId]) -> Vec<User>;
        users_by_prefix(&str, Option<&str>, usize) -> Vec<User>;
    }
    Sessions {
        create_session(&SessionRow) -> ();
        session(SessionId) -> Option<SessionRow>;
        rotate_session(SessionId, &[u8; 32], &[u8; 32], Timestamp, Timestamp) -> bool;
        end_session(UserId, SessionId) -> ();
        sessions(UserId) -> Vec<SessionRow>;
    }
    Revocations {
        revoke(&Revocation) -> ();
        revocations() -> Vec<Revocation>;
    }
    Relations {
        blocks(UserId, Option<UserId>, usize) -> Vec<Block>;
        blocked_between(UserId, &[UserId]) -> Vec<UserId>;
        blocked_by(UserId, &[UserId]) -> Vec<UserId>;
        ban(ConversationId, UserId) -> Option<Ban>;
        bans(ConversationId, Option<UserId>, usize) -> Vec<Ban>;
        member_settings(UserId, &[ConversationId]) -> Vec<MemberSettings>;
        archived(UserId) -> Vec<ConversationId>;
    }
    Statuses {
        set_status(UserId, &chat_protocol::model::Status, Timestamp) -> ();
        statuses(&[UserId]) -> Vec<chat_protocol::model::Status>;
        seen(&[(UserId, Timestamp)]) -> ();
        last_seen(&[UserId]) -> Vec<Option<Timestamp>>;
    }
    Conversations {
        conversation(ConversationId) -> Option<Conversation>;
    }
    Members {
        member(ConversationId, UserId) -> Option<Member>;
        members(ConversationId, Option<UserId>, usize) -> Vec<Member>;
        memberships(UserId, Option<ConversationId>, usize) -> Vec<Membership>;
        set_reader(ConversationId, UserId, Option<Timestamp>, Seq) -> ();
    }
    Messages {
        apply(&[EventRow]) -> ();
        messages(ConversationId, Cursor, usize) -> MessagePage;
        message(ConversationId, Seq) -> Option<Message>;
        events(ConversationId, Seq, usize) -> EventPage;
        stored_heads(&[ConversationId]) -> Vec<Option<Seq>>;
        first_with(ConversationId, UserId, ClientId) -> Option<DedupeRow>;
        quarantine(&Quarantined) -> ();
        quarantined(Shard, usize) -> Vec<Quarantined>;
    }
    Reactions {
        reactions(ConversationId, &[Seq]) -> Vec<Reacted>;
        reactions_to(ConversationId, Seq, Option<(&str, UserId)>, usize) -> Vec<Reaction>;
        pins(ConversationId) -> Vec<Pin>;
    }
    Markers {
        raise_markers(UserId, &[(ConversationId, Marker)]) -> ();
        markers(UserId, &[ConversationId]) -> Vec<Option<Marker>>;
        markers_in(ConversationId, usize) -> Vec<Marker>;
    }
    Jobs {
        create_job(&JobRow) -> ();
        job(JobId) -> Option<JobRow>;
        open_jobs(JobKind, usize) -> Vec<JobRow>;
        claim_job(JobId, u128, Timestamp, Timestamp) -> bool;
        note_job(JobId, u128, JobState, &str) -> bool;
        purge(ConversationId, &str) -> Option<String>;
        erase_user(UserId) -> ();
    }
    Marks {
        raise_mark(Shard, Seq) -> ();
        mark(Shard) -> Option<Seq>;
        check() -> ();
    }
}

/// What a log does not do.
#[derive(Clone, Copy)]
pub enum Broken {
    /// Anything.
    Away,
    /// Append: it fails like this.
    Append(fn() -> BusError),
}

/// A log that is broken; what works is passed on.
pub struct BrokenLog(pub Arc<dyn Log>, pub Broken);

impl BrokenLog {
    fn there(&self) -> Result<&dyn Log, BusError> {
        if matches!(self.1, Broken::Away) { Err(BusError::Unavailable) } else { Ok(&*self.0) }
    }
}

#[async_trait]
impl Log for BrokenLog {
    fn shards(&self) -> u16 {
        self.0.shards()
    }

    async fn append(&self, _: ConversationId, _: Nonce, _: Bytes, _: Option<Seq>) -> Result<Appended, BusError> {
        Err(match self.1 {
            Broken::Away => BusError::Unavailable,
            Broken::Append(fault) => fault(),
        })
    }

    async fn live(&self, of: ConversationId) -> Result<LiveStream, BusError> {
        self.there()?.live(of).await
    }

    async fn replay(&self, of: ConversationId, after: Seq, most: usize) -> Result<Replay, BusError> {
        self.there()?.replay(of, after, most).await
    }

    async fn tail(&self, of: ConversationId, after: Seq, most: usize) -> Result<Vec<Logged>, BusError> {
        self.there()?.tail(of, after, most).await
    }

    async fn heads(&self, of: &[ConversationId], fresh: bool) -> Result<Vec<Option<Seq>>, BusError> {
        self.there()?.heads(of, fresh).await
    }

    async fn newest(&self, of: &[ConversationId]) -> Result<Newest, BusError> {
        self.there()?.newest(of).await
    }

    async fn shard_state(&self, shard: Shard) -> Result<ShardState, BusError> {
        self.there()?.shard_state(shard).await
    }

    async fn consume(&self, shard: Shard) -> Result<WorkStream, BusError> {
        self.there()?.consume(shard).await
    }

    async fn emit(&self, to: &Topic, signal: Bytes) -> Result<(), BusError> {
        self.there()?.emit(to, signal).await
    }

    async fn listen(&self, to: &Topic) -> Result<SignalStream, BusError> {
        self.there()?.listen(to).await
    }

    fn status(&self) -> Status {
        self.0.status()
    }

    async fn guard(&self, shard: Shard, seq: Seq) -> Result<(), BusError> {
        self.there()?.guard(shard, seq).await
    }

    async fn rebase(&self, shard: Shard) -> Result<Seq, BusError> {
        self.there()?.rebase(shard).await
    }
}
