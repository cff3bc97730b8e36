//! Accounts: the row by id, the name that leads to it, and the list by the name's first letters.

use async_trait::async_trait;
use chat_protocol::{
    UserId,
    model::{AccountState, SelfUser, User},
};
use futures_util::future::try_join_all;
use scylla::{
    DeserializeRow,
    statement::prepared::PreparedStatement,
    value::{CqlTimestamp, MaybeUnset},
};

use super::{
    Scylla,
    cells::{self, AsKey},
    db::{Cas, Db},
};
use crate::{Account, NewAccount, ProfileChange, StoreError, Users};

/// How many letters of a name choose its partition.
const PREFIX: usize = 2;
/// Above every character a name may have.
const AFTER_ALL: char = '\u{7f}';

pub(crate) struct Statements {
    insert: PreparedStatement,
    remove: PreparedStatement,
    find: PreparedStatement,
    change: PreparedStatement,
    set_password: PreparedStatement,
    set_state: PreparedStatement,
    set_name: PreparedStatement,
    erase: PreparedStatement,
    release_name: PreparedStatement,
    remove_prefix: PreparedStatement,
    claim_name: PreparedStatement,
    name_holder: PreparedStatement,
    name_holder_serial: PreparedStatement,
    insert_prefix: PreparedStatement,
    by_prefix: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let holder = "SELECT id FROM user_names WHERE name = ?";
        Ok(Self {
            insert: db
                .prepare_write(
                    "INSERT INTO users (id, name, display_name, password_hash, state, receipts, bot, created_at) \
                     VALUES (?, ?, ?, ?, ?, true, false, ?)",
                )
                .await?,
            remove: db.prepare_write("DELETE FROM users WHERE id = ?").await?,
            find: db
                .prepare_read(
                    "SELECT id, name, display_name, avatar_url, profile, private, trusted, password_hash, state, \
                     receipts, bot, created_at FROM users WHERE id = ?",
                )
                .await?,
            change: db
                .prepare_write(
                    "UPDATE users SET display_name = ?, avatar_url = ?, profile = ?, private = ?, receipts = ? \
                     WHERE id = ?",
                )
                .await?,
            set_password: db.prepare_write("UPDATE users SET password_hash = ? WHERE id = ?").await?,
            set_state: db.prepare_write("UPDATE users SET state = ? WHERE id = ?").await?,
            set_name: db.prepare_write("UPDATE users SET name = ? WHERE id = ?").await?,
            erase: db
                .prepare_write(
                    "UPDATE users SET name = '', display_name = '', avatar_url = '', profile = '', private = '', \
                     trusted = '', password_hash = '', receipts = false, state = ? WHERE id = ?",
                )
                .await?,
            release_name: db.prepare_cas("DELETE FROM user_names WHERE name = ? IF id = ?").await?,
            remove_prefix: db.prepare_write("DELETE FROM users_by_prefix WHERE prefix = ? AND name = ?").await?,
            claim_name: db.prepare_cas("INSERT INTO user_names (name, id) VALUES (?, ?) IF NOT EXISTS").await?,
            name_holder: db.prepare_read(holder).await?,
            name_holder_serial: db.prepare_serial(holder).await?,
            insert_prefix: db.prepare_write("INSERT INTO users_by_prefix (prefix, name, id) VALUES (?, ?, ?)").await?,
            by_prefix: db
                .prepare_read(
                    "SELECT name, id FROM users_by_prefix WHERE prefix = ? AND name >= ? AND name < ? LIMIT ?",
                )
                .await?,
        })
    }
}

#[derive(DeserializeRow)]
struct UserRow<'row> {
    id: &'row [u8],
    name: Option<&'row str>,
    display_name: Option<&'row str>,
    avatar_url: Option<&'row str>,
    profile: Option<&'row str>,
    private: Option<&'row str>,
    trusted: Option<&'row str>,
    password_hash: Option<&'row str>,
    state: Option<&'row str>,
    receipts: Option<bool>,
    bot: Option<bool>,
    created_at: Option<CqlTimestamp>,
}

