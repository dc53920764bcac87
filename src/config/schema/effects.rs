//! For every key of the configuration something shows that it has an effect, or its description says that it has none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    let path: PathBuf = root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table: a pattern over keys, and what shows their effect.
fn table() -> Vec<(String, String)> {
    let row = |line: &str| {
        let quoted: Vec<&str> = line.split('"').collect();
        match quoted.as_slice() {
            ["", keys, " = ", shown, ""] => ((*keys).to_owned(), (*shown).to_owned()),
            _ => panic!("not a row: {line}"),
        }
    };
    include_str!("effects.toml")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(row)
        .collect()
}

/// The keys that hold values, from the reference page; not the sections around them.
fn keys() -> Vec<String> {
    let page = super::reference();
    let names: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let is_section = |key: &str| {
        names.iter().any(|other| {
            let rest = other.strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with(['.', '[']))
        })
    };
    let leaves = names.iter().filter(|key| !is_section(key));
    leaves.map(|key| (*key).to_owned()).collect()
}

/// `*` stands for any text.
fn fits(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == key,
        Some((front, rest)) => key.strip_prefix(front).is_some_and(|key| {
            let ends = (0..=key.len()).filter(|&end| key.is_char_boundary(end));
            let mut tails = ends.map(|end| &key[end..]);
            tails.any(|tail| fits(rest, tail))
        }),
    }
}

/// Whether there is such a suite and it has the key's last name, in a document or a variable.
fn suite_has(suite: &str, key: &str) -> bool {
    let file = root().join(format!("tests/conformance/suites/{suite}.json"));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let name = key.rsplit('.').next().unwrap_or(key);
    text.to_lowercase().contains(name)
}

/// What is wrong with a row's claim for a key.
fn unfounded(key: &str, shown: &str, cases: &str) -> Option<String> {
    let wrong = match shown.split_once(' ') {
        None if shown == "case" => !cases.contains(&format!("\"{key}\"")),
        None => shown != "ignored",
        Some(("suite", name)) => !suite_has(name, key),
        Some((file, test)) => {
            let text = read(file);
            !text.contains(&format!("fn {test}(")) && !text.contains(&format!("def {test}("))
        }
    };
    wrong.then(|| format!("{key}: there is no {shown}"))
}

#[test]
fn every_key_has_something_that_shows_its_effect() {
    let (table, keys) = (table(), keys());
    let cases = read("tests/it/cases/keys.json");
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for key in &keys {
        let Some((pattern, shown)) = table.iter().find(|(pattern, _)| fits(pattern, key)) else {
            wrong.push(format!("{key}: is missing in effects.toml"));
            continue;
        };
        used.insert(pattern);
        wrong.extend(unfounded(key, shown, &cases));
    }
    let idle = table.iter().filter(|(pattern, _)| !used.contains(pattern));
    wrong.extend(idle.map(|(pattern, _)| format!("{pattern}: no key needs this row")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(keys.len() > 300, "{} keys", keys.len());
}
