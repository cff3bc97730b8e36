//! What lies where: the keyspaces, their keys and values, and every read.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `log_events` | shard, seq | at, prev, nonce, conversation, the event |
//! | `log_places` | conversation, seq | nothing |
//! | `log_meta` | `format`; `shard`, shard | format and number of shards; the extent of the shard |
//!
//! Events lie in the order in which they come, so the engine moves them hardly ever and drops them from the front.
//! All numbers are big-endian: keys sort like positions.

use bytes::Bytes;
use chat_protocol::{ConversationId, Seq, Shard, Timestamp};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use super::open::OpenError;
use crate::{Logged, Prev};

const FORMAT: u16 = 1;
const HEADER_BYTES: usize = 8 + 8 + 16 + 16;
/// What the keys and the header of one event weigh.
const OVERHEAD_BYTES: usize = 10 + HEADER_BYTES + 24;

/// The log's part of the database.
#[derive(Clone)]
pub(super) struct Tables {
    database: Database,
    events: Keyspace,
    places: Keyspace,
    meta: Keyspace,
}

/// One stored event with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) conversation: ConversationId,
    pub(super) nonce: u128,
    pub(super) logged: Logged,
}

/// The extent of one shard, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first position the shard ever gave out, or will.
    pub(super) created: Seq,
    /// Everything from here on is held.
    pub(super) first: Seq,
    /// The last position given out; the one before `first` if nothing is held.
    pub(super) last: Seq,
    /// Everything up to here was acknowledged by consumers.
    pub(super) settled: Seq,
    /// Bytes held.
    pub(super) bytes: u64,
}

impl Tables {
    /// Opens or creates the keyspaces; refuses another number of shards than they were created with.
    pub(super) fn open(database: Database, shards: u16) -> Result<Self, OpenError> {
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        let (events, places, meta) = (keyspace("log_events")?, keyspace("log_places")?, keyspace("log_meta")?);
        let tables = Self { database, events, places, meta };
        match tables.meta.get("format")? {
            Some(found) => {
                let mut fields = Fields(&found);
                let (format, of) = (fields.u16(), fields.u16());
                if format != Some(FORMAT) {
                    return Err(OpenError::Format);
                }
                if of != Some(shards) {
                    return Err(OpenError::Shards { created: of.unwrap_or_default(), asked: shards });
                }
            }
            None => {
                let mut batch = tables.synced_batch();
                batch.insert(&tables.meta, "format", [FORMAT.to_be_bytes(), shards.to_be_bytes()].concat());
                batch.commit()?;
            }
        }
        Ok(tables)
    }

    /// A batch that is on disk when its commit returns, and that no reader sees before.
    pub(super) fn synced_batch(&self) -> OwnedWriteBatch {
        self.database.batch().durability(Some(PersistMode::SyncData))
    }

    /// A batch that is applied whole or not at all, but may be lost with what follows it.
    pub(super) fn lazy_batch(&self) -> OwnedWriteBatch {
        self.database.batch()
    }

