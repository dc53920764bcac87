//! Allows every request.

use crate::handlers::Kind;
use crate::pipeline::{Authorizer, Denial, RequestView, Session};
use async_trait::async_trait;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authorizer> = Kind {
    id: "allow",
    example: "{}",
    build: |_, _| Ok(Arc::new(Allow)),
};

#[derive(Debug)]
struct Allow;

#[async_trait]
impl Authorizer for Allow {
    async fn authorize(&self, _: &RequestView<'_>, _: &mut Session<'_>) -> Result<(), Denial> {
        Ok(())
    }
}
