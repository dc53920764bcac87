//! The small sections: `errors`, `decisions`, `log`, `tracing`, `http`, `cache`, `templates`.

use super::Secret;
use super::read::{duration, filled};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, Deserialize)]
pub struct Errors {
    /// Error handlers in the order in which they are asked.
    pub fallback: Vec<String>,
    pub on_ambiguity: OnAmbiguity,
    pub dependency_status: DependencyStatus,
}

/// Two error handlers of a rule take the same error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnAmbiguity {
    First,
    /// 500.
    Error,
}

/// What a client is told when a server that a handler depends on fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyStatus {
    /// What the reference answers.
    Recorded,
    /// 502 or 504.
    Gateway,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Decisions {
    pub echo_headers: EchoHeaders,
}

/// What the `noop` mutator returns of the request's headers at the decision API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoHeaders {
    All,
    Authorization,
    None,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
    pub leak_sensitive_values: SensitiveValues,
    /// Stands where something was left out.
    pub redaction_text: String,
    #[serde(default)]
    pub additional_redacted_headers: Vec<String>,
    /// Share of the answered requests (status below 400) that leave lines; 0 to 1.
    pub sample_ratio: f64,
    pub subject: LogSubject,
}

/// Whether decision lines name the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSubject {
    Shown,
    Redacted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Panic,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Json,
    JsonPretty,
    Gelf,
    Text,
}

/// Whether logs show cookies, credentials and queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "bool")]
pub enum SensitiveValues {
    Redacted,
    Shown,
}

switch!(SensitiveValues, Redacted, Shown);

#[derive(Debug, Clone, Deserialize)]
pub struct Tracing {
    /// `None`: off.
    #[serde(default)]
    pub provider: Option<TracingProvider>,
    pub service_name: String,
    pub deployment_environment: String,
    pub providers: TracingProviders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TracingProvider {
    Jaeger,
    Otel,
    Zipkin,
}

#[derive(Debug, Clone, Deserialize)]
pub struct TracingProviders {
    pub jaeger: Jaeger,
    pub zipkin: Zipkin,
    pub otlp: Otlp,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Jaeger {
    /// `host:port`.
    #[serde(default)]
    pub local_agent_address: Option<String>,
    pub sampling: JaegerSampling,
}

#[derive(Debug, Clone, Deserialize)]
pub struct JaegerSampling {
    #[serde(default)]
    pub server_url: Option<String>,
    pub trace_id_ratio: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Zipkin {
    #[serde(default)]
    pub server_url: Option<String>,
    pub sampling: Sampling,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Otlp {
    /// `host:port`.
    #[serde(default)]
    pub server_url: Option<String>,
    pub insecure: bool,
    pub protocol: OtlpProtocol,
    pub sampling: Sampling,
    /// Sent as `Authorization`.
    #[serde(default)]
    pub authorization_header: Option<Secret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtlpProtocol {
    Http,
    Grpc,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Sampling {
    /// 0 to 1.
    pub sampling_ratio: f64,
}

/// Calls of handlers and rule sources to other servers.
#[derive(Debug, Clone, Deserialize)]
pub struct Http {
    /// A longer answer is cut off and counts as unusable.
    pub max_response_bytes: usize,
    /// Idle connections kept for each host.
    pub pool_idle_per_host: usize,
    #[serde(deserialize_with = "duration::simple")]
    pub pool_idle_timeout: Duration,
    /// A PEM file with authorities that are trusted besides the system's.
    #[serde(deserialize_with = "filled")]
    pub ca: Option<PathBuf>,
    /// A PEM file with a certificate and its key.
    #[serde(deserialize_with = "filled")]
    pub client_certificate: Option<PathBuf>,
}

/// All caches together.
#[derive(Debug, Clone, Deserialize)]
pub struct Cache {
    pub max_bytes: u64,
    pub backend: CacheBackend,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum CacheBackend {
    Memory,
    /// A `redis://` or `rediss://` URL, which may hold a password.
    Redis(Secret),
}

impl From<String> for CacheBackend {
    fn from(text: String) -> CacheBackend {
        match text.as_str() {
            "memory" => CacheBackend::Memory,
            _ => CacheBackend::Redis(Secret::from(text)),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Templates {
    pub unsafe_functions: UnsafeFunctions,
}

/// Template functions that read the environment, ask the network or make keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "bool")]
pub enum UnsafeFunctions {
    Absent,
    Allowed,
}

switch!(UnsafeFunctions, Absent, Allowed);
