//! The manuals name only what exists: settings, verbs, files.

use std::process::Command;

use anyhow::ensure;

use super::files::{self, prints};
use super::world::BINARY;

const MANUALS: [&str; 4] = ["docs/deploy.md", "docs/operations.md", "docs/SECURITY.md", "k8s/chart/values.yaml"];
/// Flags of chat begin so; others are of other people's programs.
const OURS: [&str; 9] = [
    "--log-",
    "--store-",
    "--auth-",
    "--gateway-",
    "--persister-",
    "--presence-",
    "--canary-",
    "--listen",
    "--ops-listen",
];

#[test]
fn every_setting_that_a_manual_names_exists() -> anyhow::Result<()> {
    // Streams are called CHAT_0 and so on.
    let settings = files::text("docs/configuration.md")?;
    for manual in MANUALS {
        let text = files::text(manual)?;
        let unknown = files::unknown_settings(&text)?
            .into_iter()
            .filter(|name| !["CHAT_", "CHAT_0"].contains(&name.as_str()))
            .collect::<Vec<_>>();
        ensure!(unknown.is_empty(), "{manual}: {unknown:?}");
        let part = |c: char| c.is_ascii_lowercase() || c == '-';
        for flag in text.split(|c| !part(c)).filter(|word| OURS.iter().any(|prefix| word.starts_with(prefix))) {
            ensure!(settings.contains(&format!("`{flag}`")), "{manual}: {flag}");
        }
    }
    Ok(())
}

#[test]
fn every_verb_that_a_manual_names_exists() -> anyhow::Result<()> {
    let mut verbs = 0;
    for manual in MANUALS {
        let text = files::text(manual)?;
        for verb in text.split("`chat ").skip(1).filter_map(|rest| rest.split('`').next()) {
            let words = verb.split(' ').take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
            let known = prints(Command::new(BINARY).args(words).arg("--help"));
            ensure!(known.is_ok(), "{manual}: chat {verb}");
            verbs += 1;
        }
    }
    ensure!(verbs > 5, "found {verbs}");
    Ok(())
}

#[test]
fn every_file_of_ours_that_a_manual_names_exists() -> anyhow::Result<()> {
    for manual in MANUALS {
        let text = files::text(manual)?;
        let part = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let ours = ["deploy/", "k8s/", "services/", "shared/", "docs/"];
        for path in text.split(|c| !part(c)).filter(|word| ours.iter().any(|folder| word.starts_with(folder))) {
            let path = path.trim_end_matches('.');
            ensure!(files::root().join(path).exists(), "{manual}: {path}");
        }
    }
    Ok(())
}
