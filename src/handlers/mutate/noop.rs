//! Changes nothing for the upstream; at the decision API the request's own headers come back.

use crate::handlers::Kind;
use crate::pipeline::{Denial, Echo, Mutator, RequestView, Session};
use async_trait::async_trait;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Mutator> = Kind {
    id: "noop",
    example: "{}",
    build: |_, _| Ok(Arc::new(Noop)),
};

#[derive(Debug)]
struct Noop;

#[async_trait]
impl Mutator for Noop {
    async fn mutate(&self, _: &RequestView<'_>, session: &mut Session<'_>) -> Result<(), Denial> {
        session.echo = Echo::Request;
        Ok(())
    }
}
