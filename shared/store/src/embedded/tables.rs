//! Which row lies where: keyspaces by subject, and in each the tables by their first byte.

use std::{marker::PhantomData, sync::Arc};

use chat_protocol::Clock;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use serde::{Serialize, de::DeserializeOwned};

use super::key::Key;
use crate::StoreError;

/// A keyspace: what is read and written together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Users,
    Sessions,
    Conversations,
    Members,
    Messages,
    Marks,
}

impl Subject {
    const ALL: [Self; 6] =
        [Self::Users, Self::Sessions, Self::Conversations, Self::Members, Self::Messages, Self::Marks];

    const fn name(self) -> &'static str {
        match self {
            Self::Users => "store.users",
            Self::Sessions => "store.sessions",
            Self::Conversations => "store.conversations",
            Self::Members => "store.members",
            Self::Messages => "store.messages",
            Self::Marks => "store.marks",
        }
    }

    /// As it stands in a key.
    pub(super) const fn byte(self) -> u8 {
        self as u8
    }

    /// The inverse of [`Subject::byte`].
    pub(super) fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.byte() == byte)
    }
}

/// Rows of one type under one first byte. Rows are MessagePack maps: fields may be added, and unknown ones are ignored.
pub(super) struct Table<T> {
    pub(super) subject: Subject,
    tag: u8,
    row: PhantomData<fn() -> T>,
}

impl<T> Table<T> {
    pub(super) const fn new(subject: Subject, tag: u8) -> Self {
        Self { subject, tag, row: PhantomData }
    }

    /// The whole key, or the beginning of several.
    pub(super) fn key(&self, key: impl Key) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(self.tag);
        key.write(&mut bytes);
        bytes
    }
}

impl<T: Serialize> Table<T> {
    /// A row as it is stored.
    pub(super) fn encode(&self, row: &T) -> Result<Vec<u8>, StoreError> {
        rmp_serde::to_vec_named(row).map_err(|_| StoreError::Other(format!("{} cannot be written", row_name::<T>())))
    }
}

impl<T: DeserializeOwned> Table<T> {
    /// The inverse of [`Table::encode`]. Every row was written by us, so an error is a fault; it quotes no content.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<T, StoreError> {
        rmp_serde::from_slice(bytes).map_err(|_| StoreError::Other(format!("{} does not read back", row_name::<T>())))
    }
}

fn row_name<T>() -> &'static str {
    std::any::type_name::<T>()
}

/// The format of all rows; one number, because they are written by one program.
const FORMAT: u32 = 1;
static FORMATS: Table<u32> = Table::new(Subject::Marks, b'f');

/// The open keyspaces and the clock that ends rows.
pub(super) struct Tables {
    pub(super) database: Database,
    keyspaces: Vec<Keyspace>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Tables {
    pub(super) fn open(database: Database, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let open = |subject: Subject| database.keyspace(subject.name(), KeyspaceCreateOptions::default);
        let keyspaces = Subject::ALL.into_iter().map(open).collect::<Result<_, _>>().map_err(|err| unreadable(&err))?;
        let tables = Self { database, keyspaces, clock };
        tables.check_format()?;
        Ok(tables)
    }

    fn check_format(&self) -> Result<(), StoreError> {
        match self.keyspace(Subject::Marks).get(FORMATS.key(())).map_err(|err| unreadable(&err))? {
            None => self.write_format(FORMAT),
            Some(row) => match FORMATS.decode(&row)? {
                FORMAT => Ok(()),
                other => Err(StoreError::Other(format!("format {other} is not known, only {FORMAT}"))),
            },
        }
    }

    pub(super) fn write_format(&self, format: u32) -> Result<(), StoreError> {
        let row = FORMATS.encode(&format)?;
        self.keyspace(Subject::Marks).insert(FORMATS.key(()), row).map_err(|err| unwritable(&err))
    }

    pub(super) fn keyspace(&self, subject: Subject) -> &Keyspace {
        self.keyspaces.get(usize::from(subject.byte())).expect("every subject was opened, in this order")
    }
}

/// A failed read.
pub(super) fn unreadable(err: &fjall::Error) -> StoreError {
    StoreError::Other(err.to_string())
}

/// A failed write. The engine takes no more of them after one that the disk refused, until it is opened again.
pub(super) fn unwritable(err: &fjall::Error) -> StoreError {
    match err {
        fjall::Error::Io(_) | fjall::Error::Poisoned => StoreError::Full,
        other => StoreError::Other(other.to_string()),
    }
}
