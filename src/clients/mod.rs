//! What handlers call out with: HTTP, key sets, caches.

pub mod cache;
mod clock;
mod destination;
pub mod http;
pub mod jwks;
pub mod jwt;
pub mod keys;
mod measure;
mod remote;
mod retry;
#[cfg(test)]
pub(crate) mod stub;

pub use clock::unix_seconds;
pub use remote::{BackendError, Portable};
pub use retry::{Repeat, Retry};

use crate::config;
use crate::telemetry::{CredentialHeaders, Metrics};
use cache::{Cache, Counters, Flights, Key, KeyBuilder, Store};
use http::{Answer, Call, CallError, Http, Propagate, StandIn};
use jwks::KeySets;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What all of it is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub http: http::Settings,
    /// Bytes of all caches together.
    pub cache_bytes: u64,
    /// URL of a Redis that processes share their caches through.
    pub shared_cache: Option<config::Secret>,
}

/// Why the clients could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Http(#[from] http::SetupError),
    #[error(transparent)]
    Cache(#[from] BackendError),
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            http: http::Settings::default(),
            cache_bytes: 64 << 20,
            shared_cache: None,
        }
    }
}

impl Settings {
    /// From the configuration's `http` and `cache`.
    pub fn of(http: &config::Http, cache: &config::Cache) -> Settings {
        Settings {
            http: http::Settings {
                max_response_bytes: http.max_response_bytes,
                idle_per_host: http.pool_idle_per_host,
                idle_timeout: http.pool_idle_timeout,
                ca: http.ca.clone(),
                client_certificate: http.client_certificate.clone(),
                ..http::Settings::default()
            },
            cache_bytes: cache.max_bytes,
            shared_cache: match &cache.backend {
                config::CacheBackend::Memory => None,
                config::CacheBackend::Redis(url) => Some(url.clone()),
            },
        }
    }
}

/// What handlers call out with. Outlives snapshots, so that a reload empties no pool and no cache.
#[derive(Debug)]
pub struct Clients {
    pub http: Arc<Http>,
    pub key_sets: KeySets,
    /// What is known of upstreams' servers.
    pub upstreams: crate::upstreams::Registry,
    pub metrics: Arc<Metrics>,
    /// Headers that logs leave out.
    pub credentials: Arc<CredentialHeaders>,
    store: Store,
    counters: Mutex<BTreeMap<&'static str, Arc<Counters>>>,
    questions: Flights<Result<Answer, CallError>>,
}

impl Clients {
    /// `Err` where a certificate file or the caches' backend can't be used. Nothing is connected to yet.
    pub fn new(settings: Settings, propagate: Option<Propagate>) -> Result<Clients, SetupError> {
        let store = match &settings.shared_cache {
            None => Store::new(settings.cache_bytes),
            Some(url) => Store::shared(settings.cache_bytes, url.reveal())?,
        };
        Ok(Clients::made_of(
            Http::new(settings.http, propagate)?,
            store,
        ))
    }

    /// Clients that reach nobody: calls are answered by `stand_in`, and caches are their own.
    pub fn without_network(
        settings: Settings,
        stand_in: Arc<dyn StandIn>,
    ) -> Result<Clients, SetupError> {
        let http = Http::new(settings.http, None)?.answered_by(stand_in);
        Ok(Clients::made_of(http, Store::new(settings.cache_bytes)))
    }

    fn made_of(http: Http, store: Store) -> Clients {
        let http = Arc::new(http);
        Clients {
            key_sets: KeySets::new(http.clone()),
            http,
            upstreams: Default::default(),
            metrics: Arc::default(),
            credentials: Arc::default(),
            store,
            counters: Mutex::default(),
            questions: Flights::default(),
        }
    }

    /// The same, telling metrics and logs of the process what they need to know.
    pub fn observed(self, metrics: Arc<Metrics>, credentials: Arc<CredentialHeaders>) -> Clients {
        Clients {
            metrics,
            credentials,
            ..self
        }
    }

    /// The cache of that name. All of them share one budget; keys begin with the name.
    pub fn cache<V: Send + Sync + 'static>(&self, name: &'static str) -> Cache<V> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = counters.entry(name).or_default().clone();
        Cache::new(self.store.clone(), counters)
    }

    /// The memory behind the caches, for metrics.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What each cache counted, for metrics.
    pub fn counters(&self) -> Vec<(&'static str, Arc<Counters>)> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters
            .iter()
            .map(|(name, counters)| (*name, counters.clone()))
            .collect()
    }

    /// Makes a call that only asks a question: who asks the same while it is under way waits for the same answer.
    pub async fn ask(&self, call: Call) -> Result<Answer, CallError> {
        let http = self.http.clone();
        self.questions
            .join(identity(&call), || async move { http.send(call).await })
            .await
    }
}

/// Everything that can change the answer to a call.
fn identity(call: &Call) -> Key {
    let mut key = KeyBuilder::new("call")
        .part(call.method.as_str())
        .part(call.url.as_str())
        .part(&call.body)
        .count(call.headers.len());
    for (name, value) in &call.headers {
        key = key.part(name).part(value);
    }
    let limits = format!("{:?} {:?}", call.timeouts, call.retry);
    key.part(limits).finish()
}

#[cfg(test)]
impl Default for Clients {
    fn default() -> Clients {
        Clients::new(Settings::default(), None).unwrap()
    }
}
