//! A gate: what follows from the log is stamped with its position, and what is written conditionally is written so
//! everywhere. One statement without its stamp would hide every later change, because the default stamp is "now".

use std::{collections::BTreeMap, fs, path::Path};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Stamped,
    Conditional,
    Free,
}

/// The tables of all migrations; the comment above each says its rule with its first word.
fn tables(root: &Path) -> BTreeMap<String, Rule> {
    let mut tables = BTreeMap::new();
    for migration in fs::read_dir(root.join("migrations")).unwrap() {
        let text = fs::read_to_string(migration.unwrap().path()).unwrap();
        let mut comment = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
                let rule = match comment.split([' ', ':', '(']).nth(1) {
                    Some("log" | "max") => Rule::Stamped,
                    Some("lwt") => Rule::Conditional,
                    _ => Rule::Free,
                };
                tables.insert(name.trim_end_matches(" (").to_owned(), rule);
            }
            if !line.starts_with("--") {
                comment = "";
            } else if comment.is_empty() {
                comment = line;
            }
        }
    }
    tables
}

/// Every string of the engine's sources that writes, on one line.
fn writes(root: &Path) -> Vec<String> {
    let mut writes = Vec::new();
    for file in fs::read_dir(root.join("src/scylla")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let strings = text.split('"').map(|part| part.split_whitespace().filter(|word| *word != "\\"));
        let statements = strings.map(|words| words.collect::<Vec<_>>().join(" "));
        writes.extend(
            statements.filter(|cql| ["INSERT INTO ", "UPDATE ", "DELETE "].iter().any(|verb| cql.starts_with(verb))),
        );
    }
    writes
}

fn table_of(cql: &str) -> &str {
    let after = |verb: &str| cql.split_once(verb).and_then(|(_, rest)| rest.split(' ').next());
    after("INSERT INTO ").or_else(|| after("UPDATE ")).or_else(|| after("FROM ")).unwrap()
}

#[test]
fn every_write_follows_the_rule_of_its_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (tables, writes) = (tables(root), writes(root));
    assert!(writes.len() > 25, "the gate sees the statements: {writes:?}");
    for cql in writes {
        let rule = tables.get(table_of(&cql)).unwrap_or_else(|| panic!("no such table: {cql}"));
        assert_eq!(cql.contains("TIMESTAMP ?"), *rule == Rule::Stamped, "{cql}");
        assert_eq!(cql.contains(" IF "), *rule == Rule::Conditional, "{cql}");
    }
}

#[test]
fn the_rules_are_read_from_the_migrations() {
    let tables = tables(Path::new(env!("CARGO_MANIFEST_DIR")));
    let expected = [
        ("messages", Rule::Stamped),
        ("memberships", Rule::Stamped),
        ("marks", Rule::Stamped),
        ("windows", Rule::Conditional),
        ("sessions", Rule::Conditional),
        ("users", Rule::Free),
    ];
    for (table, rule) in expected {
        assert_eq!(tables.get(table), Some(&rule), "{table}");
    }
}

#[test]
fn nothing_filters_counts_up_or_logs_a_batch() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src/scylla", "migrations"] {
        for file in fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            for forbidden in ["ALLOW FILTERING", "counter", "BatchType::Logged", "BatchType::Counter"] {
                assert!(!text.contains(forbidden), "{forbidden} in {}", path.display());
            }
        }
    }
}
