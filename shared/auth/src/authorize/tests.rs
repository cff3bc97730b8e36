//! One matrix: every action × everybody who may try it.

use super::*;

const ALICE: UserId = UserId::from_u128(1);
const BOB: UserId = UserId::from_u128(2);
const ACTOR: Actor = Actor { user: ALICE };

/// The columns: who tries. An ex-member is a stranger again.
const PERSONAS: [&str; 8] = ["owner", "admin", "moderator", "member", "reader", "ex-member", "banned", "stranger"];

/// `+` allowed, `F` forbidden, `N` not found, `M` not a member.
const IN_A_PUBLIC_GROUP: &str = "
    view                    + + + + + + N +
    join                    + + + + + + F +
    leave                   + + + + + N N N
    own settings            + + + + + N N N
    read                    + + + + + M N M
    follow                  + + + + + M N M
    mark                    + + + + + M N M
    send                    + + + + F M N M
    attach                  + + + + F M N M
    react                   + + + + + M N M
    edit own                + + + + F M N M
    edit other's            F F F F F M N M
    delete own              + + + + F M N M
    delete other's          + + + F F M N M
    pin                     + + + F F M N M
    mention all             + + + F F M N M
    skip slow mode          + + + F F M N M
    open thread             + + + + F M N M
    list members            + + + + + F N F
    invite a member         + + + F F F N F
    invite an admin         + + F F F F N F
    kick a reader           + + + F F F N F
    kick a moderator        + + F F F F N F
    kick an owner           F F F F F F N F
    ban a stranger          + + + F F F N F
    ban an admin            + F F F F F N F
    make member moderator   + + F F F F N F
    make admin member       + F F F F F N F
    make member owner       + F F F F F N F
    make self reader        + + + + + F N F
    manage                  + + F F F F N F
    let members pin         + + F F F F N F
    let members delete it   + F F F F F N F
    let admins pin          + F F F F F N F
    let owners pin          F F F F F F N F
    delete conversation     + F F F F F N F
";

/// From outside a private conversation does not exist, whatever one tries.
const IN_A_PRIVATE_GROUP: &str = "
    view                    + + + + + N N N
    join                    + + + + + N F N
    leave                   + + + + + N N N
    read                    + + + + + N N N
    follow                  + + + + + N N N
    send                    + + + + F N N N
    list members            + + + + + N N N
    invite a member         + + + F F N N N
    kick a reader           + + + F F N N N
    ban a stranger          + + + F F N N N
    manage                  + + F F F N N N
    delete conversation     + F F F F N N N
";

const IN_A_BROADCAST: &str = "
    read                    + + + + + M N M
    follow                  + + + + + M N M
    send                    + + + + F M N M
    list members            + + + + F F N F
";

fn action(name: &str) -> Action {
    let (admin, member) = (Role::Admin, Role::Member);
    let place = |role| Place::of(Kind::Group, role, &BTreeMap::new());
    let lets = |role, right| Action::Override { role, grants: Rights::NONE.with(right) };
    match name {
        "view" => Action::View,
        "join" => Action::Join,
        "leave" => Action::Leave,
        "own settings" => Action::ChangeOwnSettings,
        "read" => Action::Read,
        "follow" => Action::Follow,
        "mark" => Action::Mark,
        "send" => Action::Send,
        "attach" => Action::Attach,
        "react" => Action::React,
        "edit own" => Action::Edit { author: ALICE },
        "edit other's" => Action::Edit { author: BOB },
        "delete own" => Action::Delete { author: ALICE },
        "delete other's" => Action::Delete { author: BOB },
        "pin" => Action::Pin,
        "mention all" => Action::MentionAll,
        "skip slow mode" => Action::SkipSlowMode,
        "open thread" => Action::OpenThread,
        "list members" => Action::ListMembers,
        "invite a member" => Action::Invite { place: place(member) },
        "invite an admin" => Action::Invite { place: place(admin) },
        "kick a reader" => Action::Kick { user: BOB, role: Role::Reader },
        "kick a moderator" => Action::Kick { user: BOB, role: Role::Moderator },
        "kick an owner" => Action::Kick { user: BOB, role: Role::Owner },
        "ban a stranger" => Action::Ban { role: None },
        "ban an admin" => Action::Ban { role: Some(admin) },
        "make member moderator" => Action::ChangeRole { user: BOB, from: member, to: place(Role::Moderator) },
        "make admin member" => Action::ChangeRole { user: BOB, from: admin, to: place(member) },
        "make member owner" => Action::ChangeRole { user: BOB, from: member, to: place(Role::Owner) },
        "make self reader" => Action::ChangeRole { user: ALICE, from: Role::Reader, to: place(Role::Reader) },
        "manage" => Action::Manage,
        "let members pin" => lets(member, Right::Pin),
        "let members delete it" => lets(member, Right::DeleteConversation),
        "let admins pin" => lets(admin, Right::Pin),
        "let owners pin" => lets(Role::Owner, Right::Pin),
        "delete conversation" => Action::DeleteConversation,
        unknown => panic!("no such action: {unknown}"),
    }
}

fn standing(persona: &str, kind: Kind, visibility: Visibility) -> Standing {
    let role = match persona {
        "owner" => Some(Role::Owner),
        "admin" => Some(Role::Admin),
        "moderator" => Some(Role::Moderator),
        "member" => Some(Role::Member),
        "reader" => Some(Role::Reader),
        _ => None,
    };
    let place = role.map(|role| Place::of(kind, role, &BTreeMap::new()));
    Standing { kind, visibility, place, banned: persona == "banned", blocked: false }
}

