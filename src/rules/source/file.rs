//! Rules in files: one file, a folder of them, or a pattern.

use super::{FetchError, Fetched, Fingerprint, RuleSource, SourceKind, rules};
use crate::rules::watch::{Looks, Watch, look};
use async_trait::async_trait;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Which files.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    File(PathBuf),
    /// All `.json`, `.yaml` and `.yml` files of a folder, by name.
    Folder(PathBuf),
    /// `*` and `?` in the last part of the path; sorted by name.
    Glob(PathBuf),
}

impl Pattern {
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Pattern::File(path) => vec![path.clone()],
            Pattern::Folder(folder) => matching(folder, |name| {
                let extension = Path::new(name).extension().and_then(|text| text.to_str());
                !name.starts_with('.') && matches!(extension, Some("json" | "yaml" | "yml"))
            }),
            Pattern::Glob(path) => {
                let pattern = path.file_name().and_then(|name| name.to_str());
                let folder = path.parent().unwrap_or(Path::new("."));
                matching(folder, |name| {
                    !name.starts_with('.')
                        && pattern.is_some_and(|pattern| fits(pattern.as_bytes(), name.as_bytes()))
                })
            }
        }
    }

    /// What is watched: the files and, where files may appear, their folder.
    fn watched(&self) -> Vec<PathBuf> {
        let mut paths = self.files();
        match self {
            Pattern::File(_) => {}
            Pattern::Folder(folder) => paths.push(folder.join(".")),
            Pattern::Glob(path) => paths.extend(path.parent().map(|folder| folder.join("."))),
        }
        paths
    }
}

fn matching(folder: &Path, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(&fits))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found
}

/// `*` is any text, `?` any byte.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, name)
                || name
                    .split_first()
                    .is_some_and(|(_, name)| fits(pattern, name))
        }
        (Some((b'?', rest)), Some((_, name))) => fits(rest, name),
        (Some((a, rest)), Some((b, name))) => a == b && fits(rest, name),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[derive(Debug)]
pub(super) struct Files {
    id: Arc<str>,
    pattern: Pattern,
    watch: Watch,
    /// Taken before reading, so that what is written meanwhile counts as a change.
    seen: Mutex<Option<Looks>>,
}

impl Files {
    pub(super) fn new(id: Arc<str>, pattern: Pattern) -> Files {
        Files {
            id,
            pattern,
            watch: Watch::default(),
            seen: Mutex::new(None),
        }
    }
}

#[async_trait]
impl RuleSource for Files {
    fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Local
    }

    async fn fetch(&self, _: Option<&Fingerprint>) -> Result<Fetched, FetchError> {
        let watched = self.pattern.watched();
        let looks = look(watched.iter().map(PathBuf::as_path));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(looks);
        let pattern = self.pattern.clone();
        let read = tokio::task::spawn_blocking(move || read(&pattern)).await;
        let rules = read.map_err(|error| FetchError::Unreadable(error.to_string()))??;
        Ok(Fetched::Rules {
            rules,
            fingerprint: None,
        })
    }

    async fn changed(&self, _: u32) {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen {
            self.watch.changed(|| self.pattern.watched(), seen).await;
        }
    }
}

fn read(pattern: &Pattern) -> Result<Vec<Arc<crate::rules::raw::Rule>>, FetchError> {
    let mut found = Vec::new();
    for file in pattern.files() {
        let place = match pattern {
            Pattern::File(_) => String::new(),
            Pattern::Folder(_) | Pattern::Glob(_) => format!("{}: ", file.display()),
        };
        let text =
            fs::read(&file).map_err(|error| FetchError::Unreadable(format!("{place}{error}")))?;
        found.extend(rules(&text, &place)?);
    }
    Ok(found)
}
