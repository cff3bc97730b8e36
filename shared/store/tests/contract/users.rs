//! Accounts and profiles.

use chat_protocol::model::AccountState;
use chat_store::{NewAccount, ProfileChange, Store};
use futures_util::future::join_all;
use serde_json::json;

use super::play::{account, name, user};

pub(crate) async fn an_account_is_found_by_id_and_by_name(store: &dyn Store) {
    let ada = account(&name());
    assert!(store.create_user(&ada).await.unwrap());

    let by_id = store.account(ada.id).await.unwrap().unwrap();
    let by_name = store.account_by_name(&ada.name).await.unwrap().unwrap();
    assert_eq!(by_id.user, by_name.user);
    assert_eq!((by_id.user.user.id, &by_id.user.user.name), (ada.id, &ada.name));
    assert_eq!(by_id.user.user.display_name.as_deref(), Some("Ada"));
    assert_eq!(by_id.user.user.created_at, ada.created_at);
    assert_eq!((by_id.user.state, by_id.user.receipts), (AccountState::Active, true));
    assert_eq!((&by_id.user.private, &by_id.user.user.profile, by_id.user.user.bot), (&None, &None, false));
    assert_eq!(by_id.password_hash.as_deref(), Some("$argon2id$first"));
    assert_eq!(by_name.password_hash, by_id.password_hash);

    assert!(store.account(user()).await.unwrap().is_none());
    assert!(store.account_by_name(&name()).await.unwrap().is_none());
}

pub(crate) async fn one_of_many_gets_a_name(store: &dyn Store) {
    let name = name();
    let all: Vec<NewAccount> = (0..8).map(|_| account(&name)).collect();
    let answers = join_all(all.iter().map(|one| store.create_user(one))).await;

    let winners: Vec<_> = all.iter().zip(answers).filter(|(_, answer)| *answer.as_ref().unwrap()).collect();
    assert_eq!(winners.len(), 1);
    let holder = store.account_by_name(&name).await.unwrap().unwrap();
    assert_eq!(holder.user.user.id, winners[0].0.id);
    for loser in all.iter().filter(|one| one.id != winners[0].0.id) {
        assert!(store.account(loser.id).await.unwrap().is_none());
        assert!(!store.create_user(loser).await.unwrap());
    }
}

pub(crate) async fn creating_again_changes_nothing(store: &dyn Store) {
    let ada = account(&name());
    assert!(store.create_user(&ada).await.unwrap());
    let change = ProfileChange { display_name: Some(Some("Countess".into())), ..ProfileChange::default() };
    store.change_profile(ada.id, &change).await.unwrap().unwrap();

    assert!(store.create_user(&ada).await.unwrap());
    let kept = store.account(ada.id).await.unwrap().unwrap();
    assert_eq!(kept.user.user.display_name.as_deref(), Some("Countess"));
}

pub(crate) async fn a_profile_changes_field_by_field(store: &dyn Store) {
    let ada = account(&name());
    store.create_user(&ada).await.unwrap();
    let first = ProfileChange {
        avatar_url: Some(Some("https://example.org/a.png".into())),
        profile: Some(Some(json!({"city": "London"}))),
        private: Some(Some(json!({"theme": ["dark", 7, null]}))),
        receipts: Some(false),
        ..ProfileChange::default()
    };
    let changed = store.change_profile(ada.id, &first).await.unwrap().unwrap();
    assert_eq!(changed, store.account(ada.id).await.unwrap().unwrap().user);
    assert_eq!(changed.user.display_name.as_deref(), Some("Ada"));
    assert_eq!(changed.user.avatar_url.as_deref(), Some("https://example.org/a.png"));
    assert_eq!(changed.user.profile, Some(json!({"city": "London"})));
    assert_eq!(changed.private, Some(json!({"theme": ["dark", 7, null]})));
    assert!(!changed.receipts);

    let second = ProfileChange { display_name: Some(None), profile: Some(None), ..ProfileChange::default() };
    let changed = store.change_profile(ada.id, &second).await.unwrap().unwrap();
    assert_eq!((changed.user.display_name, changed.user.profile), (None, None));
    assert_eq!(changed.private, Some(json!({"theme": ["dark", 7, null]})));
    assert!(!changed.receipts);

    let nobody = user();
    assert_eq!(store.change_profile(nobody, &second).await.unwrap(), None);
    assert!(store.account(nobody).await.unwrap().is_none());
}