impl UserRow<'_> {
    /// `None` for what a change left of an account that was removed meanwhile.
    fn account(self) -> Result<Option<Account>, StoreError> {
        let state = self.state.map_or(Ok(AccountState::Active), cells::from_word)?;
        // Those that were erased have no name.
        let nameless = (state == AccountState::Erased).then(String::new);
        let (Some(name), Some(created_at)) = (cells::text(self.name).or(nameless), self.created_at) else {
            return Ok(None);
        };
        let user = User {
            id: cells::user_id(self.id)?,
            name,
            display_name: cells::text(self.display_name),
            avatar_url: cells::text(self.avatar_url),
            profile: cells::json(self.profile)?,
            trusted: cells::json(self.trusted)?,
            bot: self.bot.unwrap_or(false),
            created_at: cells::time(created_at),
        };
        let user =
            SelfUser { user, private: cells::json(self.private)?, state, receipts: self.receipts.unwrap_or(true) };
        Ok(Some(Account { user, password_hash: cells::text(self.password_hash) }))
    }
}

#[async_trait]
impl Users for Scylla {
    async fn create_user(&self, account: &NewAccount) -> Result<bool, StoreError> {
        self.db.writing("create_user", self.insert_user(account)).await
    }

    async fn account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.db.reading("account", self.find_account(id)).await
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let find = async {
            match self.name_holder(&self.users.name_holder, name).await? {
                // A name that was given up leads nowhere, even where giving it back failed.
                Some(id) => Ok(self.find_account(id).await?.filter(|account| account.user.user.name == name)),
                None => Ok(None),
            }
        };
        self.db.reading("account_by_name", find).await
    }

    async fn change_profile(&self, id: UserId, change: &ProfileChange) -> Result<Option<SelfUser>, StoreError> {
        let update = async {
            // Without this an update would make a user out of nothing.
            if self.find_account(id).await?.is_none() {
                return Ok(None);
            }
            let row = (
                text_change(&change.display_name),
                text_change(&change.avatar_url),
                json_change(&change.profile)?,
                json_change(&change.private)?,
                change.receipts.map_or(MaybeUnset::Unset, MaybeUnset::Set),
                id.key(),
            );
            if *change != ProfileChange::default() {
                self.db.write(&self.users.change, row).await?;
            }
            Ok(self.find_account(id).await?.map(|account| account.user))
        };
        self.db.writing("change_profile", update).await
    }

    async fn rename(&self, id: UserId, name: &str) -> Result<bool, StoreError> {
        self.db.writing("rename", self.change_name(id, name)).await
    }

    async fn set_state(&self, id: UserId, state: AccountState) -> Result<(), StoreError> {
        let update = async {
            match self.find_account(id).await? {
                Some(_) => self.db.write(&self.users.set_state, (cells::word(state), id.key())).await,
                None => Ok(()),
            }
        };
        self.db.writing("set_state", update).await
    }

    async fn set_password(&self, id: UserId, password_hash: &str) -> Result<(), StoreError> {
        let update = async {
            match self.find_account(id).await? {
                Some(_) => self.db.write(&self.users.set_password, (password_hash, id.key())).await,
                None => Ok(()),
            }
        };
        self.db.writing("set_password", update).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.db.reading("users", self.find_users(ids, |state| state != AccountState::Erased)).await
    }

    async fn users_by_prefix(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<User>, StoreError> {
        let find = async {
            let Some(partition) = prefix.get(..PREFIX) else { return Ok(Vec::new()) };
            // The smallest name above `after`: that name and the smallest character.
            let from = after.map(|name| format!("{name}\u{0}")).filter(|name| name.as_str() > prefix);
            let from = from.unwrap_or_else(|| prefix.to_owned());
            let below = format!("{prefix}{AFTER_ALL}");
            if from >= below {
                return Ok(Vec::new());
            }
            let in_use = |state| matches!(state, AccountState::Active | AccountState::Suspended);
            let rows = i32::try_from(limit).unwrap_or(i32::MAX);
            let (mut from, mut found) = (from, Vec::new());
            loop {
                let answer = self.db.select(&self.users.by_prefix, (partition, &from, &below, rows)).await?;
                let listed =
                    cells::each(&answer, |(name, id): (&str, &[u8])| Ok((name.to_owned(), cells::user_id(id)?)))?;
                let ids: Vec<UserId> = listed.iter().map(|(_, id)| *id).collect();
                found.extend(self.find_users(&ids, in_use).await?);
                match listed.last() {
                    Some((last, _)) if listed.len() == limit && found.len() < limit => from = format!("{last}\u{0}"),
                    _ => break,
                }
            }
            found.truncate(limit);
            Ok(found)
        };
        self.db.reading("users_by_prefix", find).await
    }
}

