//! How to sign in to the store, where the URL does not say.

use anyhow::bail;
use chat_service::Secret;
use chat_store::ScyllaOptions;
use clap::Args;

#[derive(Clone, Debug, Args)]
pub struct StoreSettings {
    /// The user to sign in to the store as, instead of one in its URL
    #[arg(long, value_name = "NAME")]
    pub store_user: Option<String>,

    /// That user's password; better given by the environment
    #[arg(long, value_name = "PASSWORD")]
    pub store_password: Option<Secret<String>>,
}

impl StoreSettings {
    /// How to reach the store at `url`.
    pub fn options(&self, url: &str) -> anyhow::Result<ScyllaOptions> {
        let options = ScyllaOptions::from_url(url)?;
        match (&self.store_user, &self.store_password) {
            (None, None) => Ok(options),
            (Some(user), Some(password)) => Ok(options.with_credentials(user.clone(), password.reveal().clone())),
            _ => bail!("store_user and store_password are given together, or not at all"),
        }
    }
}
