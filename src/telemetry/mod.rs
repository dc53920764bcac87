//! What operators see of Doorward: metrics, logs and traces. Any module may use it.

pub mod metrics;

pub use metrics::Metrics;