fn holds(table: &str, kind: Kind, visibility: Visibility) {
    for row in table.lines().filter(|line| !line.trim().is_empty()) {
        let (name, cells) = row.trim().split_at(24);
        let cells: Vec<_> = cells.split_whitespace().collect();
        assert_eq!(cells.len(), PERSONAS.len(), "{row}");
        for (persona, cell) in PERSONAS.iter().zip(cells) {
            let expected = match cell {
                "+" => Ok(()),
                "F" => Err(ErrorCode::Forbidden),
                "N" => Err(ErrorCode::NotFound),
                "M" => Err(ErrorCode::NotAMember),
                unknown => panic!("no such cell: {unknown}"),
            };
            let decided = authorize(ACTOR, action(name.trim()), Some(&standing(persona, kind, visibility)));
            assert_eq!(decided, expected, "{} by {persona} in {kind:?}, {visibility:?}", name.trim());
        }
    }
}

#[test]
fn in_a_public_group() {
    holds(IN_A_PUBLIC_GROUP, Kind::Group, Visibility::Public);
}

#[test]
fn in_a_private_group() {
    holds(IN_A_PRIVATE_GROUP, Kind::Group, Visibility::Private);
}

#[test]
fn in_a_broadcast() {
    holds(IN_A_BROADCAST, Kind::Broadcast, Visibility::Public);
}

#[test]
fn what_does_not_exist_is_not_found_for_everything() {
    let rows = IN_A_PUBLIC_GROUP.lines().filter(|line| !line.trim().is_empty());
    for row in rows {
        let name = row.trim().split_at(24).0.trim();
        assert_eq!(authorize(ACTOR, action(name), None), Err(ErrorCode::NotFound), "{name}");
    }
}

#[test]
fn the_two_of_a_direct_conversation_are_equal_and_stay() {
    let both = standing("member", Kind::Direct, Visibility::Private);
    let allowed = ["view", "read", "follow", "mark", "send", "attach", "react", "edit own", "delete own", "pin"];
    for name in allowed {
        assert_eq!(authorize(ACTOR, action(name), Some(&both)), Ok(()), "{name}");
    }
    let forbidden = ["join", "leave", "invite a member", "kick a reader", "ban a stranger", "make member moderator"];
    for name in forbidden.into_iter().chain(["manage", "delete conversation", "mention all", "delete other's"]) {
        assert_eq!(authorize(ACTOR, action(name), Some(&both)), Err(ErrorCode::Forbidden), "{name}");
    }
    let stranger = standing("stranger", Kind::Direct, Visibility::Private);
    assert_eq!(authorize(ACTOR, Action::Join, Some(&stranger)), Err(ErrorCode::NotFound));
}

#[test]
fn a_block_stops_what_the_other_would_hear() {
    let blocked = Standing { blocked: true, ..standing("member", Kind::Direct, Visibility::Private) };
    for name in ["send", "react", "edit own"] {
        assert_eq!(authorize(ACTOR, action(name), Some(&blocked)), Err(ErrorCode::Blocked), "{name}");
    }
    for name in ["read", "follow", "mark", "delete own"] {
        assert_eq!(authorize(ACTOR, action(name), Some(&blocked)), Ok(()), "{name}");
    }
}

#[test]
fn everybody_may_step_down_and_nobody_up() {
    for (persona, from) in [("owner", Role::Owner), ("moderator", Role::Moderator), ("member", Role::Member)] {
        let standing = standing(persona, Kind::Group, Visibility::Private);
        let place = |role| Place::of(Kind::Group, role, &BTreeMap::new());
        let change = |to| authorize(ACTOR, Action::ChangeRole { user: ALICE, from, to: place(to) }, Some(&standing));
        assert_eq!(change(Role::Reader), Ok(()), "{persona}");
        if from < Role::Owner {
            assert_eq!(change(Role::Owner), Err(ErrorCode::Forbidden), "{persona}");
        }
    }
}

#[test]
fn kicking_oneself_is_leaving() {
    let member = standing("member", Kind::Group, Visibility::Private);
    let kick = Action::Kick { user: ALICE, role: Role::Member };
    assert_eq!(authorize(ACTOR, kick, Some(&member)), Ok(()));
}

#[test]
fn nobody_gives_a_role_with_rights_that_they_lack() {
    let ban = Rights::NONE.with(Right::Ban);
    let overrides = BTreeMap::from([(Role::Admin, Override { allow: Rights::NONE, deny: ban })]);
    let place = |role| Place::of(Kind::Group, role, &overrides);
    let admin = Standing { place: Some(place(Role::Admin)), ..standing("admin", Kind::Group, Visibility::Private) };
    let change = |to| Action::ChangeRole { user: BOB, from: Role::Member, to: place(to) };
    for action in [change(Role::Moderator), Action::Invite { place: place(Role::Moderator) }] {
        assert_eq!(authorize(ACTOR, action, Some(&admin)), Err(ErrorCode::Forbidden), "{action:?}");
    }
    assert_eq!(authorize(ACTOR, change(Role::Guest), Some(&admin)), Ok(()));
    let own_again = Action::Override { role: Role::Member, grants: ban };
    assert_eq!(authorize(ACTOR, own_again, Some(&admin)), Err(ErrorCode::Forbidden));
}

#[test]
fn overrides_give_and_take_and_denial_wins() {
    let send = Rights::NONE.with(Right::Send);
    let overrides = BTreeMap::from([
        (Role::Reader, Override { allow: send, deny: Rights::NONE }),
        (Role::Member, Override { allow: send, deny: send }),
    ]);
    assert!(Place::of(Kind::Broadcast, Role::Reader, &overrides).rights.has(Right::Send));
    assert!(!Place::of(Kind::Broadcast, Role::Member, &overrides).rights.has(Right::Send));
    assert!(Place::of(Kind::Direct, Role::Member, &overrides).rights.has(Right::Send), "a direct knows no overrides");
}
