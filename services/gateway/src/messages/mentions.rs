//! Who a text addresses: `<@USER>`, `<@all>`, `<@here>`.

use std::{collections::BTreeSet, sync::Arc};

use chat_auth::Action;
use chat_protocol::{ErrorCode, UserId, error::FieldError, limits, model::Content};

use crate::{app::App, fault::Fault, hub::Room};

impl App {
    /// The members that a message addresses, and the words `all` and `here` from who may say them. A text without any
    /// costs a search for two characters.
    pub async fn mentions(&self, room: &Arc<Room>, by: UserId, content: &Content) -> Result<Vec<String>, Fault> {
        let found = content.text.as_deref().map(Found::of).unwrap_or_default();
        if found.users.len() > limits::MENTIONS {
            let wrong = FieldError::new("text", "too_many", format!("at most {} mentions", limits::MENTIONS));
            return Err(Fault::invalid(vec![wrong]));
        }
        let mut mentions = Vec::new();
        if !found.users.is_empty() {
            let roster = room.roster().await?;
            for user in found.users {
                // Who is no member stays text.
                if room.member(&roster, user).await?.is_some() {
                    mentions.push(user.to_string());
                }
            }
        }
        if found.all || found.here {
            match room.authorize(by, Action::MentionAll).await {
                Ok(_) => {
                    mentions.extend(found.all.then(|| "all".to_owned()));
                    mentions.extend(found.here.then(|| "here".to_owned()));
                }
                // Without the right the words stay text.
                Err(fault) if fault.code == ErrorCode::Forbidden => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(mentions)
    }
}

/// What stands in a text.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    users: BTreeSet<UserId>,
    all: bool,
    here: bool,
}

impl Found {
    fn of(text: &str) -> Self {
        let mut found = Self::default();
        for part in text.split("<@").skip(1) {
            let Some((name, _)) = part.split_once('>') else { continue };
            match name {
                "all" => found.all = true,
                "here" => found.here = true,
                name => found.users.extend(name.parse::<UserId>()),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_mentions_are_found() {
        let ada = UserId::from_u128(7);
        let text = format!("hi <@{ada}>, <@{ada}> and <@all>; <@nobody> <@here <@ > <@{ada} @all");
        let expected = Found { users: [ada].into(), all: true, here: false };
        assert_eq!(Found::of(&text), expected);
        assert_eq!(Found::of("<@<@here>"), Found { here: true, ..Found::default() });
        assert_eq!(Found::of(""), Found::default());
    }

    proptest! {
        /// Whatever surrounds it, a mention is found; and nothing else is.
        #[test]
        fn a_mention_is_found_anywhere(before in "[^<]*", after in "[^<]*", user in any::<u128>()) {
            let user = UserId::from_u128(user);
            let found = Found::of(&format!("{before}<@{user}>{after}"));
            prop_assert_eq!(found, Found { users: [user].into(), ..Found::default() });
        }

        #[test]
        fn any_text_is_looked_through(text in ".*") {
            Found::of(&text);
        }
    }
}
