//! What operators see of Doorward: metrics, logs and traces. Any module may use it.

mod credentials;
#[cfg(feature = "server")]
pub mod logging;
pub mod metrics;
#[cfg(test)]
mod shipped;
pub mod spans;

pub use credentials::CredentialHeaders;
#[cfg(feature = "server")]
pub use logging::Logs;
pub use metrics::Metrics;

/// What a door reports to.
#[cfg(feature = "server")]
#[derive(Debug, Clone)]
pub struct Telemetry {
    pub metrics: std::sync::Arc<Metrics>,
    pub logs: std::sync::Arc<Logs>,
    pub tracer: spans::Tracer,
}

#[cfg(feature = "server")]
impl Telemetry {
    /// Sends and writes what waits. For the end of the process.
    pub fn end(&self) {
        self.tracer.shut_down();
        self.logs.flush();
    }
}
