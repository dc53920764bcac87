//! One key set: what is known of it, and the one fetch that may be under way.

use super::location::{Location, ReadError};
use super::{Pace, Patience};
use crate::clients::http::Http;
use crate::clients::keys::{KeySet, SignError, Signer, parse_set};
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a set is served past its life while it is being renewed, at least.
const WINDOW: Duration = Duration::from_secs(10);
/// How long it is served past its life where the server is unwell.
const GRACE: Duration = Duration::from_secs(600);

/// What a key set is read into.
pub trait Document: Send + Sync + Sized + 'static {
    /// `Err` says why the text is none.
    fn parse(text: &[u8]) -> Result<Self, String>;
}

impl Document for KeySet {
    fn parse(text: &[u8]) -> Result<KeySet, String> {
        KeySet::parse(text).map_err(|error| error.to_string())
    }
}

/// A set that signs.
#[derive(Debug)]
pub struct SigningSet {
    pub signer: Result<Signer, SignError>,
    /// The public halves.
    pub published: Vec<Map<String, Value>>,
    /// Changes with the set: a part of the key of whatever is kept of its signatures.
    pub id: [u8; 32],
}

impl Document for SigningSet {
    fn parse(text: &[u8]) -> Result<SigningSet, String> {
        let (keys, _) = parse_set(text).map_err(|error| error.to_string())?;
        Ok(SigningSet {
            signer: Signer::choose(&keys),
            published: keys.iter().filter_map(|key| key.published()).collect(),
            id: fingerprint(text),
        })
    }
}

fn fingerprint(text: &[u8]) -> [u8; 32] {
    digest(&SHA256, text).as_ref().try_into().unwrap_or([0; 32])
}

/// One key set, shared by all handlers that name it.
pub struct Source<D> {
    location: Location,
    http: Arc<Http>,
    pace: Pace,
    state: ArcSwap<State<D>>,
    busy: AtomicBool,
    /// Counts finished fetches.
    finished: watch::Sender<u64>,
    asked_for_unknown: Mutex<Option<Instant>>,
}

struct State<D> {
    held: Option<Held<D>>,
    failures: u32,
    /// No fetch before that, whoever asks.
    next_try: Option<Instant>,
}

struct Held<D> {
    document: Arc<D>,
    text: [u8; 32],
    since: Instant,
}

impl<D> fmt::Debug for Source<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source")
            .field(&self.location.to_string())
            .finish()
    }
}

/// The state of a key set, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its origin or file: nothing that may be secret.
    pub place: String,
    /// `None` where it was never fetched.
    pub age: Option<Duration>,
    /// In a row.
    pub failures: u32,
}

/// How far a set that is held may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Without waiting.
    Now,
    /// Also where a fetch was waited for in vain.
    AfterWaiting,
}

impl<D: Document> Source<D> {
    pub(super) fn new(location: Location, http: Arc<Http>, pace: Pace) -> Source<D> {
        Source {
            location,
            http,
            pace,
            state: ArcSwap::from_pointee(State {
                held: None,
                failures: 0,
                next_try: None,
            }),
            busy: AtomicBool::new(false),
            finished: watch::Sender::new(0),
            asked_for_unknown: Mutex::new(None),
        }
    }

    /// The set, where it may be used.
    pub(super) fn held(&self, patience: Patience, how: Use) -> Option<Arc<D>> {
        let state = self.state.load();
        let held = state.held.as_ref()?;
        let age = held.since.elapsed();
        let mut life = patience.ttl.saturating_add(patience.ttl.max(WINDOW));
        if how == Use::AfterWaiting || state.failures > 0 {
            life = life.max(patience.ttl.saturating_add(GRACE));
        }
        (age <= life).then(|| held.document.clone())
    }

    /// How long ago it was fetched, and how many fetches in a row have failed since.
    pub(super) fn condition(&self) -> Condition {
        let state = self.state.load();
        Condition {
            place: self.location.to_string(),
            age: state.held.as_ref().map(|held| held.since.elapsed()),
            failures: state.failures,
        }
    }

    /// Whether the set is absent or past its life.
    pub(super) fn wants_renewal(&self, patience: Patience) -> bool {
        self.state
            .load()
            .held
            .as_ref()
            .is_none_or(|held| held.since.elapsed() > patience.ttl)
    }

    /// Whether a fetch may be made only since some token names a key that the set doesn't have; true once per interval.
    pub(super) fn may_look_for_unknown(&self) -> bool {
        let mut last = self
            .asked_for_unknown
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < self.pace.unknown_kid) {
            return false;
        }
        *last = Some(Instant::now());
        true
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// Resolves when the next fetch is finished. Subscribe first, then [`Self::renew`].
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.finished.subscribe()
    }

    /// Begins a fetch that goes on without the request that asked for it. Whether one is under way now.
    pub(super) fn renew(self: &Arc<Self>) -> bool {
        if self
            .state
            .load()
            .next_try
            .is_some_and(|next| Instant::now() < next)
        {
            return self.is_busy();
        }
        if !self.busy.swap(true, Ordering::AcqRel) {
            let source = self.clone();
            tokio::spawn(async move {
                let finish = Finish(source);
                let outcome = finish.0.location.read(&finish.0.http).await;
                finish.0.learn(outcome);
            });
        }
        true
    }

    fn learn(&self, outcome: Result<Bytes, ReadError>) {
        let before = self.state.load();
        let (why, transient) = match outcome {
            Ok(text) => match self.take(&text) {
                Ok(()) => return,
                Err(why) => (why, false),
            },
            Err(error) => (error.to_string(), error.is_transient()),
        };
        tracing::warn!(source = %self.location, reason = %why, "key set not renewed");
        let failures = before.failures.saturating_add(1);
        let pause = self
            .pace
            .failure
            .saturating_mul(1 << failures.saturating_sub(1).min(8))
            .min(self.pace.unknown_kid);
        self.state.store(Arc::new(State {
            held: before.held.as_ref().filter(|_| transient).map(Held::copy),
            failures,
            next_try: Some(Instant::now() + pause),
        }));
    }

    fn take(&self, text: &[u8]) -> Result<(), String> {
        let print = fingerprint(text);
        let before = self.state.load();
        // The same text keeps the same keys, so that what was verified with them stays verified.
        let same = before.held.as_ref().filter(|held| held.text == print);
        let document = match same {
            Some(held) => held.document.clone(),
            None => Arc::new(D::parse(text)?),
        };
        self.state.store(Arc::new(State {
            held: Some(Held {
                document,
                text: print,
                since: Instant::now(),
            }),
            failures: 0,
            next_try: None,
        }));
        Ok(())
    }
}

impl<D> Held<D> {
    fn copy(&self) -> Held<D> {
        Held {
            document: self.document.clone(),
            text: self.text,
            since: self.since,
        }
    }
}

/// Ends a fetch, also where its task is cancelled or panics.
struct Finish<D>(Arc<Source<D>>);

impl<D> Drop for Finish<D> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
        self.0.finished.send_modify(|count| *count += 1);
    }
}
