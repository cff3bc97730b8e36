//! The one name of a setting, in all its spellings.

use clap::{Arg, ArgAction};

/// A setting's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `persister_batch_rows`
    pub id: String,
    /// `persister-batch-rows`
    pub long: String,
    /// `CHAT_PERSISTER_BATCH_ROWS`
    pub env: String,
    /// `persister`; `None` = at the top of the file.
    pub section: Option<String>,
    /// `batch_rows`
    pub name: String,
    /// Shown masked.
    pub secret: bool,
    /// Takes several values.
    pub many: bool,
    /// Not for operators: shown only where it was set.
    pub hidden: bool,
    /// The `--help` line.
    pub help: String,
}

impl Key {
    /// `None` for what is no setting: positionals, help, version.
    pub(super) fn of(arg: &Arg) -> Option<Self> {
        let long = arg.get_long()?;
        if matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version)
        {
            return None;
        }
        let words = long.replace('-', "_");
        let sectioned = arg.get_help_heading().and_then(|heading| {
            let name = words.strip_prefix(heading)?.strip_prefix('_')?;
            Some((heading.to_owned(), name.to_owned()))
        });
        let (section, name) = sectioned.map_or((None, words.clone()), |(section, name)| (Some(section), name));
        Some(Self {
            id: arg.get_id().to_string(),
            long: long.to_owned(),
            env: format!("CHAT_{}", words.to_uppercase()),
            section,
            name,
            secret: super::is_secret(arg),
            many: matches!(arg.get_action(), ArgAction::Append),
            hidden: arg.is_hide_set(),
            help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        })
    }

    /// As one would say where it stands in the file: `persister.batch_rows`.
    pub fn path(&self) -> String {
        match &self.section {
            Some(section) => format!("{section}.{}", self.name),
            None => self.name.clone(),
        }
    }
}
