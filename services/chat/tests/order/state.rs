//! What a conversation is: folded from events, or as requests answer it, in one form so that both can be compared. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use chat_client::Shown;
use chat_protocol::event::{Body, ReactionOp};
use chat_protocol::frame::EventFrame;
use chat_protocol::model::{Content, Message, MessageKind, Settings, Visibility};
use chat_protocol::rights::Role;
use chat_protocol::{Seq, UserId};

/// Who reacted with what.
type Reacted = BTreeSet<(String, UserId)>;

/// Everything that can be seen of one conversation.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub visibility: Option<Visibility>,
    pub settings: Settings,
    pub version: Seq,
    pub members: BTreeMap<UserId, Role>,
    /// Their reactions and whether they are pinned stand below.
    pub messages: BTreeMap<Seq, Message>,
    pub reactions: BTreeMap<Seq, Reacted>,
    pub pins: BTreeSet<Seq>,
}

impl State {
    /// As requests answer it; with whatever of it contradicts itself.
    pub fn of(
        shown: Shown,
        members: BTreeMap<UserId, Role>,
        messages: Vec<Message>,
        pins: BTreeSet<Seq>,
        viewer: UserId,
    ) -> (Self, Vec<String>) {
        let mut wrong = Vec::new();
        if shown.members_count != members.len() as u64 {
            wrong.push(format!("{} members are {} on their list", shown.members_count, members.len()));
        }
        let mut state = Self {
            visibility: Some(shown.conversation.visibility),
            settings: shown.conversation.settings,
            version: shown.conversation.version,
            members,
            pins,
            ..Self::default()
        };
        for mut message in messages {
            let mut reacted = Reacted::new();
            for summary in std::mem::take(&mut message.reactions) {
                if summary.count as usize != summary.users.len() || summary.mine != summary.users.contains(&viewer) {
                    wrong.push(format!("{} is summed up as {summary:?}", message.id));
                }
                reacted.extend(summary.users.into_iter().map(|user| (summary.emoji.clone(), user)));
            }
            if std::mem::take(&mut message.pinned) != state.pins.contains(&message.seq) {
                wrong.push(format!("{} is pinned or is not, as one asks", message.id));
            }
            state.reactions.insert(message.seq, reacted);
            state.messages.insert(message.seq, message);
        }
        (state, wrong)
    }

    /// One event later. Events that are part of the state already change nothing: of each field the last one counts.
    pub fn apply(&mut self, event: &EventFrame) {
        let seq = event.seq;
        match &event.body {
            Body::ConversationCreated(created) => {
                self.visibility = Some(created.visibility);
                (self.settings, self.version) = (created.settings.clone(), seq);
                self.members.extend(created.members.iter().map(|member| (member.user, member.role)));
            }
            Body::ConversationUpdated(updated) => {
                self.visibility = Some(updated.visibility);
                (self.settings, self.version) = (updated.settings.clone(), seq);
            }
            Body::MemberJoined(joined) => _ = self.members.insert(joined.user, joined.role),
            Body::MemberUpdated(updated) => {
                self.members.entry(updated.user).and_modify(|role| *role = updated.role);
            }
            Body::MemberLeft(left) => _ = self.members.remove(&left.user),
            Body::MessageCreated(created) => {
                self.messages.entry(seq).or_insert_with(|| Message {
                    id: event.id,
                    conversation: event.conversation,
                    seq,
                    at: event.at,
                    by: event.by,
                    client_id: created.client_id,
                    kind: created.kind,
                    content: created.content.clone(),
                    mentions: created.mentions.clone(),
                    reactions: Vec::new(),
                    pinned: false,
                    edited_at: None,
                    version: seq,
                    deleted: false,
                });
            }
            Body::MessageUpdated(updated) => {
                if let Some(message) = self.living(updated.message.seq()) {
                    (message.content, message.mentions) = (updated.content.clone(), updated.mentions.clone());
                    (message.edited_at, message.version) = (Some(event.at), seq);
                }
            }
            Body::MessageDeleted(deleted) => {
                for id in &deleted.messages {
                    if let Some(message) = self.messages.get_mut(&id.seq()) {
                        (message.content, message.mentions) = (Content::default(), Vec::new());
                        (message.edited_at, message.version, message.deleted) = (None, seq, true);
                    }
                }
            }
            Body::ReactionChanged(changed) => {
                let reacted = self.reactions.entry(changed.message.seq()).or_default();
                for change in &changed.changes {
                    let reaction = (change.emoji.clone(), change.user);
                    _ = match change.op {
                        ReactionOp::Add => reacted.insert(reaction),
                        ReactionOp::Remove => reacted.remove(&reaction),
                    };
                }
            }
            Body::PinAdded(pin) => _ = self.pins.insert(pin.message.seq()),
            Body::PinRemoved(pin) => _ = self.pins.remove(&pin.message.seq()),
            _ => {}
        }
    }

    fn living(&mut self, message: Seq) -> Option<&mut Message> {
        self.messages.get_mut(&message).filter(|message| !message.deleted)
    }

    /// Whether it is a message that was not deleted.
    pub fn lives(&self, message: Seq) -> bool {
        self.messages.get(&message).is_some_and(|message| !message.deleted)
    }

    fn reacted(&self, message: Seq) -> Reacted {
        self.reactions.get(&message).filter(|_| self.lives(message)).cloned().unwrap_or_default()
    }

    fn pinned(&self) -> BTreeSet<Seq> {
        self.pins.iter().copied().filter(|pin| self.lives(*pin)).collect()
    }

    /// What a reader who came to `marker` has not seen, and what of it mentions them.
    pub fn unread(&self, reader: UserId, marker: Seq) -> (u32, u32) {
        let (mut unread, mut mentions) = (0, 0);
        for message in self.messages.range(marker.next()..).map(|(_, message)| message) {
            if message.kind == MessageKind::Text && message.by != reader && !message.deleted {
                unread += 1;
                mentions += u32::from(
                    message.mentions.iter().any(|word| word == "all" || word == "here" || *word == reader.to_string()),
                );
            }
        }
        (unread.min(100), mentions.min(100))
    }

    /// In what it differs from what is `held`, in words; nothing if they are equal.
    pub fn differs_from(&self, held: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: String, seen: &dyn Debug, held: &dyn Debug| {
            let (seen, held) = (format!("{seen:?}"), format!("{held:?}"));
            if seen != held {
                differences.push(format!("{what}: seen {seen}, held {held}"));
            }
        };
        compare("visibility".into(), &self.visibility, &held.visibility);
        compare("settings".into(), &(self.version, &self.settings), &(held.version, &held.settings));
        compare("members".into(), &self.members, &held.members);
        compare("pins".into(), &self.pinned(), &held.pinned());
        let all: BTreeSet<&Seq> = self.messages.keys().chain(held.messages.keys()).collect();
        for seq in all {
            compare(format!("message {seq}"), &self.messages.get(seq), &held.messages.get(seq));
            compare(format!("reactions to {seq}"), &self.reacted(*seq), &held.reacted(*seq));
        }
        differences
    }
}
