//! The one decision about what somebody may do in a conversation. REST and WebSocket alike ask here.
//!
//! What is absent and what may not be seen answer the same: `not_found`. A public conversation may be looked at and
//! joined by every user; reading, following and writing need membership (`not_a_member`). To a banned user everything
//! is `not_found`, except joining: `forbidden`.

use std::collections::BTreeMap;

use chat_protocol::{
    ErrorCode, UserId,
    model::{Kind, Override, Visibility},
    rights::{Right, Rights, Role},
};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// By a verified token.
    pub user: UserId,
}

/// What the caller knows of a conversation that exists, and of the actor in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Of the conversation.
    pub kind: Kind,
    /// Of the conversation.
    pub visibility: Visibility,
    /// The actor's place; `None` for who is no member, or no longer.
    pub place: Option<Place>,
    /// Whether the actor is banned.
    pub banned: bool,
    /// In a `direct`: whether one of the two blocked the other.
    pub blocked: bool,
}

/// A member's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// As what.
    pub role: Role,
    /// With what rights, overrides applied: see [`Place::of`].
    pub rights: Rights,
}

impl Place {
    /// What a role may do in a conversation of this kind with these overrides; `deny` wins over `allow`.
    pub fn of(kind: Kind, role: Role, overrides: &BTreeMap<Role, Override>) -> Self {
        let rights = match (kind, overrides.get(&role)) {
            (Kind::Direct, _) => Rights::DIRECT,
            (_, Some(change)) => role.rights().union(change.allow).without(change.deny),
            (_, None) => role.rights(),
        };
        Self { role, rights }
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look at the conversation itself: title, kind, who made it.
    View,
    /// Become a member.
    Join,
    /// Be a member no longer.
    Leave,
    /// Change one's own settings here.
    ChangeOwnSettings,
    /// Read history and raw events.
    Read,
    /// Receive events on a socket.
    Follow,
    /// Say how far one has read.
    Mark,
    /// Send a message, or show that one is about to.
    Send,
    /// Send attachments.
    Attach,
    /// React to a message.
    React,
    /// Change a message.
    Edit {
        /// Who sent it.
        author: UserId,
    },
    /// Delete a message for all.
    Delete {
        /// Who sent it.
        author: UserId,
    },
    /// Pin or unpin a message.
    Pin,
    /// Address everybody; without the right the words stay text.
    MentionAll,
    /// Send again before the pause of slow mode is over.
    SkipSlowMode,
    /// Open a thread.
    OpenThread,
    /// See who is a member.
    ListMembers,
    /// Add members.
    Invite {
        /// As what.
        place: Place,
    },
    /// Remove a member; oneself = [`Action::Leave`].
    Kick {
        /// Whom.
        user: UserId,
        /// Their role.
        role: Role,
    },
    /// Keep somebody out; also lists and lifts bans.
    Ban {
        /// The role of whom it concerns, if they are a member.
        role: Option<Role>,
    },
    /// Give a member another role.
    ChangeRole {
        /// Whose.
        user: UserId,
        /// What they are.
        from: Role,
        /// What they shall be.
        to: Place,
    },
    /// Change the conversation's settings.
    Manage,
    /// Change what a role may do here.
    Override {
        /// Which.
        role: Role,
        /// What it may do afterwards and could not before.
        grants: Rights,
    },
    /// Delete the conversation for all.
    DeleteConversation,
}

/// Decides. `standing` is `None` where no such conversation exists, or no longer.
///
/// # Errors
/// The code the client is told: `not_found`, `not_a_member`, `forbidden` or `blocked`.
pub fn authorize(actor: Actor, action: Action, standing: Option<&Standing>) -> Result<(), ErrorCode> {
    let standing = standing.ok_or(ErrorCode::NotFound)?;
    let action = match action {
        Action::Kick { user, .. } if user == actor.user => Action::Leave,
        action => action,
    };
    if standing.banned {
        return Err(if action == Action::Join { ErrorCode::Forbidden } else { ErrorCode::NotFound });
    }
    match standing.place {
        Some(place) => member(actor, action, standing, place),
        None if standing.visibility == Visibility::Public => visitor(action),
        None => Err(ErrorCode::NotFound),
    }
}

/// Somebody who sees a public conversation from outside.
const fn visitor(action: Action) -> Result<(), ErrorCode> {
    match action {
        Action::View | Action::Join => Ok(()),
        Action::Leave | Action::ChangeOwnSettings => Err(ErrorCode::NotFound),
        Action::Read
        | Action::Follow
        | Action::Mark
        | Action::Send
        | Action::Attach
        | Action::React
        | Action::Edit { .. }
        | Action::Delete { .. }
        | Action::Pin
        | Action::MentionAll
        | Action::SkipSlowMode
        | Action::OpenThread => Err(ErrorCode::NotAMember),
        Action::ListMembers
        | Action::Invite { .. }
        | Action::Kick { .. }
        | Action::Ban { .. }
        | Action::ChangeRole { .. }
        | Action::Manage
        | Action::Override { .. }
        | Action::DeleteConversation => Err(ErrorCode::Forbidden),
    }
}

fn member(actor: Actor, action: Action, standing: &Standing, place: Place) -> Result<(), ErrorCode> {
    let direct = standing.kind == Kind::Direct;
    if direct && standing.blocked && matches!(action, Action::Send | Action::React | Action::Edit { .. }) {
        return Err(ErrorCode::Blocked);
    }
    let has = |right| place.rights.has(right);
    let below = |role: Role| role < place.role;
    // Nobody grants what they lack.
    let grants = |other: Place| other.role <= place.role && place.rights.covers(other.rights);
    let allowed = match action {
        Action::View | Action::ChangeOwnSettings => true,
        // The two of a direct conversation are its members for ever.
        Action::Join | Action::Leave => !direct,
        Action::Read | Action::Follow | Action::Mark => has(Right::Read),
        Action::Send => has(Right::Send),
        Action::Attach => has(Right::Attach),
        Action::React => has(Right::React),
        Action::Edit { author } => author == actor.user && has(Right::EditOwn),
        Action::Delete { author } => has(Right::DeleteAny) || (author == actor.user && has(Right::DeleteOwn)),
        Action::Pin => has(Right::Pin),
        Action::MentionAll => has(Right::MentionAll),
        Action::SkipSlowMode => has(Right::SkipSlowMode),
        Action::OpenThread => has(Right::Thread),
        Action::ListMembers => standing.kind != Kind::Broadcast || place.role > Role::Reader,
        Action::Invite { place } => !direct && has(Right::Invite) && grants(place),
        Action::Kick { role, .. } => !direct && has(Right::Kick) && below(role),
        Action::Ban { role } => !direct && has(Right::Ban) && role.is_none_or(below),
        // Oneself downwards, whatever rights one has.
        Action::ChangeRole { user, from, to } if user == actor.user => !direct && to.role <= from,
        Action::ChangeRole { from, to, .. } => !direct && has(Right::ManageRoles) && below(from) && grants(to),
        Action::Manage => has(Right::Manage),
        Action::Override { role, grants } => has(Right::Manage) && below(role) && place.rights.covers(grants),
        Action::DeleteConversation => has(Right::DeleteConversation),
    };
    if allowed { Ok(()) } else { Err(ErrorCode::Forbidden) }
}

#[cfg(test)]
mod tests;
