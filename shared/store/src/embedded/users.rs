//! Accounts and profiles.

use std::ops::Bound;

use async_trait::async_trait;
use chat_protocol::{
    UserId,
    model::{AccountState, SelfUser, User},
};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    stage::Stage,
    tables::{Subject, Table},
    view::View,
};
use crate::{Account, NewAccount, ProfileChange, StoreError, Users};

/// By user.
static ACCOUNTS: Table<AccountRow> = Table::new(Subject::Users, b'a');
/// By name: whose it is.
static NAMES: Table<UserId> = Table::new(Subject::Users, b'n');
/// Above every name: names are ASCII.
const AFTER_NAMES: &str = "\u{7f}";

#[derive(Serialize, Deserialize)]
struct AccountRow {
    user: SelfUser,
    password_hash: Option<String>,
}

impl AccountRow {
    fn new(account: &NewAccount) -> Self {
        let user = User {
            id: account.id,
            name: account.name.clone(),
            display_name: account.display_name.clone(),
            avatar_url: None,
            profile: None,
            trusted: None,
            bot: false,
            created_at: account.created_at,
        };
        let user = SelfUser { user, private: None, state: AccountState::Active, receipts: true };
        Self { user, password_hash: Some(account.password_hash.clone()) }
    }
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self { user: row.user, password_hash: row.password_hash }
    }
}

#[async_trait]
impl Users for Embedded {
    async fn create_user(&self, account: &NewAccount) -> Result<bool, StoreError> {
        let account = account.clone();
        self.write("create_user", move |stage| create(stage, &account)).await
    }

    async fn account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.read("account", move |view| Ok(view.get(&ACCOUNTS, id)?.map(Account::from))).await
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let name = name.to_owned();
        self.read("account_by_name", move |view| {
            let Some(id) = view.get(&NAMES, name.as_str())? else { return Ok(None) };
            Ok(view.get(&ACCOUNTS, id)?.map(Account::from))
        })
        .await
    }

    async fn change_profile(&self, id: UserId, change: &ProfileChange) -> Result<Option<SelfUser>, StoreError> {
        let change = change.clone();
        self.write("change_profile", move |stage| {
            let Some(mut row) = stage.get(&ACCOUNTS, id)? else { return Ok(None) };
            apply(change, &mut row.user);
            stage.put(&ACCOUNTS, id, &row)?;
            Ok(Some(row.user))
        })
        .await
    }

    async fn rename(&self, id: UserId, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write("rename", move |stage| {
            let Some(mut row) = stage.get(&ACCOUNTS, id)? else { return Ok(false) };
            match stage.get(&NAMES, name.as_str())? {
                Some(holder) => Ok(holder == id),
                None => {
                    stage.remove(&NAMES, row.user.user.name.as_str());
                    stage.put(&NAMES, name.as_str(), &id)?;
                    row.user.user.name = name;
                    stage.put(&ACCOUNTS, id, &row)?;
                    Ok(true)
                }
            }
        })
        .await
    }

    async fn set_state(&self, id: UserId, state: AccountState) -> Result<(), StoreError> {
        self.write("set_state", move |stage| match stage.get(&ACCOUNTS, id)? {
            Some(mut row) => {
                row.user.state = state;
                stage.put(&ACCOUNTS, id, &row)
            }
            None => Ok(()),
        })
        .await
    }

    async fn set_password(&self, id: UserId, password_hash: &str) -> Result<(), StoreError> {
        let password_hash = Some(password_hash.to_owned());
        self.write("set_password", move |stage| match stage.get(&ACCOUNTS, id)? {
            Some(row) => stage.put(&ACCOUNTS, id, &AccountRow { password_hash, ..row }),
            None => Ok(()),
        })
        .await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let ids = ids.to_vec();
        self.read("users", move |view| {
            let known = |state| state != AccountState::Erased;
            users(view, ids.into_iter().map(Ok), known).collect()
        })
        .await
    }

    async fn users_by_prefix(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<User>, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.read("users_by_prefix", move |view| {
            let first = match after.as_deref() {
                Some(after) if after >= prefix.as_str() => Bound::Excluded(after),
                _ => Bound::Included(prefix.as_str()),
            };
            let last = (prefix.as_str(), AFTER_NAMES);
            let found = view.range(&NAMES, (first, Bound::Excluded(last)));
            let in_use = |state| matches!(state, AccountState::Active | AccountState::Suspended);
            users(view, found.map(|name| Ok(name?.1)), in_use).take(limit).collect()
        })
        .await
    }
}

fn create(stage: &mut Stage<'_>, account: &NewAccount) -> Result<bool, StoreError> {
    let name = account.name.as_str();
    match stage.get(&NAMES, name)? {
        Some(holder) => Ok(holder == account.id),
        None => {
            stage.put(&NAMES, name, &account.id)?;
            stage.put(&ACCOUNTS, account.id, &AccountRow::new(account))?;
            Ok(true)
        }
    }
}

fn apply(change: ProfileChange, to: &mut SelfUser) {
    fn set<T>(field: &mut T, change: Option<T>) {
        if let Some(value) = change {
            *field = value;
        }
    }
    set(&mut to.user.display_name, change.display_name);
    set(&mut to.user.avatar_url, change.avatar_url);
    set(&mut to.user.profile, change.profile);
    set(&mut to.private, change.private);
    set(&mut to.receipts, change.receipts);
}

/// The public profiles of those that exist in a state that is to be shown.
fn users(
    view: &View<'_>,
    ids: impl Iterator<Item = Result<UserId, StoreError>>,
    shown: impl Fn(AccountState) -> bool,
) -> impl Iterator<Item = Result<User, StoreError>> {
    let found = ids.map(move |id| {
        let account = view.get(&ACCOUNTS, id?)?.filter(|row| shown(row.user.state));
        Ok(account.map(|row| row.user.user))
    });
    found.filter_map(Result::transpose)
}

/// Keeps of an account that there was one; its name is free again.
pub(super) fn erase(stage: &mut Stage<'_>, id: UserId) -> Result<(), StoreError> {
    let Some(AccountRow { user: SelfUser { user, .. }, .. }) = stage.get(&ACCOUNTS, id)? else { return Ok(()) };
    if stage.get(&NAMES, user.name.as_str())? == Some(id) {
        stage.remove(&NAMES, user.name.as_str());
    }
    let user = User { name: String::new(), display_name: None, avatar_url: None, profile: None, trusted: None, ..user };
    let user = SelfUser { user, private: None, state: AccountState::Erased, receipts: false };
    stage.put(&ACCOUNTS, id, &AccountRow { user, password_hash: None })
}