    /// What the disk has free for us, in bytes; `None` if it does not say.
    pub(super) fn disk_free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.meta.path()).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The event first: where its place is seen, it is there.
    pub(super) fn put(&self, batch: &mut OwnedWriteBatch, shard: Shard, record: &Record) {
        let Logged { seq, prev, at, event, .. } = &record.logged;
        let prev = match prev {
            Prev::Known(seq) => *seq,
            Prev::AskTheLog => Seq::ZERO,
        };
        let mut value = Vec::with_capacity(HEADER_BYTES + event.len());
        value.extend(at.as_ms().to_be_bytes());
        value.extend(prev.get().to_be_bytes());
        value.extend(record.nonce.to_be_bytes());
        value.extend(record.conversation.as_u128().to_be_bytes());
        value.extend(event);
        batch.insert(&self.events, event_key(shard, *seq), value);
        batch.insert(&self.places, place_key(record.conversation, *seq), []);
    }

    pub(super) fn remove(&self, batch: &mut OwnedWriteBatch, shard: Shard, record: &Record) {
        batch.remove(&self.places, place_key(record.conversation, record.logged.seq));
        batch.remove(&self.events, event_key(shard, record.logged.seq));
    }

    pub(super) fn put_extent(&self, batch: &mut OwnedWriteBatch, shard: Shard, extent: &Extent) {
        let Extent { created, first, last: _, settled, bytes } = extent;
        let value = [created.get(), first.get(), settled.get(), *bytes].map(u64::to_be_bytes).concat();
        batch.insert(&self.meta, extent_key(shard), value);
    }

    /// The extent of a shard, its last position taken from the events themselves; `None` before its creation.
    pub(super) fn extent(&self, shard: Shard) -> fjall::Result<Option<Extent>> {
        let Some(value) = self.meta.get(extent_key(shard))? else { return Ok(None) };
        let mut fields = Fields(&value);
        let (Some(created), Some(first), Some(settled), Some(bytes)) =
            (fields.seq(), fields.seq(), fields.seq(), fields.u64())
        else {
            return Err(broken("a shard's extent"));
        };
        let newest = self.events.range(event_key(shard, first)..=event_key(shard, Seq::MAX)).next_back();
        let last = match newest {
            Some(entry) => event_seq(&entry.key()?)?,
            None => before(first),
        };
        Ok(Some(Extent { created, first, last, settled, bytes }))
    }

    /// The newest position of a conversation that is held.
    pub(super) fn head(&self, of: ConversationId) -> fjall::Result<Option<Seq>> {
        let newest = self.places.range(place_key(of, Seq::ZERO)..=place_key(of, Seq::MAX)).next_back();
        newest.map(|entry| place_seq(&entry.key()?)).transpose()
    }

    /// A conversation's newest event.
    pub(super) fn newest(&self, shard: Shard, of: ConversationId) -> fjall::Result<Option<Logged>> {
        let Some(seq) = self.head(of)? else { return Ok(None) };
        // Retention may take it between the two reads.
        self.events.get(event_key(shard, seq))?.map(|value| Ok(record(seq, &value)?.logged)).transpose()
    }

    /// What a conversation has after a position, oldest first.
    pub(super) fn tail(&self, shard: Shard, of: ConversationId, after: Seq, most: usize) -> fjall::Result<Vec<Logged>> {
        if after >= Seq::MAX {
            return Ok(Vec::new());
        }
        let mut tail = Vec::new();
        for place in self.places.range(place_key(of, after.next())..=place_key(of, Seq::MAX)).take(most) {
            let seq = place_seq(&place.key()?)?;
            // Retention may take an event between the two reads.
            if let Some(value) = self.events.get(event_key(shard, seq))? {
                tail.push(record(seq, &value)?.logged);
            }
        }
        Ok(tail)
    }

    /// What a shard has from `first` to `last`, both included; oldest first, or newest first from the other end.
    pub(super) fn range(
        &self,
        shard: Shard,
        first: Seq,
        last: Seq,
    ) -> impl DoubleEndedIterator<Item = fjall::Result<Record>> {
        // An empty range must not be upside down.
        let last = last.max(before(first));
        self.events.range(event_key(shard, first)..event_key(shard, last.next())).map(decode)
    }
}

impl Record {
    /// What it weighs on disk, before compression.
    pub(super) fn bytes(&self) -> u64 {
        (OVERHEAD_BYTES + self.logged.event.len()) as u64
    }
}

/// The position before `seq`.
pub(super) fn before(seq: Seq) -> Seq {
    Seq::new(seq.get().saturating_sub(1)).unwrap_or_default()
}

fn event_key(shard: Shard, seq: Seq) -> [u8; 10] {
    let mut key = [0; 10];
    let (high, low) = key.split_at_mut(2);
    high.copy_from_slice(&shard.get().to_be_bytes());
    low.copy_from_slice(&seq.get().to_be_bytes());
    key
}

