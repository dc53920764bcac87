//! What handlers call out with: HTTP, key sets, caches.

mod destination;
pub mod http;
pub mod jwks;
pub mod keys;
mod retry;
#[cfg(test)]
pub(crate) mod stub;

pub use retry::{Repeat, Retry};

/// What handlers call out with. Outlives snapshots, so that a reload empties no pool and no cache.
#[derive(Debug, Default)]
pub struct Clients {}
