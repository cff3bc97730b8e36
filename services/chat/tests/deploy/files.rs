//! The files that are shipped, read as a person would.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

pub fn text(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("read {path}"))
}

/// The files of a folder, by name.
pub fn of(folder: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root().join(folder)).with_context(|| format!("list {folder}"))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Runs a program to its end; what it printed.
pub fn prints(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("start {}", command.get_program().display()))?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {words}{}", String::from_utf8_lossy(&output.stdout));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The `CHAT_…` variables that a text names.
pub fn variables(text: &str) -> BTreeSet<&str> {
    let part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.split(|c| !part(c)).filter(|word| word.starts_with("CHAT_")).collect()
}

/// Settings that the binary does not have, among those that a text names.
pub fn unknown_settings(text: &str) -> anyhow::Result<Vec<String>> {
    let settings = self::text("docs/configuration.md")?;
    let unknown = variables(text).into_iter().filter(|name| !settings.contains(&format!("`{name}`")));
    Ok(unknown.map(str::to_owned).collect())
}
