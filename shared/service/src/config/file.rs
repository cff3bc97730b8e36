//! The TOML file: every key must be a setting, every value a scalar or a list of scalars.

use std::path::Path;

use toml::Value;

use super::{Error, Key};

/// The file's values as text, each with the setting it is for.
pub(super) fn read<'k>(path: &Path, keys: &'k [Key]) -> Result<Vec<(&'k Key, Vec<String>)>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    let table: toml::Table = text
        .parse()
        .map_err(|err: toml::de::Error| Error::NotToml { path: path.to_owned(), reason: place_of(&err, &text) })?;

    let mut found = Vec::new();
    for (name, value) in &table {
        match value {
            Value::Table(section) if is_section(keys, name) => {
                for (inner, value) in section {
                    found.push(entry(path, keys, Some(name), inner, value)?);
                }
            }
            value => found.push(entry(path, keys, None, name, value)?),
        }
    }
    Ok(found)
}

/// Line and reason, without the line itself: it may hold a secret.
fn place_of(err: &toml::de::Error, text: &str) -> String {
    let line = err.span().map(|span| text.get(..span.start).unwrap_or(text).lines().count().max(1));
    line.map_or_else(|| err.message().to_owned(), |line| format!("line {line}: {}", err.message()))
}

fn is_section(keys: &[Key], name: &str) -> bool {
    keys.iter().any(|key| key.section.as_deref() == Some(name))
}

fn entry<'k>(
    path: &Path,
    keys: &'k [Key],
    section: Option<&str>,
    name: &str,
    value: &Value,
) -> Result<(&'k Key, Vec<String>), Error> {
    let key = keys
        .iter()
        .find(|key| key.section.as_deref() == section && key.name == name)
        .ok_or_else(|| unknown(path, keys, section, name))?;
    let values = match value {
        Value::Array(items) if key.many => items.iter().map(scalar).collect(),
        value => scalar(value).map(|text| vec![text]),
    };
    let values = values.ok_or_else(|| Error::BadValue {
        place: format!("{}: `{}`", path.display(), key.path()),
        reason: format!("wants {}, not {}", if key.many { "a value or a list" } else { "one value" }, kind(value)),
    })?;
    Ok((key, values))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(yes) => Some(yes.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
        Value::Datetime(_) => "a date",
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => "a plain value",
    }
}

/// Names the key, and the one that was probably meant: the same name elsewhere, or one a letter or two away.
fn unknown(path: &Path, keys: &[Key], section: Option<&str>, name: &str) -> Error {
    let key = section.map_or_else(|| name.to_owned(), |section| format!("{section}.{name}"));
    let nearest = keys.iter().map(|known| (distance(&known.path(), &key), known)).min_by_key(|(apart, _)| *apart);
    let hint = nearest.filter(|(apart, _)| *apart <= 3).map(|(_, known)| known.path());
    Error::UnknownKey { path: path.to_owned(), key, hint }
}

/// Levenshtein's, over bytes: setting names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}