pub(crate) async fn a_new_password_replaces_the_old_one(store: &dyn Store) {
    let ada = account(&name());
    store.create_user(&ada).await.unwrap();
    store.set_password(ada.id, "$argon2id$second").await.unwrap();
    let found = store.account_by_name(&ada.name).await.unwrap().unwrap();
    assert_eq!(found.password_hash.as_deref(), Some("$argon2id$second"));
    assert_eq!(found.user.user.display_name.as_deref(), Some("Ada"));

    let nobody = user();
    store.set_password(nobody, "$argon2id$third").await.unwrap();
    assert!(store.account(nobody).await.unwrap().is_none());
}

pub(crate) async fn profiles_come_in_the_order_asked(store: &dyn Store) {
    let (ada, bob) = (account(&name()), account(&name()));
    store.create_user(&ada).await.unwrap();
    store.create_user(&bob).await.unwrap();

    let found = store.users(&[bob.id, user(), ada.id]).await.unwrap();
    assert_eq!(found.iter().map(|user| user.id).collect::<Vec<_>>(), [bob.id, ada.id]);
    assert!(store.users(&[]).await.unwrap().is_empty());
}

pub(crate) async fn names_are_found_by_prefix(store: &dyn Store) {
    let prefix = name();
    let all = ["", "-x", ".a", "1", "_b", "a", "ab", "b"].map(|end| format!("{prefix}{end}"));
    for name in all.iter().rev() {
        store.create_user(&account(name)).await.unwrap();
    }
    let found = |after: Option<String>, limit| {
        let prefix = prefix.clone();
        async move {
            let users = store.users_by_prefix(&prefix, after.as_deref(), limit).await.unwrap();
            users.into_iter().map(|user| user.name).collect::<Vec<_>>()
        }
    };
    assert_eq!(found(None, 100).await, all);
    assert_eq!(found(None, 3).await, all[..3]);
    assert_eq!(found(Some(all[2].clone()), 3).await, all[3..6]);
    assert_eq!(found(Some(all[7].clone()), 3).await, [""; 0]);
    assert!(store.users_by_prefix(&format!("{prefix}c"), None, 10).await.unwrap().is_empty());
    // Two letters suffice, and nobody else's name comes with them.
    let many = store.users_by_prefix(&prefix[..2], None, 1_000).await.unwrap();
    assert!(many.len() >= all.len() && many.iter().all(|user| user.name.starts_with(&prefix[..2])));
}

pub(crate) async fn texts_keep_every_character(store: &dyn Store) {
    let odd = "a\u{0}b 🎉 \u{10ffff} \"'\\ \u{202e}";
    let mut ada = account(&name());
    ada.display_name = Some(odd.into());
    store.create_user(&ada).await.unwrap();
    let change = ProfileChange { profile: Some(Some(json!({odd: odd}))), ..ProfileChange::default() };
    store.change_profile(ada.id, &change).await.unwrap();

    let found = store.account(ada.id).await.unwrap().unwrap().user.user;
    assert_eq!(found.display_name.as_deref(), Some(odd));
    assert_eq!(found.profile, Some(json!({odd: odd})));
}

pub(crate) async fn a_new_name_leads_to_the_account_and_the_old_one_is_free(store: &dyn Store) {
    let (old, new, taken) = (name(), name(), name());
    let (ada, bob) = (account(&old), account(&taken));
    assert!(store.create_user(&ada).await.unwrap() && store.create_user(&bob).await.unwrap());
    assert!(!store.rename(ada.id, &taken).await.unwrap(), "somebody has it");
    assert!(store.rename(ada.id, &new).await.unwrap());
    assert!(store.rename(ada.id, &new).await.unwrap(), "again changes nothing");
    assert_eq!(store.account_by_name(&new).await.unwrap().unwrap().user.user.id, ada.id);
    assert!(store.account_by_name(&old).await.unwrap().is_none());
    assert_eq!(store.users(&[ada.id]).await.unwrap()[0].name, new);
    let found = store.users_by_prefix(&new, None, 10).await.unwrap();
    assert_eq!(found.iter().map(|user| user.id).collect::<Vec<_>>(), [ada.id]);
    assert!(store.users_by_prefix(&old, None, 10).await.unwrap().is_empty());
    assert!(store.create_user(&account(&old)).await.unwrap(), "the old name is free");
}

pub(crate) async fn a_closed_account_is_known_but_not_found_by_name(store: &dyn Store) {
    let ada = account(&name());
    assert!(store.create_user(&ada).await.unwrap());
    store.set_state(ada.id, AccountState::Deactivated).await.unwrap();
    assert_eq!(store.account(ada.id).await.unwrap().unwrap().user.state, AccountState::Deactivated);
    assert_eq!(store.users(&[ada.id]).await.unwrap().len(), 1);
    assert!(store.users_by_prefix(&ada.name, None, 10).await.unwrap().is_empty());
    store.set_state(super::play::user(), AccountState::Suspended).await.unwrap();
}
