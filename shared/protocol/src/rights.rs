//! Roles and the rights they carry.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A member's role; each adds rights to the one before. `Direct` conversations know `Member` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads and reacts; joins a broadcast without an event.
    Reader,
    /// May also send.
    Guest,
    /// May also attach, edit and delete what is theirs, open threads.
    Member,
    /// May also delete anybody's messages, pin, mention all, invite, kick and ban.
    Moderator,
    /// May also change roles and the conversation.
    Admin,
    /// May also delete the conversation.
    Owner,
}

impl Role {
    /// Every role, lowest first.
    pub const ALL: [Self; 6] = [Self::Reader, Self::Guest, Self::Member, Self::Moderator, Self::Admin, Self::Owner];

    /// The rights of this role where no override changes them.
    pub const fn rights(self) -> Rights {
        let mut bits = Right::Read.bit() | Right::React.bit();
        if self as u8 >= Self::Guest as u8 {
            bits |= Right::Send.bit();
        }
        if self as u8 >= Self::Member as u8 {
            bits |= Right::Attach.bit() | Right::EditOwn.bit() | Right::DeleteOwn.bit() | Right::Thread.bit();
        }
        if self as u8 >= Self::Moderator as u8 {
            bits |= Right::DeleteAny.bit() | Right::Pin.bit() | Right::MentionAll.bit() | Right::Invite.bit();
            bits |= Right::Kick.bit() | Right::Ban.bit() | Right::SkipSlowMode.bit();
        }
        if self as u8 >= Self::Admin as u8 {
            bits |= Right::ManageRoles.bit() | Right::Manage.bit();
        }
        if self as u8 >= Self::Owner as u8 {
            bits |= Right::DeleteConversation.bit();
        }
        Rights(bits)
    }
}

macro_rules! rights {
    ($($name:ident = $bit:literal $text:literal),+ $(,)?) => {
        /// One thing a member may do; the number is its bit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names say it; docs/protocol.md lists them")]
        pub enum Right { $($name = $bit),+ }

        impl Right {
            /// Every right, by bit.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

rights! {
    Read = 0 "read",
    Send = 1 "send",
    React = 2 "react",
    Attach = 3 "attach",
    EditOwn = 4 "edit_own",
    DeleteOwn = 5 "delete_own",
    DeleteAny = 6 "delete_any",
    Pin = 7 "pin",
    MentionAll = 8 "mention_all",
    Invite = 9 "invite",
    Kick = 10 "kick",
    Ban = 11 "ban",
    ManageRoles = 12 "manage_roles",
    Manage = 13 "manage",
    DeleteConversation = 14 "delete_conversation",
    SkipSlowMode = 15 "skip_slow_mode",
    Thread = 16 "thread",
}

impl Right {
    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// A set of rights; a list of names in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rights(u64);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);

    /// What both members of a `direct` conversation may do.
    pub const DIRECT: Self = Self(Role::Member.rights().0 | Right::Pin.bit());

    /// Whether the set holds `right`.
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Whether the set holds all of `other`.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// This set and `right`.
    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Self(self.0 | right.bit())
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::NONE, Self::with)
    }
}

impl Serialize for Rights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<_> = Right::ALL.iter().filter(|right| self.has(**right)).map(|right| right.name()).collect();
        names.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|name| {
                let right = Right::ALL.iter().find(|right| right.name() == name);
                right.copied().ok_or_else(|| de::Error::custom("no such right"))
            })
            .collect()
    }
}
