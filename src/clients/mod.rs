//! What handlers call out with: HTTP, key sets, caches.

pub mod cache;
mod destination;
pub mod http;
pub mod jwks;
pub mod jwt;
pub mod keys;
mod retry;
#[cfg(test)]
pub(crate) mod stub;

pub use retry::{Repeat, Retry};

use crate::telemetry::{CredentialHeaders, Metrics};
use std::sync::Arc;

/// What handlers call out with. Outlives snapshots, so that a reload empties no pool and no cache.
#[derive(Debug, Default)]
pub struct Clients {
    /// What is known of upstreams' servers.
    pub upstreams: crate::upstreams::Registry,
    pub metrics: Arc<Metrics>,
    /// Headers that logs leave out.
    pub credentials: Arc<CredentialHeaders>,
}
