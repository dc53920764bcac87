//! The request's body, for the few handlers that want it.

use super::Denial;
use async_trait::async_trait;
use bytes::Bytes;

/// Reads the whole body when it is first asked for, and keeps it for the upstream.
///
/// Lazy, so that nobody unauthenticated makes Doorward hold a body.
#[async_trait]
pub trait BodySource: Send + Sync {
    /// The complete body. `Err` where it is larger than the limit (413), late, or broken off.
    async fn read(&self) -> Result<Bytes, Denial>;
}
