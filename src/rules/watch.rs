//! Waiting until files change.
//!
//! The folders are watched, since editors and Kubernetes replace files instead of writing them (a mounted ConfigMap swaps a symbolic
//! link), and what was seen is compared, since events come in bursts and get lost on some file systems. Whatever is missed is found by
//! looking every second.

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How often is looked without an event.
const LOOK: Duration = Duration::from_secs(1);
/// How long files must have been quiet.
const QUIET: Duration = Duration::from_millis(40);
/// After this a file that changes without pause is read all the same.
const PATIENCE: Duration = Duration::from_millis(400);

/// What a set of files looked like; equal as long as nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks(u64);

/// Looks at files without reading them: where links lead, which file it is, its size and its times.
pub fn look<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Looks {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        path.hash(&mut hasher);
        fs::canonicalize(path).ok().hash(&mut hasher);
        if let Ok(metadata) = fs::metadata(path) {
            metadata.len().hash(&mut hasher);
            metadata.modified().ok().hash(&mut hasher);
            identity(&metadata).hash(&mut hasher);
        }
    }
    Looks(hasher.finish())
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) {}

/// Watches the folders of some files.
pub struct Watch {
    woken: Arc<Notify>,
    watched: Mutex<(Option<RecommendedWatcher>, BTreeSet<PathBuf>)>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Default for Watch {
    fn default() -> Watch {
        let woken = Arc::new(Notify::new());
        let wake = woken.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let reading = event.is_ok_and(|event| event.kind.is_access());
            if !reading {
                wake.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(%error, "files can't be watched and are looked at every second");
            })
            .ok();
        Watch {
            woken,
            watched: Mutex::new((watcher, BTreeSet::new())),
        }
    }
}

impl Watch {
    /// Resolves when the files that `list` names look different from `seen`.
    pub async fn changed<F: Fn() -> Vec<PathBuf>>(&self, list: F, seen: Looks) {
        let now = || look(list().iter().map(PathBuf::as_path));
        loop {
            self.follow(&list());
            let found = now();
            if found != seen {
                self.settle(now, found).await;
                return;
            }
            let _ = tokio::time::timeout(LOOK, self.woken.notified()).await;
        }
    }

    /// Waits until nothing changes any more, so that half a file isn't read.
    async fn settle(&self, now: impl Fn() -> Looks, mut found: Looks) {
        let began = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(QUIET).await;
            let next = now();
            if next == found || began.elapsed() > PATIENCE {
                return;
            }
            found = next;
        }
    }

    /// Watches the folders of the files and of what they link to. A folder that isn't there is tried again with the next look.
    fn follow(&self, files: &[PathBuf]) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(watcher), folders) = &mut *watched else {
            return;
        };
        let wanted: BTreeSet<PathBuf> = files
            .iter()
            .flat_map(|file| [Some(file.clone()), fs::canonicalize(file).ok()])
            .flatten()
            .filter_map(|file| folder(&file))
            .filter(|folder| folder.is_dir())
            .collect();
        for gone in folders.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        folders.retain(|folder| wanted.contains(folder));
        for folder in wanted {
            if !folders.contains(&folder)
                && watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok()
            {
                folders.insert(folder);
            }
        }
    }
}

/// The folder that a file is in; `.` for a bare name.
fn folder(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    Some(if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// Changes something and waits for it to be seen.
    async fn seen(file: &Path, change: impl FnOnce()) -> bool {
        let watch = Watch::default();
        let before = look([file]);
        change();
        let wait = watch.changed(|| vec![file.to_owned()], before);
        tokio::time::timeout(Duration::from_secs(10), wait)
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn writing_replacing_and_removing_a_file_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.json");
        assert!(seen(&file, || fs::write(&file, "[]").unwrap()).await);
        assert!(seen(&file, || fs::write(&file, "[ ]").unwrap()).await);
        let other = folder.path().join("new");
        fs::write(&other, "[ ]").unwrap();
        assert!(seen(&file, || fs::rename(&other, &file).unwrap()).await);
        assert!(seen(&file, || fs::remove_file(&file).unwrap()).await);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_swap_of_a_mounted_configmap_is_seen_each_time() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("..0")).unwrap();
        fs::write(at("..0/rules.json"), "[]").unwrap();
        symlink("..0", at("..data")).unwrap();
        symlink("..data/rules.json", at("rules.json")).unwrap();
        let file = at("rules.json");
        for round in 1..=5 {
            let next = format!("..{round}");
            let swap = || {
                fs::create_dir(at(&next)).unwrap();
                fs::write(at(&next).join("rules.json"), "[]").unwrap();
                symlink(&next, at("..tmp")).unwrap();
                fs::rename(at("..tmp"), at("..data")).unwrap();
            };
            assert!(seen(&file, swap).await, "round {round}");
        }
    }

    #[tokio::test]
    async fn a_file_that_stays_as_it_is_wakes_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.json");
        fs::write(&file, "[]").unwrap();
        let watch = Watch::default();
        let before = look([file.as_path()]);
        let began = Instant::now();
        let wait = watch.changed(|| vec![file.clone()], before);
        fs::read(&file).unwrap();
        let woken = tokio::time::timeout(Duration::from_millis(300), wait).await;
        assert!(woken.is_err(), "after {:?}", began.elapsed());
    }
}
