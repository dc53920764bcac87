//! What operators see of Doorward: metrics, logs and traces. Any module may use it.

#[cfg(feature = "server")]
pub mod logging;
pub mod metrics;
pub mod spans;

#[cfg(feature = "server")]
pub use logging::Logs;
pub use metrics::Metrics;
