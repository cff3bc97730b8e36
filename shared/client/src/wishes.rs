//! What a client wants of every socket it opens: said once, and again after each reconnect. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chat_protocol::{
    ConversationId, Seq, UserId,
    frame::{ClientFrame, Focus, Mark, Marked, Watch},
    limits,
};

/// What is on screen, whom it watches, and how far its user has read.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    focus: Vec<ConversationId>,
    watched: BTreeSet<UserId>,
    /// Of conversations whose marker was moved while this client ran.
    marks: BTreeMap<ConversationId, Marked>,
}

impl Wishes {
    /// Other conversations are on screen.
    pub(crate) fn focus(&mut self, conversations: Vec<ConversationId>) -> ClientFrame {
        self.focus.clone_from(&conversations);
        ClientFrame::Focus(Focus { conversations })
    }

    /// Others are watched.
    pub(crate) fn watch(&mut self, add: &[UserId], remove: &[UserId]) {
        self.watched.extend(add);
        remove.iter().for_each(|user| {
            self.watched.remove(user);
        });
    }

    /// The user has read or received up to here; `None` if no more than before.
    pub(crate) fn mark(&mut self, conversation: ConversationId, marked: Marked) -> Option<ClientFrame> {
        let known = self.marks.entry(conversation).or_default();
        let raised = Marked { read: known.read.max(marked.read), delivered: known.delivered.max(marked.delivered) };
        if *known == raised {
            return None;
        }
        *known = raised;
        Some(ClientFrame::Mark(Mark { conversation: Some(conversation), marked: raised, markers: BTreeMap::new() }))
    }

    /// The user is in this conversation no longer.
    pub(crate) fn on_left(&mut self, conversation: ConversationId) {
        self.focus.retain(|focused| *focused != conversation);
        self.marks.remove(&conversation);
    }

    /// What a new socket is to be told.
    pub(crate) fn again(&self) -> Vec<ClientFrame> {
        let mut frames = Vec::new();
        if !self.focus.is_empty() {
            frames.push(ClientFrame::Focus(Focus { conversations: self.focus.clone() }));
        }
        if !self.watched.is_empty() {
            let add = self.watched.iter().copied().take(limits::WATCHES).collect();
            frames.push(ClientFrame::Watch(Watch { reference: None, add, remove: Vec::new() }));
        }
        if !self.marks.is_empty() {
            // The highest ones, if there are more than one frame may hold.
            let mut marks: Vec<_> = self.marks.iter().map(|(conversation, marked)| (*conversation, *marked)).collect();
            marks.sort_by_key(|(_, marked)| std::cmp::Reverse(marked.read.max(marked.delivered).unwrap_or(Seq::ZERO)));
            marks.truncate(limits::MARKS);
            let markers = marks.into_iter().collect();
            frames.push(ClientFrame::Mark(Mark { conversation: None, marked: Marked::default(), markers }));
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(seq: u64) -> Marked {
        Marked { read: Seq::new(seq), delivered: None }
    }

    #[test]
    fn a_marker_is_said_when_it_rises_and_again_to_every_socket() {
        let mut wishes = Wishes::default();
        let here = ConversationId::from_u128(1);
        assert!(wishes.again().is_empty(), "nothing is wished for");
        assert!(wishes.mark(here, read(5)).is_some());
        assert!(wishes.mark(here, read(4)).is_none(), "it never goes back");
        assert!(wishes.mark(here, Marked { read: None, delivered: Seq::new(9) }).is_some());
        let both = Marked { read: Seq::new(5), delivered: Seq::new(9) };
        let expected = Mark { conversation: None, marked: Marked::default(), markers: [(here, both)].into() };
        assert_eq!(wishes.again(), [ClientFrame::Mark(expected)]);
        wishes.on_left(here);
        assert!(wishes.again().is_empty());
    }

    #[test]
    fn a_new_socket_watches_and_shows_what_the_last_one_did() {
        let mut wishes = Wishes::default();
        let (a, b) = (UserId::from_u128(1), UserId::from_u128(2));
        wishes.watch(&[a, b], &[]);
        wishes.watch(&[], &[a]);
        wishes.focus(vec![ConversationId::from_u128(7)]);
        let focus = ClientFrame::Focus(Focus { conversations: vec![ConversationId::from_u128(7)] });
        let watch = ClientFrame::Watch(Watch { reference: None, add: vec![b], remove: Vec::new() });
        assert_eq!(wishes.again(), [focus, watch]);
    }
}