fn place_key(of: ConversationId, seq: Seq) -> [u8; 24] {
    let mut key = [0; 24];
    let (high, low) = key.split_at_mut(16);
    high.copy_from_slice(&of.as_u128().to_be_bytes());
    low.copy_from_slice(&seq.get().to_be_bytes());
    key
}

fn extent_key(shard: Shard) -> [u8; 7] {
    let [high, low] = shard.get().to_be_bytes();
    [b's', b'h', b'a', b'r', b'd', high, low]
}

fn event_seq(key: &[u8]) -> fjall::Result<Seq> {
    let mut fields = Fields(key);
    fields.u16();
    fields.seq().ok_or_else(|| broken("an event's key"))
}

fn place_seq(key: &[u8]) -> fjall::Result<Seq> {
    let mut fields = Fields(key);
    fields.u128();
    fields.seq().ok_or_else(|| broken("a place's key"))
}

fn decode(entry: fjall::Guard) -> fjall::Result<Record> {
    let (key, value) = entry.into_inner()?;
    record(event_seq(&key)?, &value)
}

fn record(seq: Seq, value: &[u8]) -> fjall::Result<Record> {
    let mut fields = Fields(value);
    let (Some(at), Some(prev), Some(nonce), Some(conversation)) =
        (fields.u64(), fields.seq(), fields.u128(), fields.u128())
    else {
        return Err(broken("an event"));
    };
    let logged = Logged {
        seq,
        prev: if prev == Seq::ZERO { Prev::AskTheLog } else { Prev::Known(prev) },
        at: Timestamp::from_ms(i64::try_from(at).unwrap_or_default()),
        event: Bytes::copy_from_slice(fields.0),
        trace: None,
    };
    Ok(Record { conversation: ConversationId::from_u128(conversation), nonce, logged })
}

fn broken(what: &str) -> fjall::Error {
    fjall::Error::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{what} has another shape")))
}

/// Fixed-width fields, taken from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_be_bytes)
    }

    fn seq(&mut self) -> Option<Seq> {
        self.u64().and_then(Seq::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_in_every_way_and_gone_when_removed() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::builder(dir.path()).open().unwrap();
        let tables = Tables::open(database, 1).unwrap();
        let shard = Shard::new(0).unwrap();
        let conversation = ConversationId::from_u128(7);
        let record = |seq: u64, prev| Record {
            conversation,
            nonce: u128::from(seq),
            logged: Logged {
                seq: Seq::new(seq).unwrap(),
                prev,
                at: Timestamp::from_ms(5),
                event: Bytes::from("hello"),
                trace: None,
            },
        };
        let (one, two) = (record(10, Prev::AskTheLog), record(300, Prev::Known(Seq::new(10).unwrap())));
        let mut batch = tables.synced_batch();
        tables.put(&mut batch, shard, &one);
        tables.put(&mut batch, shard, &two);
        batch.commit().unwrap();

        assert_eq!(tables.head(conversation).unwrap(), Some(two.logged.seq));
        assert_eq!(tables.head(ConversationId::from_u128(8)).unwrap(), None);
        assert_eq!(tables.tail(shard, conversation, one.logged.seq, 1).unwrap(), std::slice::from_ref(&two.logged));
        let all = |first: &Record, last: &Record| -> Vec<_> {
            tables.range(shard, first.logged.seq, last.logged.seq).map(Result::unwrap).collect()
        };
        assert_eq!(all(&one, &two), [one.clone(), two.clone()]);
        assert_eq!(all(&two, &one), []);

        let mut batch = tables.synced_batch();
        tables.remove(&mut batch, shard, &one);
        batch.commit().unwrap();
        assert_eq!(tables.tail(shard, conversation, Seq::ZERO, 9).unwrap(), [two.logged]);
    }
}
