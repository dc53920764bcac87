//! The composition root: the one place that knows every module.

use crate::clients::Clients;
use crate::config::{self, Config, Location, Problems};
use crate::engine::Engine;
use crate::rules::{compile, document, raw};
use crate::service::{self, ListenError};
use crate::snapshot::{Live, Snapshot};
use std::path::PathBuf;
use std::sync::Arc;

/// Why Doorward could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Configuration(#[from] Problems),
    #[error("{0}")]
    Rules(String),
    #[error("{0}")]
    Listen(#[from] ListenError),
    #[error("{0}")]
    Demo(String),
}

/// Loads configuration and rules and serves until the process is told to stop.
pub fn serve(files: &[PathBuf]) -> Result<(), StartError> {
    serve_with(files, std::env::vars(), || {})
}

/// The same under another environment; `on_running` is called once when the listeners are up.
pub fn serve_with(
    files: &[PathBuf],
    env: impl IntoIterator<Item = (String, String)>,
    on_running: impl FnOnce() + Send + 'static,
) -> Result<(), StartError> {
    let config = config::load(files, env)?.config;
    let clients = Arc::new(Clients::default());
    let live = Arc::new(Live::new(Snapshot::empty()));
    let rules = read_rules(&config)?;
    let compiled = compile::compile(&config, &rules, &clients, 1);
    for problem in &compiled.problems {
        tracing::error!(rule = %problem.id, problem = problem.message, "a rule can't be used as it is");
    }
    live.publish(compiled.snapshot);
    service::serve(&config, Engine::new(live), on_running)?;
    Ok(())
}

fn read_rules(config: &Config) -> Result<Vec<Arc<raw::Rule>>, StartError> {
    let mut rules = Vec::new();
    for repository in &config.access_rules.repositories {
        if let Location::File(path) = &repository.location {
            match std::fs::read(path)
                .map_err(|error| error.to_string())
                .and_then(|text| {
                    document::read(&text, document::RULE_VERSION).map_err(|error| error.to_string())
                }) {
                Ok(found) => rules.extend(found.into_iter().map(Arc::new)),
                Err(error) => {
                    tracing::error!(source = %path.display(), error, "a rule file can't be read and counts as empty")
                }
            }
        }
    }
    Ok(rules)
}
