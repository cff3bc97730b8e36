//! Who may import whom, and what decides is pure.
//!
//! `deny.toml` is cargo-deny's own table; it is checked here so that `make test` needs no cargo-deny.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn dependencies_go_where_deny_toml_allows() -> anyhow::Result<()> {
    let dependents = dependents()?;
    for rule in rules()? {
        let allowed: BTreeSet<&str> = rule.wrappers.iter().map(String::as_str).collect();
        let found = dependents.get(&rule.name).with_context(|| format!("nobody depends on {}", rule.name))?;
        let stray: Vec<&str> = found.iter().map(String::as_str).filter(|name| !allowed.contains(name)).collect();
        assert!(stray.is_empty(), "{} must not be imported by {}", rule.name, stray.join(", "));
    }
    Ok(())
}

#[test]
fn the_words_depend_on_nothing_of_ours() -> anyhow::Result<()> {
    for (name, dependents) in dependents()? {
        let ours = name == "chat" || name.starts_with("chat-");
        assert!(!(ours || name == "tokio") || !dependents.contains("chat-protocol"), "chat-protocol imports {name}");
    }
    Ok(())
}

/// Session, batch, tracker and window take values and `now`, and answer steps: nothing in them waits or asks the world.
#[test]
fn what_decides_is_pure() -> anyhow::Result<()> {
    let mut files = Vec::new();
    for crates in ["shared", "services"] {
        rust_files(&Path::new(WORKSPACE).join(crates), &mut files)?;
    }
    let pure: Vec<&PathBuf> = files.iter().filter(|file| decides(file)).collect();
    assert!(!pure.is_empty(), "nothing decides");
    for file in pure {
        let text = std::fs::read_to_string(file)?;
        // Tests stand last in a file, and may stand in for what waits.
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        for (line, impure) in code.flat_map(|line| IMPURE.iter().map(move |word| (line, word))) {
            assert!(!line.contains(impure), "{} is pure, but has: {}", file.display(), line.trim());
        }
    }
    Ok(())
}

const PURE: [&str; 4] = ["session", "batch", "tracker", "window"];
const IMPURE: [&str; 6] = ["async ", ".await", "Instant::now", "SystemTime", "rand::", "tokio::"];

/// `session.rs`, or what lies in `session/`.
fn decides(file: &Path) -> bool {
    let named = |name: Option<&OsStr>| name.and_then(OsStr::to_str).is_some_and(|name| PURE.contains(&name));
    named(file.file_stem()) || named(file.parent().and_then(Path::file_name))
}

/// The library sources below `folder`.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("tests") {
            rust_files(&path, found)?;
        } else if path.extension() == Some(OsStr::new("rs")) {
            found.push(path);
        }
    }
    Ok(())
}

/// One line of `deny.toml`.
#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(rename = "crate")]
    name: String,
    wrappers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Deny {
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Rule>,
}

fn rules() -> anyhow::Result<Vec<Rule>> {
    let text = std::fs::read_to_string(format!("{WORKSPACE}/deny.toml")).context("read deny.toml")?;
    let deny: Deny = toml::from_str(&text).context("parse deny.toml")?;
    ensure!(!deny.bans.deny.is_empty(), "deny.toml forbids nothing");
    Ok(deny.bans.deny)
}

/// Who names a crate in its manifest, by the crate's name: the same answer offline, on every platform, for all features.
fn dependents() -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(WORKSPACE)
        .output()
        .context("run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).context("parse cargo metadata")?;
    let mut dependents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in list(&metadata, "packages")? {
        for dependency in list(package, "dependencies")? {
            dependents.entry(name(dependency)?).or_default().insert(name(package)?);
        }
    }
    Ok(dependents)
}

fn list<'v>(value: &'v Value, key: &str) -> anyhow::Result<&'v Vec<Value>> {
    value.get(key).and_then(Value::as_array).with_context(|| format!("{key} is no list"))
}

fn name(value: &Value) -> anyhow::Result<String> {
    value.get("name").and_then(Value::as_str).map(ToOwned::to_owned).context("a package has no name")
}
