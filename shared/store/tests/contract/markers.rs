//! How far members have read; and presence that lasts.

use chat_protocol::{
    Seq, Timestamp, UserId,
    model::{Marker, Status, StatusState},
};
use chat_store::Store;

use super::play::{TODAY, conversation, now, seq, user};

fn marker(of: UserId, read: u64, delivered: u64, at_ms: i64) -> Marker {
    let position = |n: u64| if n == 0 { Seq::ZERO } else { seq(TODAY + n) };
    Marker { user: of, read: position(read), delivered: position(delivered), at: Timestamp::from_ms(at_ms) }
}

pub(crate) async fn markers_never_go_back(store: &dyn Store) {
    let (ada, here, there) = (user(), conversation(), conversation());
    store.raise_markers(ada, &[(here, marker(ada, 5, 9, 1_000))]).await.unwrap();
    store.raise_markers(ada, &[(here, marker(ada, 3, 4, 2_000))]).await.unwrap();
    assert_eq!(store.markers(ada, &[there, here]).await.unwrap(), [None, Some(marker(ada, 5, 9, 1_000))]);

    // Each part goes up by itself, and what was read has been received.
    store.raise_markers(ada, &[(here, marker(ada, 12, 0, 3_000))]).await.unwrap();
    assert_eq!(store.markers(ada, &[here]).await.unwrap(), [Some(marker(ada, 12, 12, 3_000))]);
    store.raise_markers(ada, &[(here, marker(ada, 12, 12, 3_000)), (there, marker(ada, 0, 1, 3_000))]).await.unwrap();
    let both = [Some(marker(ada, 12, 12, 3_000)), Some(marker(ada, 0, 1, 3_000))];
    assert_eq!(store.markers(ada, &[here, there]).await.unwrap(), both);
}

pub(crate) async fn markers_are_listed_by_conversation(store: &dyn Store) {
    let here = conversation();
    let mut users: Vec<UserId> = (0..3).map(|_| user()).collect();
    users.sort();
    for (n, user) in (1..).zip(&users) {
        store.raise_markers(*user, &[(here, marker(*user, n, n, 1_000))]).await.unwrap();
    }
    let listed = store.markers_in(here, 2).await.unwrap();
    assert_eq!(listed, [marker(users[0], 1, 1, 1_000), marker(users[1], 2, 2, 1_000)]);
    assert_eq!(store.markers_in(conversation(), 10).await.unwrap(), []);
}

pub(crate) async fn a_status_stays_and_last_seen_goes_forward(store: &dyn Store) {
    let (ada, bob) = (user(), user());
    let busy = Status { state: StatusState::Dnd, text: Some("at lunch".into()), until: Some(now().plus_ms(60_000)) };
    store.set_status(ada, &busy, now()).await.unwrap();
    assert_eq!(store.statuses(&[bob, ada]).await.unwrap(), [Status::default(), busy]);
    let quiet = Status { state: StatusState::Invisible, ..Status::default() };
    store.set_status(ada, &quiet, now()).await.unwrap();
    assert_eq!(store.statuses(&[ada]).await.unwrap(), [quiet]);

    let (earlier, later) = (now().plus_ms(-2_000), now().plus_ms(-1_000));
    store.seen(&[(ada, later)]).await.unwrap();
    store.seen(&[(ada, earlier)]).await.unwrap();
    assert_eq!(store.last_seen(&[bob, ada]).await.unwrap(), [None, Some(later)]);
}
