//! The places that rules come from.

mod file;
mod http;
mod inline;
#[cfg(feature = "object-stores")]
mod object;

use super::document::{self, DocumentError};
use super::raw::Rule;
use crate::clients::http::Http;
use crate::config::{Location, Repository};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A place that rules come from: files, a URL, the configuration itself.
#[async_trait]
pub trait RuleSource: fmt::Debug + Send + Sync + 'static {
    /// Its name in logs, metrics and health: the URL without what may be secret.
    fn id(&self) -> &Arc<str>;

    fn kind(&self) -> SourceKind;

    /// Reads the whole set, never a delta. `Err` leaves the last good set in place.
    async fn fetch(&self, last: Option<&Fingerprint>) -> Result<Fetched, FetchError>;

    /// Resolves when it is worth asking again, after what [`RuleSource::fetch`] last saw.
    async fn changed(&self, failures: u32);
}

/// What a failure means at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// Part of the configuration: if it can't be read, the configuration is wrong.
    Inline,
    /// Counts as empty, loudly.
    Local,
    /// Tried again; nothing is ready before it was read once.
    Remote,
}

/// What a remote source said about the version of its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(pub String);

#[derive(Debug)]
pub enum Fetched {
    /// The set that `last` stands for is still the current one.
    Unchanged,
    Rules {
        rules: Vec<Arc<Rule>>,
        fingerprint: Option<Fingerprint>,
    },
}

/// Why a source could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("can't be read: {0}")]
    Unreadable(String),
    /// Answered, but not with rules.
    #[error("answered {0} instead of 200")]
    Status(u16),
    #[error("{place}{error}")]
    Document {
        /// Which file of several, with a colon.
        place: String,
        error: DocumentError,
    },
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    #[error("this build can't read from object stores")]
    Unsupported,
}

/// What sources read with.
#[derive(Debug, Clone)]
pub struct Tools {
    pub http: Arc<Http>,
    /// How often remote sources are asked.
    pub refresh: Duration,
}

/// Most bytes of one remote document.
pub const MAX_BYTES: usize = 256 << 20;

/// Makes the source of a repository. Reads nothing yet.
pub fn open(repository: &Repository, tools: &Tools) -> Arc<dyn RuleSource> {
    let id = repository.label();
    match &repository.location {
        Location::File(path) => Arc::new(file::Files::new(id, file::Pattern::File(path.clone()))),
        Location::Folder(path) => {
            Arc::new(file::Files::new(id, file::Pattern::Folder(path.clone())))
        }
        Location::Glob(pattern) => {
            Arc::new(file::Files::new(id, file::Pattern::Glob(pattern.clone())))
        }
        Location::Inline(content) => Arc::new(inline::Inline::new(id, content.clone())),
        Location::Http(url) => Arc::new(http::Remote::new(id, url.clone(), tools.clone())),
        Location::Object { store, bucket, key } => object(id, *store, bucket, key, tools),
    }
}

#[cfg(feature = "object-stores")]
fn object(
    id: Arc<str>,
    store: crate::config::ObjectStore,
    bucket: &str,
    key: &str,
    tools: &Tools,
) -> Arc<dyn RuleSource> {
    Arc::new(object::Object::new(id, store, bucket, key, tools.refresh))
}

#[cfg(not(feature = "object-stores"))]
fn object(
    id: Arc<str>,
    _: crate::config::ObjectStore,
    _: &str,
    _: &str,
    _: &Tools,
) -> Arc<dyn RuleSource> {
    Arc::new(unsupported::Unsupported(id))
}

#[cfg(not(feature = "object-stores"))]
mod unsupported {
    use super::{FetchError, Fetched, Fingerprint, RuleSource, SourceKind};
    use async_trait::async_trait;
    use std::sync::Arc;

    #[derive(Debug)]
    pub(super) struct Unsupported(pub(super) Arc<str>);

    #[async_trait]
    impl RuleSource for Unsupported {
        fn id(&self) -> &Arc<str> {
            &self.0
        }

        fn kind(&self) -> SourceKind {
            SourceKind::Inline
        }

        async fn fetch(&self, _: Option<&Fingerprint>) -> Result<Fetched, FetchError> {
            Err(FetchError::Unsupported)
        }

        async fn changed(&self, _: u32) {
            std::future::pending().await
        }
    }
}

/// Rules of one document, ready to share.
fn rules(text: &[u8], place: &str) -> Result<Vec<Arc<Rule>>, FetchError> {
    let rules =
        document::read(text, document::RULE_VERSION).map_err(|error| FetchError::Document {
            place: place.to_owned(),
            error,
        })?;
    let mut rules: Vec<Arc<Rule>> = rules.into_iter().map(Arc::new).collect();
    // Collecting took over the memory of the larger rules themselves.
    rules.shrink_to_fit();
    Ok(rules)
}

/// Reading may take long; it must not hold up the other sources.
async fn rules_apart(text: bytes::Bytes) -> Result<Vec<Arc<Rule>>, FetchError> {
    tokio::task::spawn_blocking(move || rules(&text, ""))
        .await
        .map_err(|error| FetchError::Unreadable(error.to_string()))?
}

/// The wait before a remote source is asked again: `refresh` with jitter, so that many instances don't ask at once; after failures
/// sooner, from one second on, doubling up to `refresh`.
fn pause(refresh: Duration, failures: u32) -> Duration {
    use rand::Rng as _;
    let base = match failures {
        0 => refresh,
        n => Duration::from_secs(1 << (n - 1).min(10)).min(refresh.max(Duration::from_secs(1))),
    };
    base.mul_f64(rand::rng().random_range(0.9..1.1))
}

#[cfg(test)]
mod tests;
