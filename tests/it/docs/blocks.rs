//! Pages and the fenced blocks in them.

use std::path::{Path, PathBuf};
use std::{fs, str};

/// Languages that blocks may have: what is not here would escape the tests.
const LANGUAGES: [&str; 14] = [
    "console",
    "sh",
    "yaml",
    "json",
    "text",
    "nginx",
    "haproxy",
    "lua",
    "js",
    "ini",
    "rego",
    "http",
    "dockerfile",
    "promql",
];

pub struct Page {
    pub file: PathBuf,
    /// With everything that it includes from other Markdown.
    pub text: String,
}

/// A fenced block.
pub struct Block {
    pub line: usize,
    pub language: String,
    pub marks: Vec<String>,
    pub text: String,
}

impl Block {
    pub fn is(&self, mark: &str) -> bool {
        self.marks.iter().any(|known| known == mark)
    }

    pub fn file(&self) -> Option<&str> {
        self.marks
            .iter()
            .find_map(|mark| mark.strip_prefix("file="))
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages of the book.
pub fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(Page::read(path));
            }
        }
    }
    found.sort_by(|one, other| one.file.cmp(&other.file));
    assert!(found.len() > 20, "the book is where it is expected");
    found
}

impl Page {
    pub fn read(file: PathBuf) -> Page {
        let text = fs::read_to_string(&file).unwrap();
        let folder = file.parent().unwrap();
        let lines = text.lines().map(|line| match included(line) {
            Some((path, part)) => {
                let path = folder.join(path);
                let text = fs::read_to_string(&path).unwrap_or_else(|error| {
                    panic!("{}: includes {}: {error}", file.display(), path.display())
                });
                let text = part.map_or(text.clone(), |part| anchored(&text, part));
                assert!(
                    !text.is_empty(),
                    "{}: {line} includes nothing",
                    file.display()
                );
                text
            }
            None => line.to_owned(),
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        Page { file, text }
    }

    pub fn name(&self) -> String {
        let inside = self.file.strip_prefix(root()).unwrap_or(&self.file);
        inside.display().to_string()
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(info)) => {
                    let mut words = info.split(',').map(|word| word.trim().to_owned());
                    let language = words.next().unwrap_or_default();
                    assert!(
                        LANGUAGES.contains(&language.as_str()),
                        "{}: a block of `{language}`, which no test knows",
                        self.name()
                    );
                    open = Some(Block {
                        line: index + 1,
                        language,
                        marks: words.collect(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name());
        blocks
    }

    /// The text outside of fenced blocks.
    pub fn prose(&self) -> Vec<&str> {
        let mut inside = false;
        let keep = |line: &&str| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        };
        self.text.lines().filter(keep).collect()
    }
}

/// File and part of `{{#include FILE:PART}}`, where that is all of a line.
fn included(line: &str) -> Option<(&str, Option<&str>)> {
    let inside = line
        .trim()
        .strip_prefix("{{#include ")?
        .strip_suffix("}}")?;
    Some(match inside.split_once(':') {
        Some((path, part)) => (path, Some(part)),
        None => (inside, None),
    })
}

/// What stands between `ANCHOR: part` and `ANCHOR_END: part`.
fn anchored(text: &str, part: &str) -> String {
    let end = format!("ANCHOR_END: {part}");
    let start = format!("ANCHOR: {part}");
    let lines = text.lines().skip_while(|line| !line.contains(&start));
    let lines = lines.skip(1).take_while(|line| !line.contains(&end));
    lines.collect::<Vec<_>>().join("\n")
}
