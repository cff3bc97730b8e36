//! What is in force, as TOML with the origin of each line; and what could be set, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{ArgMatches, Command};

use super::{Key, Origin, Setting};
use crate::secret::MASK;

/// The value as text for people: secrets and the credentials inside URLs are masked.
pub(super) fn shown(matches: &ArgMatches, key: &Key) -> Option<Vec<String>> {
    let raw = matches.get_raw(&key.id)?;
    Some(raw.map(|value| if key.secret { MASK.to_owned() } else { mask_userinfo(&value.to_string_lossy()) }).collect())
}

/// `nats://user:password@host` → `nats://***@host`, for each URL in the text. Rather masks too much: a password may
/// hold a slash that somebody forgot to encode.
fn mask_userinfo(text: &str) -> String {
    let mut urls = text.split("://");
    let mut shown = urls.next().unwrap_or_default().to_owned();
    for url in urls {
        shown.push_str("://");
        match url.rfind('@') {
            Some(at) => {
                shown.push_str(MASK);
                shown.push_str(url.get(at..).unwrap_or_default());
            }
            None => shown.push_str(url),
        }
    }
    shown
}

/// A TOML file of everything in force. Each line says where its value came from; unset ones are comments.
pub fn render(settings: &[Setting]) -> String {
    let shown = settings.iter().filter(|setting| !setting.key.hidden || setting.origin != Origin::Default);
    let (top, sections) = by_section(shown, |setting| &setting.key);
    let mut text = String::new();
    for setting in top {
        line(&mut text, setting);
    }
    for (section, settings) in sections {
        let _ = writeln!(text, "\n[{section}]");
        for setting in settings {
            line(&mut text, setting);
        }
    }
    text
}

/// A Markdown table of every setting: its name in all places, its default and what it does.
pub fn reference(command: &Command) -> String {
    let keys = super::keys(command);
    let (top, sections) = by_section(keys.iter().filter(|key| !key.hidden), |key| key);
    let mut text = String::new();
    let mut table = |title: Option<&str>, keys: &[&Key]| {
        if let Some(title) = title {
            let _ = writeln!(text, "\n## [{title}]\n");
        }
        let _ = writeln!(text, "| key | flag | environment | default | |\n|---|---|---|---|---|");
        for key in keys {
            let default = default_of(command, key);
            let help = key.help.replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | `--{}` | `{}` | {default} | {help} |", key.name, key.long, key.env);
        }
    };
    table(None, &top);
    for (section, keys) in &sections {
        table(Some(section), keys);
    }
    text
}

fn default_of(command: &Command, key: &Key) -> String {
    let arg = command.get_arguments().find(|arg| arg.get_id() == key.id.as_str());
    let values: Vec<_> =
        arg.into_iter().flat_map(|arg| arg.get_default_values()).map(|v| v.to_string_lossy()).collect();
    if values.is_empty() { "–".to_owned() } else { format!("`{}`", values.join(",")) }
}

type Sections<'a, T> = BTreeMap<&'a str, Vec<&'a T>>;

fn by_section<'a, T>(
    items: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> &'a Key,
) -> (Vec<&'a T>, Sections<'a, T>) {
    let mut top = Vec::new();
    let mut sections = Sections::new();
    for item in items {
        match key(item).section.as_deref() {
            Some(section) => sections.entry(section).or_default().push(item),
            None => top.push(item),
        }
    }
    (top, sections)
}

fn line(text: &mut String, setting: &Setting) {
    let name = &setting.key.name;
    let origin = match setting.origin {
        Origin::Default => "default".to_owned(),
        Origin::File => "file".to_owned(),
        Origin::Environment => format!("environment {}", setting.key.env),
        Origin::Flag => format!("flag --{}", setting.key.long),
    };
    let _ = match setting.values.as_deref() {
        None => writeln!(text, "# {name} is not set"),
        Some([one]) if !setting.key.many => writeln!(text, "{name} = {}  # {origin}", literal(one)),
        Some(many) => {
            let items: Vec<_> = many.iter().map(|value| literal(value)).collect();
            writeln!(text, "{name} = [{}]  # {origin}", items.join(", "))
        }
    };
}

/// A number or a truth value stands bare, all else in quotes.
fn literal(text: &str) -> String {
    if text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok() {
        return text.to_owned();
    }
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::mask_userinfo;

    #[test]
    fn credentials_in_urls_are_masked() {
        assert_eq!(mask_userinfo("nats://me:s3cret@10.0.0.1:4222"), "nats://***@10.0.0.1:4222");
        assert_eq!(mask_userinfo("nats://a:b@x,nats://token@y/z"), "nats://***@x,nats://***@y/z");
        assert_eq!(mask_userinfo("scylla://10.0.0.1/chat"), "scylla://10.0.0.1/chat");
        assert_eq!(mask_userinfo("scylla://me:pa/ss,w@10.0.0.1/chat"), "scylla://***@10.0.0.1/chat");
        assert_eq!(mask_userinfo("plain"), "plain");
    }
}
