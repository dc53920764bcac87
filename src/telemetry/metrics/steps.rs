//! How long handlers take that ask other servers.

use super::cells::Histogram;
use crate::telemetry::spans;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// Watches one handler in its place in a pipeline. Handlers that never wait have none: reading the clock would cost more than they do.
#[derive(Debug, Clone)]
pub struct StepMeter {
    pub stage: &'static str,
    pub handler: Arc<str>,
    pub(super) times: Arc<Histogram>,
}

impl StepMeter {
    /// Does the work, in a span of its own where the request is traced, and notes its time.
    pub async fn time<T>(&self, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = spans::step(self.stage, &self.handler, work).await;
        self.times.observe(started.elapsed());
        done
    }
}
