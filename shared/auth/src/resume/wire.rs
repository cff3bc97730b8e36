//! The bytes of a resume token, big-endian, in the order of [`ResumeState`]'s fields.

use std::collections::BTreeMap;

use chat_protocol::{
    ConversationId, Seq, SessionId, Shard, Timestamp, UserId,
    frame::FollowMode,
    limits::{DEVICE_CHARS, FOLLOWS},
};

use super::{ResumeState, WANTS};

const FOLLOW_AUTO: u8 = 0x80;

pub(super) fn write(state: &ResumeState, expires_at: Timestamp, out: &mut Vec<u8>) {
    let wants = WANTS.iter().enumerate().filter(|(_, want)| state.want.contains(want));
    let follow = if state.follow == FollowMode::Auto { FOLLOW_AUTO } else { 0 };
    let flags = wants.fold(follow, |flags, (bit, _)| flags | 1 << bit);
    let device: String = state.device.chars().take(DEVICE_CHARS).collect();

    out.extend(expires_at.as_ms().to_be_bytes());
    out.extend(state.user.as_u128().to_be_bytes());
    out.extend(state.session.as_u128().to_be_bytes());
    out.extend(state.token_issued_at.as_ms().to_be_bytes());
    out.extend(state.token_expires_at.as_ms().to_be_bytes());
    out.push(flags);
    write_len(device.len(), out);
    out.extend(device.as_bytes());
    let follows = state.follows.get(..FOLLOWS).unwrap_or(&state.follows);
    write_len(follows.len(), out);
    for conversation in follows {
        out.extend(conversation.as_u128().to_be_bytes());
    }
    write_len(state.settled.len(), out);
    for (shard, seq) in &state.settled {
        out.extend(shard.get().to_be_bytes());
        out.extend(seq.get().to_be_bytes());
    }
}

/// `None` for anything that [`write`] does not write.
pub(super) fn read(bytes: &[u8]) -> Option<(ResumeState, Timestamp)> {
    let mut bytes = Reader(bytes);
    let expires_at = bytes.timestamp()?;
    let user = UserId::from_u128(bytes.u128()?);
    let session = SessionId::from_u128(bytes.u128()?);
    let token_issued_at = bytes.timestamp()?;
    let token_expires_at = bytes.timestamp()?;
    let [flags] = bytes.take()?;
    let device_bytes = bytes.len()?;
    let device = std::str::from_utf8(bytes.slice(device_bytes)?).ok()?.to_owned();
    let follows_len = bytes.len()?;
    if device.chars().count() > DEVICE_CHARS || follows_len > FOLLOWS {
        return None;
    }
    let follows = (0..follows_len).map(|_| bytes.u128().map(ConversationId::from_u128)).collect::<Option<Vec<_>>>()?;
    let settled_len = bytes.len()?;
    let settled = (0..settled_len).map(|_| bytes.position()).collect::<Option<BTreeMap<_, _>>>()?;
    if !bytes.0.is_empty() || settled.len() != settled_len {
        return None;
    }
    let follow = if flags & FOLLOW_AUTO != 0 { FollowMode::Auto } else { FollowMode::None };
    let wants = WANTS.iter().enumerate().filter(|(bit, _)| flags & (1 << bit) != 0);
    let want = wants.map(|(_, want)| *want).collect();
    let state =
        ResumeState { user, session, device, token_issued_at, token_expires_at, follow, want, follows, settled };
    Some((state, expires_at))
}

/// The lists are bounded far below 2^16 before they come here.
fn write_len(len: usize, out: &mut Vec<u8>) {
    out.extend(u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn len(&mut self) -> Option<usize> {
        self.take().map(u16::from_be_bytes).map(usize::from)
    }

    fn u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_be_bytes)
    }

    fn timestamp(&mut self) -> Option<Timestamp> {
        self.take().map(i64::from_be_bytes).map(Timestamp::from_ms)
    }

    fn position(&mut self) -> Option<(Shard, Seq)> {
        let shard = Shard::new(self.take().map(u16::from_be_bytes)?)?;
        let seq = Seq::new(self.take().map(u64::from_be_bytes)?)?;
        Some((shard, seq))
    }
}
