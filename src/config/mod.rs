//! What the operator wrote: read, checked against the schema, and turned into types that can't be wrong.
//!
//! Files (YAML, JSON, TOML) are merged in order, the environment is laid over them, [`schema`] fills in defaults and finds every
//! mistake at once. What comes out is a [`Config`]: no option that has a default, no text that has a type. Settings of handlers stay
//! values, since a rule may change them; [`Handlers::effective`] merges and checks them.

#[macro_use]
mod switch;
mod access_rules;
mod advice;
pub mod document;
mod duration;
mod handlers;
mod load;
mod problems;
mod read;
mod redact;
mod repository;
pub mod schema;
mod secret;
mod sections;
mod serve;

pub use access_rules::{
    AccessRules, EncodedSlashes, Location, MatchingStrategy, ObjectStore, OnInvalidRule,
    OnStartFailure, Repository, Strictness, TrailingSlash, UnderscoreHeaders,
};
pub use duration::{parse_lenient, parse_simple};
pub use handlers::{HandlerKind, Handlers};
pub use load::{Loaded, load, parse, set_by_environment, written};
pub use problems::{Place, Problem, Problems};
pub use redact::{redact_by_name, redacted, without_password};
pub use schema::closest_name;
pub use secret::Secret;
pub use sections::{
    Cache, CacheBackend, Decisions, DependencyStatus, EchoHeaders, Errors, Http, Jaeger,
    JaegerSampling, Log, LogFormat, LogLevel, LogSubject, OnAmbiguity, Otlp, OtlpProtocol,
    Sampling, SensitiveValues, Templates, Tracing, TracingProvider, TracingProviders,
    UnsafeFunctions, Zipkin,
};
pub use serve::{
    ApiListener, Certificate, ClientAuth, ClientCertificate, Cors, Credentials, Explain,
    ExposeRules, ExtAuthzListener, Limits, ListenAddress, Listener, MetricsListener, Pem,
    RequestPaths, Serve, Timeouts, Tls, TrustForwarded,
};

use serde::Deserialize;
use serde_json::Value;

/// Everything the operator can decide, apart from the rules.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    pub serve: Serve,
    pub access_rules: AccessRules,
    #[serde(skip)]
    pub handlers: Handlers,
    pub errors: Errors,
    pub decisions: Decisions,
    pub log: Log,
    pub tracing: Tracing,
    pub http: Http,
    pub cache: Cache,
    pub templates: Templates,
}

/// Lays one document over another: objects merge, everything else replaces.
pub fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                match base.get_mut(&name) {
                    Some(old) => merge(old, value),
                    None => {
                        base.insert(name, value);
                    }
                }
            }
        }
        (base, over) => *base = over,
    }
}

/// Keys that differ and that only a new start makes effective.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = |part: fn(&Config) -> String| part(old) != part(new);
    let mut keys = Vec::new();
    let mut note = |key, part| {
        if differs(part) {
            keys.push(key);
        }
    };
    note("serve", |config| format!("{:?}", config.serve));
    note("log", |config| {
        let level = LogLevel::Info;
        format!(
            "{:?}",
            Log {
                level,
                ..config.log.clone()
            }
        )
    });
    note("tracing", |config| format!("{:?}", config.tracing));
    note("http", |config| format!("{:?}", config.http));
    note("cache", |config| format!("{:?}", config.cache));
    keys
}
