//! The tasks that wait for changes, each of which only says that there is news.

use crate::rules::raw::Rule;
use crate::rules::source::{FetchError, Fetched, RuleSource};
use crate::rules::watch::{Looks, Watch, look};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Something happened.
#[derive(Debug)]
pub(super) enum News {
    /// The source with that key was read, or not.
    Source { key: u64, outcome: Outcome },
    /// A file of the configuration changed.
    Configuration,
    /// SIGHUP.
    Hangup,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Unchanged,
    Rules(Vec<Arc<Rule>>),
    Failed {
        error: FetchError,
        /// In a row.
        failures: u32,
    },
}

/// Reads a source now and whenever it changes or `poked` says so.
pub(super) fn source(
    key: u64,
    source: Arc<dyn RuleSource>,
    mut poked: watch::Receiver<()>,
    sender: mpsc::UnboundedSender<News>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut last = None;
        let mut failures = 0;
        loop {
            let outcome = match source.fetch(last.as_ref()).await {
                Ok(Fetched::Unchanged) => {
                    failures = 0;
                    Outcome::Unchanged
                }
                Ok(Fetched::Rules { rules, fingerprint }) => {
                    failures = 0;
                    last = fingerprint;
                    Outcome::Rules(rules)
                }
                Err(error) => {
                    failures += 1;
                    Outcome::Failed { error, failures }
                }
            };
            if sender.send(News::Source { key, outcome }).is_err() {
                return;
            }
            tokio::select! {
                () = source.changed(failures) => {}
                _ = poked.changed() => {}
            }
        }
    })
}

/// Watches the configuration's files.
pub(super) fn configuration(
    files: Vec<PathBuf>,
    mut seen: Looks,
    sender: mpsc::UnboundedSender<News>,
) {
    if files.is_empty() {
        return;
    }
    tokio::spawn(async move {
        let watch = Watch::default();
        loop {
            watch.changed(|| files.clone(), seen).await;
            seen = look(files.iter().map(PathBuf::as_path));
            if sender.send(News::Configuration).is_err() {
                return;
            }
        }
    });
}

/// Waits for SIGHUP, which ends the reference and reloads Doorward.
#[cfg(unix)]
pub(super) fn hangups(sender: mpsc::UnboundedSender<News>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return tracing::warn!(%error, "SIGHUP can't be waited for"),
    };
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            if sender.send(News::Hangup).is_err() {
                return;
            }
        }
    });
}

#[cfg(not(unix))]
pub(super) fn hangups(_: mpsc::UnboundedSender<News>) {}
