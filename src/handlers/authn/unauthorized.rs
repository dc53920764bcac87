//! Refuses every request with 401.

use crate::handlers::Kind;
use crate::pipeline::{Authenticator, Authn, Denial, Reason, RequestView};
use async_trait::async_trait;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authenticator> = Kind {
    id: "unauthorized",
    example: "{}",
    build: |_, _| Ok(Arc::new(Unauthorized)),
};

#[derive(Debug)]
struct Unauthorized;

#[async_trait]
impl Authenticator for Unauthorized {
    async fn authenticate(&self, _: &RequestView<'_>) -> Result<Authn, Denial> {
        Err(Denial::new(Reason::Unauthorized))
    }
}
