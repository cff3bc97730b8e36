//! Log-ins, their refresh tokens, and what is no longer trusted.

use chat_protocol::{SessionId, UserId};
use chat_store::{Revocation, SessionRow, Store};
use futures_util::future::join_all;

use super::play::{now, session, user};

pub(crate) async fn a_session_is_there_until_it_ends(store: &dyn Store) {
    let (ada, begun) = (user(), session(user(), 10));
    let begun = SessionRow { user: ada, ..begun };
    store.create_session(&begun).await.unwrap();
    assert!(store.session(begun.id).await.unwrap() == Some(begun.clone()));

    store.end_session(ada, begun.id).await.unwrap();
    assert!(store.session(begun.id).await.unwrap().is_none());
    assert!(store.sessions(ada).await.unwrap().is_empty());
    store.end_session(ada, begun.id).await.unwrap();
    assert!(store.session(SessionId::from_u128(rand::random())).await.unwrap().is_none());
}

pub(crate) async fn an_expired_session_is_gone(store: &dyn Store) {
    let ended = SessionRow { expires_at: now().plus_ms(-1), ..session(user(), 60_000) };
    store.create_session(&ended).await.unwrap();
    assert!(store.session(ended.id).await.unwrap().is_none());
    assert!(store.sessions(ended.user).await.unwrap().is_empty());
    let rotated = store.rotate_session(ended.id, &ended.refresh_hash, &[1; 32], now(), now().plus_ms(60_000)).await;
    assert!(!rotated.unwrap());
    assert!(store.session(ended.id).await.unwrap().is_none());
}

pub(crate) async fn sessions_come_newest_first(store: &dyn Store) {
    let ada = user();
    let all: Vec<SessionRow> = (0..5).map(|n| session(ada, n * 1_000)).collect();
    for one in [3, 0, 4, 2, 1] {
        store.create_session(&all[one]).await.unwrap();
    }
    store.create_session(&session(user(), 0)).await.unwrap();
    store.end_session(ada, all[2].id).await.unwrap();

    let ids: Vec<_> = store.sessions(ada).await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(ids, [all[0].id, all[1].id, all[3].id, all[4].id]);
}

pub(crate) async fn nobody_ends_the_session_of_another(store: &dyn Store) {
    let hers = session(user(), 0);
    store.create_session(&hers).await.unwrap();
    store.end_session(user(), hers.id).await.unwrap();
    assert!(store.session(hers.id).await.unwrap() == Some(hers.clone()));
    assert_eq!(store.sessions(hers.user).await.unwrap().len(), 1);
}

pub(crate) async fn one_refresh_wins(store: &dyn Store) {
    let begun = session(user(), 0);
    store.create_session(&begun).await.unwrap();
    let tokens: Vec<[u8; 32]> = (0..8).map(|_| rand::random()).collect();
    let end = now().plus_ms(7_200_000);
    let tries = tokens.iter().map(|new| store.rotate_session(begun.id, &begun.refresh_hash, new, now(), end));
    let answers = join_all(tries).await;

    let winners: Vec<_> = tokens.iter().zip(answers).filter(|(_, answer)| *answer.as_ref().unwrap()).collect();
    assert_eq!(winners.len(), 1);
    assert!(store.session(begun.id).await.unwrap().unwrap().refresh_hash == *winners[0].0);
}

pub(crate) async fn a_used_refresh_token_is_refused(store: &dyn Store) {
    let begun = session(user(), 1_000);
    store.create_session(&begun).await.unwrap();
    let (new, used_at, expires_at) = ([9; 32], now(), now().plus_ms(7_200_000));
    assert!(store.rotate_session(begun.id, &begun.refresh_hash, &new, used_at, expires_at).await.unwrap());
    let rotated = SessionRow { refresh_hash: new, last_used_at: used_at, expires_at, ..begun.clone() };
    assert!(store.session(begun.id).await.unwrap() == Some(rotated.clone()));
    assert!(store.sessions(begun.user).await.unwrap() == [rotated.clone()]);

    assert!(!store.rotate_session(begun.id, &begun.refresh_hash, &[7; 32], now(), expires_at).await.unwrap());
    assert!(store.session(begun.id).await.unwrap() == Some(rotated));
    let unknown = SessionId::from_u128(rand::random());
    assert!(!store.rotate_session(unknown, &new, &[7; 32], now(), expires_at).await.unwrap());
    assert!(store.session(unknown).await.unwrap().is_none());
}

pub(crate) async fn revocations_last_until_their_end(store: &dyn Store) {
    let (session, ended) = (SessionId::from_u128(rand::random()), SessionId::from_u128(rand::random()));
    let (ada, until) = (user(), now().plus_ms(900_000));
    store.revoke(&Revocation::Session { session, until }).await.unwrap();
    store.revoke(&Revocation::Session { session: ended, until: now().plus_ms(-1) }).await.unwrap();
    // The later one counts, whichever comes last.
    let (early, late) = (now().plus_ms(-5_000), now());
    for issued_before in [late, early] {
        store.revoke(&Revocation::User { user: ada, issued_before, until }).await.unwrap();
    }
    store.revoke(&Revocation::Session { session, until }).await.unwrap();

    let all = store.revocations().await.unwrap();
    assert!(all.contains(&Revocation::Session { session, until }));
    assert!(!all.iter().any(|one| matches!(one, Revocation::Session { session, .. } if *session == ended)));
    assert_eq!(issued_before(&all, ada), Some(late));
    assert_eq!(issued_before(&all, user()), None);
}

fn issued_before(all: &[Revocation], of: UserId) -> Option<chat_protocol::Timestamp> {
    let of_user = all.iter().filter_map(|one| match one {
        Revocation::User { user, issued_before, .. } if *user == of => Some(*issued_before),
        _ => None,
    });
    of_user.max()
}
