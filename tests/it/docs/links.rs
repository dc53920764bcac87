//! Links inside the project lead somewhere, links to elsewhere are at least URLs, and every page is in the book's list.

use super::blocks::{Page, pages, root};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// Markdown outside of the book that has links.
const BESIDE: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "conf/gateways/README.md",
    "tests/differential/README.md",
    "tests/goldens/README.md",
    "tests/security/README.md",
    "tests/tls/README.md",
];

#[test]
fn every_link_leads_somewhere() {
    let book = root().join("docs/src");
    let beside = BESIDE.iter().map(|name| Page::read(root().join(name)));
    let mut broken = Vec::new();
    let mut count = 0;
    for page in pages().into_iter().chain(beside) {
        for target in links(&page) {
            count += 1;
            if let Err(why) = follow(&page, &target, &book) {
                broken.push(format!("{}: {target}: {why}", page.name()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(count > 50, "links are found");
}

#[test]
fn every_page_is_in_the_list_of_pages() {
    let book = root().join("docs/src");
    let summary = Page::read(book.join("SUMMARY.md"));
    let listed: Vec<PathBuf> = links(&summary).iter().map(|link| book.join(link)).collect();
    for page in pages() {
        assert!(
            page.file == summary.file || listed.contains(&page.file),
            "{} is not in SUMMARY.md",
            page.name()
        );
    }
}

#[test]
fn a_broken_link_or_anchor_is_noticed() {
    let book = root().join("docs/src");
    let page = Page::read(book.join("SUMMARY.md"));
    assert_eq!(
        follow(&page, "reference/errors.md#not-understood", &book),
        Ok(())
    );
    assert!(follow(&page, "reference/errors.md#nowhere", &book).is_err());
    assert!(follow(&page, "reference/nothing.md", &book).is_err());
    assert!(follow(&page, "../../README.md", &book).is_err());
    assert!(follow(&page, "https://", &book).is_err());
}

/// The targets of `[…](…)` and `src="…"`, without those in code.
fn links(page: &Page) -> Vec<String> {
    let mut found = Vec::new();
    for line in page.prose() {
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("");
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let (target, after) = after.split_once(')').unwrap_or((after, ""));
            found.push(target.to_owned());
            rest = after;
        }
        if let Some((_, after)) = prose.split_once("src=\"") {
            found.extend(after.split('"').next().map(str::to_owned));
        }
    }
    found
}

fn follow(page: &Page, target: &str, book: &Path) -> Result<(), String> {
    if let Some((scheme, _)) = target.split_once(':') {
        let known = ["https", "http", "mailto"].contains(&scheme);
        return match url::Url::parse(target) {
            Ok(_) if known => Ok(()),
            Ok(_) => Err("an unknown scheme".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = match path {
        "" => page.file.clone(),
        path => plain(&page.file.parent().unwrap().join(path)),
    };
    if !file.exists() {
        return Err("no such file".to_owned());
    }
    if page.file.starts_with(book) && !file.starts_with(book) {
        return Err("is not in the book".to_owned());
    }
    if anchor.is_empty() || anchors(&Page::read(file)).contains(&anchor.to_owned()) {
        Ok(())
    } else {
        Err("no such heading".to_owned())
    }
}

/// Without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// The anchors of a page's headings, as mdBook makes them.
fn anchors(page: &Page) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let headings = page
        .prose()
        .into_iter()
        .filter(|line| line.starts_with('#'));
    let mut anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim();
        let id: String = title
            .chars()
            .filter_map(|c| match c {
                c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
                c if c.is_whitespace() => Some('-'),
                _ => None,
            })
            .collect();
        let times = seen.entry(id.clone()).or_default();
        *times += 1;
        match *times {
            1 => id,
            more => format!("{id}-{}", more - 1),
        }
    };
    headings.map(&mut anchor).collect()
}
