//! What handlers call out with: HTTP, key sets, caches.

mod destination;
pub mod http;
mod retry;
#[cfg(test)]
pub(crate) mod stub;

pub use retry::{Repeat, Retry};
