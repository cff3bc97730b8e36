//! `chat token`: keys for a cluster, and tokens for whoever holds the keys.

use chat_auth::{Issuer, Keys, access};
use chat_protocol::{Clock, SessionId, time::SystemClock};
use rand::Rng;

use crate::cli::Token;
use crate::settings::Settings;

/// What the verb prints.
pub fn run(command: Token, settings: &Settings) -> anyhow::Result<String> {
    let mut rng = rand::rng();
    match command {
        Token::Keys { rotate: None } => Ok(Keys::generate(&mut rng).document()),
        Token::Keys { rotate: Some(path) } => Ok(Keys::read(&path)?.rotated(&mut rng).document()),
        Token::Mint { user, session } => {
            let keys = settings.auth.keys_in_force(&settings.data_dir)?;
            let now = SystemClock.now();
            let session = session.unwrap_or_else(|| SessionId::ulid(now.as_ms().unsigned_abs(), rng.random()));
            let token = Issuer::new(&keys, access::OURS, access::OURS).issue(user, session, now, &mut rng);
            Ok(format!("{}\n", token.text.expose()))
        }
    }
}