impl Scylla {
    /// The row comes first and the name last: what fails in between leaves a row that nobody finds, not a name that
    /// nobody can take.
    async fn insert_user(&self, account: &NewAccount) -> Result<bool, StoreError> {
        if let Some(holder) = self.name_holder(&self.users.name_holder_serial, &account.name).await? {
            return self.named(account, holder).await;
        }
        let row = (
            account.id.key(),
            &account.name,
            account.display_name.as_deref().unwrap_or_default(),
            &account.password_hash,
            cells::word(AccountState::Active),
            cells::time_cell(account.created_at),
        );
        self.db.write(&self.users.insert, row).await?;
        if self.db.cas(&self.users.claim_name, (&account.name, account.id.key())).await? == Cas::Applied {
            return self.named(account, account.id).await;
        }
        match self.name_holder(&self.users.name_holder_serial, &account.name).await? {
            Some(holder) if holder == account.id => self.named(account, holder).await,
            Some(_) => {
                self.db.write(&self.users.remove, (account.id.key(),)).await?;
                Ok(false)
            }
            None => Err(StoreError::Unavailable),
        }
    }

    /// Somebody has the name now: whether it is the new account, which then is also listed.
    async fn named(&self, account: &NewAccount, holder: UserId) -> Result<bool, StoreError> {
        if holder != account.id {
            return Ok(false);
        }
        if let Some(prefix) = account.name.get(..PREFIX) {
            self.db.write(&self.users.insert_prefix, (prefix, &account.name, account.id.key())).await?;
        }
        Ok(true)
    }

    async fn name_holder(&self, statement: &PreparedStatement, name: &str) -> Result<Option<UserId>, StoreError> {
        let answer = self.db.select(statement, (name,)).await?;
        cells::first::<(&[u8],)>(&answer)?.map(|(id,)| cells::user_id(id)).transpose()
    }

    async fn find_account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        let answer = self.db.select(&self.users.find, (id.key(),)).await?;
        cells::first::<UserRow<'_>>(&answer)?.map_or(Ok(None), UserRow::account)
    }

    async fn find_users(
        &self,
        ids: &[UserId],
        shown: impl Fn(AccountState) -> bool + Send,
    ) -> Result<Vec<User>, StoreError> {
        let found = try_join_all(ids.iter().map(|id| self.find_account(*id))).await?;
        let shown = found.into_iter().flatten().filter(|account| shown(account.user.state));
        Ok(shown.map(|account| account.user.user).collect())
    }

    /// The new name is taken before the old one is given back: whatever fails in between, nobody else can have either,
    /// and the account has exactly one.
    async fn change_name(&self, id: UserId, name: &str) -> Result<bool, StoreError> {
        let Some(account) = self.find_account(id).await? else { return Ok(false) };
        let old = account.user.user.name;
        if self.db.cas(&self.users.claim_name, (name, id.key())).await? != Cas::Applied {
            match self.name_holder(&self.users.name_holder_serial, name).await? {
                Some(holder) if holder == id => {}
                Some(_) => return Ok(false),
                None => return Err(StoreError::Unavailable),
            }
        }
        if let Some(prefix) = name.get(..PREFIX) {
            self.db.write(&self.users.insert_prefix, (prefix, name, id.key())).await?;
        }
        self.db.write(&self.users.set_name, (name, id.key())).await?;
        if old != name {
            self.release_name(id, &old).await?;
        }
        Ok(true)
    }

    async fn release_name(&self, id: UserId, name: &str) -> Result<(), StoreError> {
        if let Some(prefix) = name.get(..PREFIX) {
            self.db.write(&self.users.remove_prefix, (prefix, name)).await?;
        }
        self.db.cas(&self.users.release_name, (name, id.key())).await.map(drop)
    }

    /// Keeps of an account that there was one; its name is free again.
    pub(crate) async fn erase_profile(&self, id: UserId) -> Result<(), StoreError> {
        let Some(account) = self.find_account(id).await? else { return Ok(()) };
        if !account.user.user.name.is_empty() {
            self.release_name(id, &account.user.user.name).await?;
        }
        self.db.write(&self.users.erase, (cells::word(AccountState::Erased), id.key())).await
    }
}

/// An unset cell stays as it is; an absent text is written as empty, which leaves no tombstone.
fn text_change(change: &Option<Option<String>>) -> MaybeUnset<&str> {
    change.as_ref().map_or(MaybeUnset::Unset, |text| MaybeUnset::Set(text.as_deref().unwrap_or_default()))
}

fn json_change(change: &Option<Option<serde_json::Value>>) -> Result<MaybeUnset<String>, StoreError> {
    change.as_ref().map_or(Ok(MaybeUnset::Unset), |value| cells::json_cell(value.as_ref()).map(MaybeUnset::Set))
}
