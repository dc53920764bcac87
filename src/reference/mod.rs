//! The reference pages of the documentation, made from what the code knows, and the test that keeps the committed ones so.
//!
//! `make reference` writes them anew. What only people can say (what a reason means) stands here beside a `match` without `_`, so that a
//! new one does not build before it is explained.

mod commands;
mod configuration;
mod errors;
mod handlers;
mod metrics;
mod rules;
mod templates;

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Set, the pages are written instead of compared.
const WRITE: &str = "DOORWARD_WRITE_REFERENCE";

/// Every page by its file name.
fn pages() -> [(&'static str, String); 7] {
    [
        ("commands.md", commands::page()),
        ("configuration.md", configuration::page()),
        ("errors.md", errors::page()),
        ("handlers.md", handlers::page()),
        ("metrics.md", metrics::page()),
        ("rules.md", rules::page()),
        ("templates.md", templates::page()),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/reference")
}

#[test]
fn the_committed_pages_say_what_the_code_does() {
    let write = env::var_os(WRITE).is_some();
    for (name, page) in pages() {
        let file = folder().join(name);
        if write {
            fs::write(&file, &page).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        if let Some((ours, theirs)) = first_difference(&page, &committed) {
            panic!(
                "docs/src/reference/{name} is stale; `make reference` writes it anew.\nthe code says: {ours}\nthe page says: {theirs}"
            );
        }
    }
}

#[test]
fn nothing_is_committed_that_is_not_made() {
    let made: Vec<&str> = pages().map(|(name, _)| name).to_vec();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            made.contains(&name.as_str()),
            "docs/src/reference/{name} is made by nobody"
        );
    }
}

#[test]
fn no_table_has_an_empty_meaning() {
    for (name, page) in pages() {
        let mut explains = false;
        for line in page.lines() {
            explains = line.ends_with("| meaning |") || (explains && line.starts_with('|'));
            let empty = explains && line.ends_with("|  |");
            assert!(!empty, "{name}: without a meaning: {line}");
        }
    }
}

/// The first line that differs, as the code and as the page have it.
fn first_difference<'a>(made: &'a str, committed: &'a str) -> Option<(&'a str, &'a str)> {
    if made == committed {
        return None;
    }
    let mut ours = made.lines();
    let mut theirs = committed.lines();
    loop {
        match (ours.next(), theirs.next()) {
            (Some(one), Some(other)) if one == other => {}
            (None, None) => return Some(("", "another end")),
            (one, other) => {
                return Some((one.unwrap_or("(the end)"), other.unwrap_or("(the end)")));
            }
        }
    }
}

/// A table in Markdown; cells hold Markdown, of which `|` is escaped.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells
            .into_iter()
            .map(|cell| cell.replace('|', "\\|"))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(head.iter().map(|&cell| cell.to_owned()).collect());
    text += &line(head.iter().map(|_| "---".to_owned()).collect());
    for row in rows {
        assert_eq!(row.len(), head.len(), "{row:?}");
        text += &line(row);
    }
    text
}

fn code(text: impl std::fmt::Display) -> String {
    format!("`{text}`")
}
