//! Key sets from servers and files, kept, refreshed and shared by all handlers that name them.
//!
//! A set that is known is served from memory. Past its life it is served a little longer while one fetch in the background renews
//! it. A request waits only where no set at hand has its key, and then no longer than `jwks_max_wait`. Tokens with made-up key ids
//! cause at most one fetch per URL and ten seconds.

mod issuer;
mod location;
mod ring;
mod source;
#[cfg(test)]
mod tests;

pub use issuer::{Issuer, Metadata};
pub use location::{BadLocation, Location};
pub use ring::{FindError, KeyRing, SigningRing};
pub use source::{Condition, Document, SigningSet, Source};

use super::http::Http;
use super::keys::KeySet;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long sets live and requests wait; the reference's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// `jwks_ttl`.
    pub ttl: Duration,
    /// `jwks_max_wait`.
    pub max_wait: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            ttl: Duration::from_secs(30),
            max_wait: Duration::from_secs(1),
        }
    }
}

/// How often servers are asked; fixed but for tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two fetches for key ids that no set knows.
    pub(crate) unknown_kid: Duration,
    /// After a failure; doubles up to `unknown_kid`.
    pub(crate) failure: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            unknown_kid: Duration::from_secs(10),
            failure: Duration::from_secs(1),
        }
    }
}

/// All key sets of the process. Outlives configurations, so that a reload forgets none.
#[derive(Debug)]
pub struct KeySets {
    http: Arc<Http>,
    pace: Pace,
    verifying: Shelf<KeySet>,
    signing: Shelf<SigningSet>,
    issuers: Shelf<Metadata>,
}

type Shelf<D> = Mutex<HashMap<String, Arc<Source<D>>>>;

impl KeySets {
    pub fn new(http: Arc<Http>) -> KeySets {
        KeySets::with_pace(http, Pace::default())
    }

    pub(crate) fn with_pace(http: Arc<Http>, pace: Pace) -> KeySets {
        KeySets {
            http,
            pace,
            verifying: Mutex::default(),
            signing: Mutex::default(),
            issuers: Mutex::default(),
        }
    }

    /// The sets at `urls`, for verification, in order of preference. `Err` where one of them is no location.
    pub fn verifying(
        &self,
        urls: &[impl AsRef<str>],
        patience: Patience,
    ) -> Result<KeyRing, BadLocation> {
        let sources = urls
            .iter()
            .map(|url| self.source(&self.verifying, url.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(KeyRing::new(sources, patience))
    }

    /// The set at `url`, for signing.
    pub fn signing(&self, url: &str, patience: Patience) -> Result<SigningRing, BadLocation> {
        let source = self.source(&self.signing, url)?;
        Ok(SigningRing::new(source, patience))
    }

    /// The set that an issuer's metadata names, for verification.
    pub fn issuer(&self, issuer: &str, patience: Patience) -> Result<Issuer, BadLocation> {
        let base = issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let source = self.source(&self.issuers, &url)?;
        Ok(Issuer::new(issuer, source, patience))
    }

    /// The public halves of all keys of `rings`, in order, each once: what `/.well-known/jwks.json` serves.
    pub async fn published(rings: &[SigningRing]) -> Vec<Map<String, Value>> {
        let sets = futures_util::future::join_all(rings.iter().map(SigningRing::current)).await;
        let mut keys: Vec<Map<String, Value>> = Vec::new();
        for key in sets.iter().flatten().flat_map(|set| &set.published) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// The state of each set that handlers name.
    pub fn conditions(&self) -> Vec<Condition> {
        let mut all = conditions(&self.verifying);
        all.extend(conditions(&self.signing));
        all.extend(conditions(&self.issuers));
        all
    }

    fn source<D: Document>(
        &self,
        shelf: &Shelf<D>,
        url: &str,
    ) -> Result<Arc<Source<D>>, BadLocation> {
        let location = Location::parse(url)?;
        let mut known = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        // Sets that no configuration names any more.
        known.retain(|name, source| name == url || Arc::strong_count(source) > 1);
        let fresh = || Arc::new(Source::new(location, self.http.clone(), self.pace));
        Ok(known.entry(url.to_owned()).or_insert_with(fresh).clone())
    }
}

fn conditions<D: Document>(shelf: &Shelf<D>) -> Vec<Condition> {
    let known = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    known.values().map(|source| source.condition()).collect()
}
