//! Takes every request, with an empty subject. Authorization and mutation still run.

use crate::handlers::Kind;
use crate::pipeline::{Authenticator, Authn, Denial, Identity, RequestView};
use async_trait::async_trait;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authenticator> = Kind {
    id: "noop",
    example: "{}",
    build: |_, _| Ok(Arc::new(Noop::default())),
};

#[derive(Debug, Default)]
struct Noop {
    nobody: Identity,
}

#[async_trait]
impl Authenticator for Noop {
    async fn authenticate(&self, _: &RequestView<'_>) -> Result<Authn, Denial> {
        Ok(Authn::Identified(self.nobody.clone()))
    }
}
