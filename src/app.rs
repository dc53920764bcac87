//! The composition root: the one place that knows every module.

use crate::clients::jwks::{Patience, SigningRing};
use crate::clients::{self, Clients};
use crate::config::{self, Config, HandlerKind, Place, Problem, Problems, Repository};
use crate::engine::Engine;
use crate::reload::{self, Followed, Hangups};
use crate::rules::compile;
use crate::rules::raw::Rule;
use crate::rules::status::Board;
use crate::rules::watch::{Looks, look};
use crate::service::{self, ListenError, Listeners, Shown};
use crate::snapshot::Snapshot;
use crate::telemetry::spans::{self, Tracer};
use crate::telemetry::{Logs, Metrics, Telemetry};
use arc_swap::ArcSwap;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Why Doorward could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Configuration(#[from] Problems),
    #[error("{0}")]
    Rules(#[from] reload::StartError),
    #[error("outgoing calls can't be set up: {0}")]
    Clients(#[from] clients::SetupError),
    #[error("{0}")]
    Traces(#[from] spans::SetupError),
    #[error("{0}")]
    Listen(#[from] ListenError),
    #[error("{0}")]
    Demo(String),
}

/// Loads configuration and rules and serves until the process is told to stop.
pub fn serve(files: &[PathBuf], listeners: Listeners) -> Result<(), StartError> {
    serve_with(files, environment(), listeners, || {})
}

/// The environment, as far as it is text.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The same under another environment; `on_running` is called once when the listeners are up.
pub fn serve_with(
    files: &[PathBuf],
    env: impl IntoIterator<Item = (String, String)>,
    listeners: Listeners,
    on_running: impl FnOnce() + Send + 'static,
) -> Result<(), StartError> {
    let env: Vec<(String, String)> = env.into_iter().collect();
    let seen = look(files.iter().map(PathBuf::as_path));
    let loaded = config::load(files, env.iter().cloned())?;
    let telemetry = telemetry(&loaded.config)?;
    reload::warn(&loaded.warnings);
    let origin = Origin { files, seen, env };
    let outcome = serve_rules(origin, loaded.config, &telemetry, listeners, on_running);
    telemetry.end();
    outcome
}

/// Where the configuration came from, for the next time.
struct Origin<'a> {
    files: &'a [PathBuf],
    seen: Looks,
    env: Vec<(String, String)>,
}

fn serve_rules(
    origin: Origin<'_>,
    config: Config,
    telemetry: &Telemetry,
    listeners: Listeners,
    on_running: impl FnOnce() + Send + 'static,
) -> Result<(), StartError> {
    let settings = clients::Settings::of(&config.http, &config.cache);
    let clients = Arc::new(Clients::new(settings, None)?.observed(
        telemetry.metrics.clone(),
        telemetry.logs.redaction().credentials().clone(),
    ));
    let current = Arc::new(ArcSwap::from_pointee(config.clone()));
    let measured = Arc::downgrade(&clients);
    telemetry.metrics.before_each_page(move |metrics| {
        if let Some(clients) = measured.upgrade() {
            clients.measure(metrics);
        }
    });
    let logs = telemetry.logs.clone();
    let newest = current.clone();
    let Followed {
        live,
        board,
        held: _while_serving,
    } = reload::start(reload::Setup {
        files: origin.files.to_vec(),
        seen: origin.seen,
        env: origin.env,
        config: config.clone(),
        clients: clients.clone(),
        hangups: Hangups::Reload,
        on_configuration: Box::new(move |config| {
            logs.set_level(config.log.level);
            newest.store(Arc::new(config.clone()));
        }),
    })?;
    let shown = Shown {
        board: board.clone(),
        rings: rings(current, board, clients),
        expose_rules: config.serve.api.expose_rules,
    };
    let engine = Engine::new(live);
    service::serve(&config, engine, shown, telemetry, listeners, on_running)?;
    Ok(())
}

/// Metrics, traces, and the log, which begins here.
fn telemetry(config: &Config) -> Result<Telemetry, StartError> {
    let listener = &config.serve.metrics;
    let metrics = Arc::new(Metrics::new(&listener.prefix, listener.request_paths));
    let dropped = metrics.log_lines_dropped.with([]);
    let logs = Arc::new(Logs::new(&config.log, std::io::stderr(), dropped));
    logs.install();
    Ok(Telemetry {
        metrics,
        logs,
        tracer: Tracer::start(&config.tracing)?,
    })
}

/// Finds the key sets that sign: the configuration's, also while the mutator is disabled, and those of valid rules.
fn rings(
    config: Arc<ArcSwap<Config>>,
    board: Arc<Board>,
    clients: Arc<Clients>,
) -> service::SigningRings {
    Arc::new(move || {
        let config = config.load_full();
        let report = board.read();
        let global = config.handlers.global(HandlerKind::Mutator, "id_token");
        let uses = report.rules.iter().flat_map(|rule| rule.mutators());
        let of_rules = uses
            .filter(|used| used.handler == "id_token")
            .map(|used| &used.config);
        let urls: BTreeSet<String> = std::iter::once(&global)
            .chain(of_rules)
            .filter_map(|config| config.get("jwks_url").and_then(Value::as_str))
            .map(str::to_owned)
            .collect();
        let ring = |url: String| -> Option<SigningRing> {
            clients
                .key_sets
                .signing(&url, Patience::default())
                .inspect_err(|error| tracing::warn!(url, %error, "a key set can't be published"))
                .ok()
        };
        urls.into_iter().filter_map(ring).collect()
    })
}

/// A configuration and its rules, looked at without serving.
#[derive(Debug)]
pub struct Inspected {
    pub config: Config,
    pub rules: Vec<Arc<Rule>>,
    /// How many of them each repository has, in its order.
    rules_by_source: Vec<usize>,
    /// Of sources and rules; the configuration itself is good.
    pub problems: Problems,
    pub warnings: Problems,
    /// What would be served.
    pub snapshot: Snapshot,
}

impl Inspected {
    /// Every repository with its rules, in order.
    pub fn by_source(&self) -> impl Iterator<Item = (&Repository, &[Arc<Rule>])> {
        let mut rest = self.rules.as_slice();
        let sources = self.config.access_rules.repositories.iter();
        sources
            .zip(&self.rules_by_source)
            .map(move |(source, &count)| {
                let (own, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                rest = others;
                (source, own)
            })
    }

    /// What is wrong with sources, whose rules are missing.
    pub fn unread_sources(&self) -> impl Iterator<Item = &Problem> {
        let problems = self.problems.iter();
        problems.filter(|problem| problem.path.starts_with("access_rules."))
    }

    /// What is wrong with a rule.
    pub fn problems_of(&self, rule: &Rule) -> impl Iterator<Item = &Problem> {
        let index = self
            .rules
            .iter()
            .position(|known| std::ptr::eq(&**known, rule));
        let path = rule_path(index.unwrap_or_default(), &rule.id);
        let problems = self.problems.iter();
        problems.filter(move |problem| problem.path == path)
    }

    /// The rule that a problem is about.
    pub fn rule_of(&self, problem: &Problem) -> Option<&Arc<Rule>> {
        let mut rules = self.rules.iter().enumerate();
        let about = rules.find(|(index, rule)| rule_path(*index, &rule.id) == problem.path);
        about.map(|(_, rule)| rule)
    }
}

fn rule_path(index: usize, id: &str) -> String {
    format!("rule {index} (`{id}`)")
}

/// Reads configuration and rules and builds everything, with every problem noted. `Err` where the configuration itself is wrong.
pub fn inspect(files: &[PathBuf]) -> Result<Inspected, Problems> {
    inspect_with(files, environment(), |settings| {
        Clients::new(settings, None)
    })
}

/// The same under another environment, and with clients of the caller's making.
pub fn inspect_with(
    files: &[PathBuf],
    env: impl IntoIterator<Item = (String, String)>,
    clients: impl FnOnce(clients::Settings) -> Result<Clients, clients::SetupError>,
) -> Result<Inspected, Problems> {
    let config::Loaded { config, warnings } = config::load(files, env)?;
    let outcome =
        reload::read_once(&config).map_err(|error| problem(String::new(), error.to_string()))?;
    let (mut rules, mut problems) = (Vec::new(), Problems::default());
    let mut rules_by_source = Vec::new();
    for (index, read) in outcome.into_iter().enumerate() {
        match read {
            Ok(read) => {
                rules_by_source.push(read.len());
                rules.extend(read);
            }
            Err(message) => {
                rules_by_source.push(0);
                let path = format!("access_rules.repositories.{index}");
                problems.push(problem(path, message));
            }
        }
    }
    let settings = clients::Settings::of(&config.http, &config.cache);
    let clients = clients(settings).map_err(|error| problem(String::new(), error.to_string()))?;
    let compiled = compile::compile(&config, &rules, &Arc::new(clients), 1);
    for found in compiled.problems {
        problems.push(problem(rule_path(found.index, &found.id), found.message));
    }
    let mut inspected = Inspected {
        config,
        rules,
        rules_by_source,
        problems,
        warnings,
        snapshot: compiled.snapshot,
    };
    inspected.warn_of_unknown_keys();
    Ok(inspected)
}

impl Inspected {
    fn warn_of_unknown_keys(&mut self) {
        for (index, rule) in self.rules.iter().enumerate() {
            for key in &rule.unknown {
                let path = rule_path(index, &rule.id);
                self.warnings
                    .push(problem(path, format!("unknown key {key}")));
            }
        }
    }
}

fn problem(path: String, message: String) -> Problem {
    Problem {
        place: Place::Unknown,
        path,
        message,
        hint: None,
    }
}
