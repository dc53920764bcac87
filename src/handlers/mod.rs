//! The steps of pipelines. A handler is one file and one line in its table.

pub mod authn;
pub mod authz;
pub mod errors;
pub mod mutate;
mod support;

use crate::clients::Clients;
use crate::matcher;
use crate::template;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A handler that rules can name.
pub struct Kind<T: ?Sized + 'static> {
    /// As rules and configuration write it.
    pub id: &'static str,
    /// A configuration that builds, for tests and for the reference pages.
    pub example: &'static str,
    /// Makes the handler from its effective configuration: global and rule's merged, checked against the schema.
    pub build: Build<T>,
}

impl<T: ?Sized> fmt::Debug for Kind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.id)
    }
}

/// Makes a handler from its effective configuration.
pub type Build<T> = fn(&Value, &BuildContext<'_>) -> Result<Arc<T>, BuildError>;

/// What a handler may use while it is built. Long-lived things outlive the snapshot that asks for them.
#[derive(Debug)]
pub struct BuildContext<'a> {
    pub clients: &'a Arc<Clients>,
    pub strategy: matcher::Strategy,
    pub templates: &'a template::Policy,
}

/// Why a handler could not be built from its configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub String);

impl BuildError {
    pub fn new(message: impl Into<String>) -> BuildError {
        BuildError(message.into())
    }
}

/// Whether a handler asks another server about each request, so that its time is worth taking.
pub fn waits(id: &str) -> bool {
    matches!(
        id,
        "cookie_session"
            | "bearer_token"
            | "oauth2_client_credentials"
            | "oauth2_introspection"
            | "keto_engine_acp_ory"
            | "remote"
            | "remote_json"
            | "hydrator"
    )
}

/// Reads a handler's settings.
pub fn settings<T: DeserializeOwned>(raw: &Value) -> Result<T, BuildError> {
    T::deserialize(raw).map_err(|error| BuildError(error.to_string()))
}

/// The handler of that id.
pub fn find<T: ?Sized>(table: &'static [Kind<T>], id: &str) -> Option<&'static Kind<T>> {
    table.iter().find(|kind| kind.id == id)
}
