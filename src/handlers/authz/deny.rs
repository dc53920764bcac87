//! Refuses every request with 403.

use crate::handlers::Kind;
use crate::pipeline::{Authorizer, Denial, Reason, RequestView, Session};
use async_trait::async_trait;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authorizer> = Kind {
    id: "deny",
    example: "{}",
    build: |_, _| Ok(Arc::new(Deny)),
};

#[derive(Debug)]
struct Deny;

#[async_trait]
impl Authorizer for Deny {
    async fn authorize(&self, _: &RequestView<'_>, _: &mut Session<'_>) -> Result<(), Denial> {
        Err(Denial::new(Reason::Forbidden))
    }
}
