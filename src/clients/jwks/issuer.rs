//! Key sets found through an issuer's metadata (OpenID Connect Discovery 1.0, section 4).

use super::source::{Document, Source};
use super::{KeyRing, KeySets, Patience, ring};
use arc_swap::ArcSwapOption;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long metadata counts as fresh; where an issuer's keys are changes seldom.
const TTL: Duration = Duration::from_secs(600);

/// What matters of an issuer's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Document for Metadata {
    fn parse(text: &[u8]) -> Result<Metadata, String> {
        serde_json::from_slice(text).map_err(|_| "not an issuer's metadata".to_owned())
    }
}

/// An issuer whose keys are where it says they are.
#[derive(Debug)]
pub struct Issuer {
    name: String,
    source: Arc<Source<Metadata>>,
    patience: Patience,
    ring: ArcSwapOption<(Arc<Metadata>, KeyRing)>,
}

impl Issuer {
    pub(super) fn new(name: &str, source: Arc<Source<Metadata>>, patience: Patience) -> Issuer {
        Issuer {
            name: name.to_owned(),
            source,
            patience,
            ring: ArcSwapOption::empty(),
        }
    }

    /// The issuer's key set; one without sets where the metadata can't be had or is not this issuer's own.
    pub async fn ring(&self, key_sets: &KeySets) -> KeyRing {
        let patience = Patience {
            ttl: TTL,
            ..self.patience
        };
        let none = || KeyRing::new(Vec::new(), self.patience);
        let Some(metadata) = ring::current(&self.source, patience, patience.max_wait).await else {
            return none();
        };
        if let Some(known) = &*self.ring.load()
            && Arc::ptr_eq(&known.0, &metadata)
        {
            return known.1.clone();
        }
        if !self.trusts(&metadata) {
            tracing::warn!(
                issuer = self.name,
                "the metadata names another issuer or an unsafe key set"
            );
            return none();
        }
        let Ok(ring) = key_sets.verifying(&[&metadata.jwks_uri], self.patience) else {
            return none();
        };
        self.ring.store(Some(Arc::new((metadata, ring.clone()))));
        ring
    }

    /// The metadata must name the issuer exactly, and keys must not come over a weaker connection than the metadata.
    fn trusts(&self, metadata: &Metadata) -> bool {
        let scheme = |text: &str| Url::parse(text).map(|url| url.scheme().to_owned());
        let safe = matches!(
            (
                scheme(&self.name).as_deref(),
                scheme(&metadata.jwks_uri).as_deref(),
            ),
            (Ok("https"), Ok("https")) | (Ok("http"), Ok("http" | "https"))
        );
        safe && metadata.issuer == self.name
    }
}
