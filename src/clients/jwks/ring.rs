//! The key sets that one handler trusts.

use super::Patience;
use super::source::{Document, SigningSet, Source, Use};
use crate::clients::keys::{Algorithm, KeySet, VerifyingKey};
use std::sync::Arc;

/// Why a token's key was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    #[error("no key set knows the token's key")]
    Unknown,
    #[error("the token's key is not for its algorithm")]
    Unfit,
    #[error("no key set could be read")]
    Unavailable,
}

/// Sets for verification, in order of preference.
#[derive(Debug, Clone)]
pub struct KeyRing {
    sources: Vec<Arc<Source<KeySet>>>,
    patience: Patience,
}

impl KeyRing {
    pub(super) fn new(sources: Vec<Arc<Source<KeySet>>>, patience: Patience) -> KeyRing {
        KeyRing { sources, patience }
    }

    /// The key with that id for `alg`, from the first set that has one. Waits only where none has.
    pub async fn find(&self, kid: &str, alg: Algorithm) -> Result<Arc<VerifyingKey>, FindError> {
        match self.at_hand(kid, alg, Use::Now) {
            Err(FindError::Unknown | FindError::Unavailable) => {
                self.settle().await;
                self.at_hand(kid, alg, Use::AfterWaiting)
            }
            known => known,
        }
    }

    /// The same without waiting, from what is at hand; starts renewals that are due.
    pub fn peek(&self, kid: &str, alg: Algorithm) -> Option<Arc<VerifyingKey>> {
        self.at_hand(kid, alg, Use::Now).ok()
    }

    /// All keys for `alg`, at most `most`: for tokens that don't name theirs.
    pub async fn all(
        &self,
        alg: Algorithm,
        most: usize,
    ) -> Result<Vec<Arc<VerifyingKey>>, FindError> {
        if self.sets(Use::Now).is_empty() {
            self.settle().await;
        }
        let sets = self.sets(Use::AfterWaiting);
        if sets.is_empty() {
            return Err(FindError::Unavailable);
        }
        let fitting = |key: &&Arc<VerifyingKey>| key.serves(alg);
        let keys = sets.iter().flat_map(|set| set.keys());
        Ok(keys.filter(fitting).take(most).cloned().collect())
    }

    /// Whether this very key is in one of the sets at hand.
    pub fn contains(&self, key: &Arc<VerifyingKey>) -> bool {
        self.sets(Use::Now)
            .iter()
            .any(|set| set.keys().iter().any(|known| Arc::ptr_eq(known, key)))
    }

    fn at_hand(&self, kid: &str, alg: Algorithm, how: Use) -> Result<Arc<VerifyingKey>, FindError> {
        let mut why = FindError::Unavailable;
        for source in &self.sources {
            let Some(set) = source.held(self.patience, how) else {
                continue;
            };
            if source.wants_renewal(self.patience) {
                source.renew();
            }
            if let Some(key) = set.find(kid, alg) {
                return Ok(key.clone());
            }
            if set.knows(kid) {
                why = FindError::Unfit;
            } else if why == FindError::Unavailable {
                why = FindError::Unknown;
            }
        }
        Err(why)
    }

    fn sets(&self, how: Use) -> Vec<Arc<KeySet>> {
        let held = |source: &Arc<Source<KeySet>>| {
            let set = source.held(self.patience, how)?;
            if source.wants_renewal(self.patience) {
                source.renew();
            }
            Some(set)
        };
        self.sources.iter().filter_map(held).collect()
    }

    /// Asks for every set that is absent, old, or not asked lately whether it has a new key, and waits for the answers.
    async fn settle(&self) {
        let asked = self.sources.iter().filter_map(|source| {
            let done = source.watch();
            let due = source.wants_renewal(self.patience) || source.may_look_for_unknown();
            let waits = if due {
                source.renew()
            } else {
                source.is_busy()
            };
            waits.then_some(done)
        });
        let asked: Vec<_> = asked.collect();
        let all = futures_util::future::join_all(asked.into_iter().map(async |mut done| {
            let _ = done.changed().await;
        }));
        let _ = tokio::time::timeout(self.patience.max_wait, all).await;
    }
}

/// The set that one handler signs with.
#[derive(Debug, Clone)]
pub struct SigningRing {
    source: Arc<Source<SigningSet>>,
    patience: Patience,
}

impl SigningRing {
    pub(super) fn new(source: Arc<Source<SigningSet>>, patience: Patience) -> SigningRing {
        SigningRing { source, patience }
    }

    /// The set, waited for where it isn't at hand; `None` where it can't be read.
    pub async fn current(&self) -> Option<Arc<SigningSet>> {
        let wait = self.patience.max_wait;
        current(&self.source, self.patience, wait).await
    }
}

/// One set, waited for where it isn't at hand.
pub(super) async fn current<D: Document>(
    source: &Arc<Source<D>>,
    patience: Patience,
    wait: std::time::Duration,
) -> Option<Arc<D>> {
    let mut done = source.watch();
    let due = source.wants_renewal(patience) && source.renew();
    if let Some(set) = source.held(patience, Use::Now) {
        return Some(set);
    }
    if due {
        let _ = tokio::time::timeout(wait, done.changed()).await;
    }
    source.held(patience, Use::AfterWaiting)
}
