//! Sources change → compile → publish, or keep what is good and say so.
//!
//! One thread follows the configuration's files and every rule source. Each source contributes the last set that could be read; every
//! publish is one atomic store of everything, so a request never sees half a change, and ends with the rules it began with.

mod follow;
mod slots;

use crate::clients::Clients;
use crate::clients::http::Http;
use crate::config::{self, Config, OnInvalidRule, OnStartFailure, Problems, Strictness};
use crate::rules::compile::{self, Compiled};
use crate::rules::raw::Rule;
use crate::rules::source::{Fetched, Tools};
use crate::rules::status::{Board, Report};
use crate::rules::watch::Looks;
use crate::snapshot::{Live, Snapshot};
use follow::{News, Outcome};
use slots::Slots;
use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How long the first publish, or one with new sources, waits for remote sources that don't answer.
const FIRST_ANSWERS: Duration = Duration::from_secs(3);
/// News that come this close together are published at once.
const TOGETHER: Duration = Duration::from_millis(20);
/// How often it is looked whether old snapshots are still in use.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often the reference tries a remote source before it gives up at start.
const START_TRIES: u32 = 5;

/// What the reloading needs to begin.
pub struct Setup {
    pub files: Vec<PathBuf>,
    /// What the files looked like before they were read, so that no change since then is missed.
    pub seen: Looks,
    pub env: Vec<(String, String)>,
    pub config: Config,
    pub clients: Arc<Clients>,
    pub hangups: Hangups,
    /// Told of each configuration that takes effect after the first.
    pub on_configuration: Box<dyn Fn(&Config) + Send>,
}

/// Whether SIGHUP, which by itself ends a process, reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangups {
    Reload,
    /// It is somebody else's process.
    LeftAlone,
}

/// What is followed, for as long as `held` is.
#[derive(Debug)]
pub struct Followed {
    pub live: Arc<Live>,
    pub board: Arc<Board>,
    pub held: Held,
}

/// Dropping it ends the following.
#[derive(Debug)]
pub struct Held {
    _until: oneshot::Sender<Infallible>,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Why serving can't begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error("{id}: {error}")]
    Source { id: Arc<str>, error: String },
    #[error("outgoing calls can't be set up: {0}")]
    Calls(String),
    #[error("the thread that follows the rules can't be started: {0}")]
    Thread(String),
}

/// Reads all sources, publishes them, and goes on following them on a thread of its own.
///
/// Returns after the first publish. A remote source that doesn't answer holds that up for three seconds at most, unless
/// `access_rules.on_start_failure` says that serving must not begin without it. Not for tasks: they use [`follow`].
pub fn start(setup: Setup) -> Result<Followed, StartError> {
    let (followed, outcome) = begin(setup)?;
    outcome.blocking_recv().unwrap_or_else(|_| Err(ended()))?;
    Ok(followed)
}

/// [`start`] for a task.
pub async fn follow(setup: Setup) -> Result<Followed, StartError> {
    let (followed, outcome) = begin(setup)?;
    outcome.await.unwrap_or_else(|_| Err(ended()))?;
    Ok(followed)
}

type Started = oneshot::Receiver<Result<(), StartError>>;

fn begin(setup: Setup) -> Result<(Followed, Started), StartError> {
    let http = calls(&setup.config)?;
    let (started, outcome) = oneshot::channel();
    let (held, dropped) = oneshot::channel();
    let followed = Followed {
        live: Arc::new(Live::new(Snapshot::empty())),
        board: Arc::default(),
        held: Held { _until: held },
    };
    let (live, board) = (followed.live.clone(), followed.board.clone());
    let run = move || match runtime() {
        Ok(runtime) => {
            let reloader = Reloader::new(setup, live, board, http);
            runtime.block_on(async {
                tokio::select! {
                    () = reloader.run(started) => {}
                    _ = dropped => {}
                }
            });
        }
        Err(error) => {
            // Whoever waits for it is gone only if nobody wants to know.
            let _ = started.send(Err(error));
        }
    };
    std::thread::Builder::new()
        .name("reload".to_owned())
        .spawn(run)
        .map_err(|error| StartError::Thread(error.to_string()))?;
    Ok((followed, outcome))
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::Thread(error.to_string()))
}

fn ended() -> StartError {
    StartError::Thread("it ended at once".to_owned())
}

/// The rules of one source, or its name and why it can't be read.
pub type ReadOnce = Result<Vec<Arc<Rule>>, String>;

/// Reads every source once, in order, without following it: for looking at a configuration.
pub fn read_once(config: &Config) -> Result<Vec<ReadOnce>, StartError> {
    let tools = Tools {
        http: calls(config)?,
        refresh: config.access_rules.refresh,
    };
    let runtime = runtime()?;
    Ok(runtime.block_on(async {
        let mut outcome = Vec::new();
        for repository in &config.access_rules.repositories {
            let source = crate::rules::source::open(repository, &tools);
            outcome.push(match source.fetch(None).await {
                Ok(Fetched::Rules { rules, .. }) => Ok(rules),
                Ok(Fetched::Unchanged) => Ok(Vec::new()),
                Err(error) => Err(format!("{}: {error}", source.id())),
            });
        }
        outcome
    }))
}

/// A client for rule documents, which may be larger than what handlers get to see.
fn calls(config: &Config) -> Result<Arc<Http>, StartError> {
    let settings = crate::clients::http::Settings {
        max_response_bytes: crate::rules::source::MAX_BYTES,
        ca: config.http.ca.clone(),
        client_certificate: config.http.client_certificate.clone(),
        ..Default::default()
    };
    Http::new(settings, None)
        .map(Arc::new)
        .map_err(|error| StartError::Calls(error.to_string()))
}

struct Reloader {
    setup: Setup,
    live: Arc<Live>,
    board: Arc<Board>,
    http: Arc<Http>,
    slots: Slots,
    news: mpsc::UnboundedReceiver<News>,
    sender: mpsc::UnboundedSender<News>,
    generation: u64,
    refused: Option<Arc<str>>,
    /// Snapshots that requests may still hold; dropped here, so that no request pays for it.
    old: Vec<Arc<Snapshot>>,
    last: (Vec<Arc<Rule>>, Vec<compile::RuleProblem>),
}

impl Reloader {
    fn new(setup: Setup, live: Arc<Live>, board: Arc<Board>, http: Arc<Http>) -> Reloader {
        let (sender, news) = mpsc::unbounded_channel();
        Reloader {
            slots: Slots::default(),
            news,
            sender,
            generation: 0,
            refused: None,
            old: Vec::new(),
            last: Default::default(),
            http,
            live,
            board,
            setup,
        }
    }

    fn tools(&self) -> Tools {
        Tools {
            http: self.http.clone(),
            refresh: self.setup.config.access_rules.refresh,
        }
    }

    async fn run(mut self, started: oneshot::Sender<Result<(), StartError>>) {
        let tools = self.tools();
        let waiting = self.slots.arrange(&self.setup.config, &tools, &self.sender);
        let begun = self.first(waiting).await;
        let good = begun.is_ok();
        if started.send(begun).is_err() || !good {
            return;
        }
        follow::configuration(
            self.setup.files.clone(),
            self.setup.seen,
            self.sender.clone(),
        );
        if self.setup.hangups == Hangups::Reload {
            follow::hangups(self.sender.clone());
        }
        while let Some(news) = self.next().await {
            self.hear(news).await;
        }
    }

    /// Waits for news, and gives old snapshots up as soon as no request holds them: they are as large as the current one.
    async fn next(&mut self) -> Option<News> {
        loop {
            self.old.retain(|snapshot| Arc::strong_count(snapshot) > 1);
            if self.old.is_empty() {
                return self.news.recv().await;
            }
            let news = tokio::time::timeout(LOOK_AGAIN, self.news.recv()).await;
            if let Ok(news) = news {
                return news;
            }
        }
    }

    /// Waits for the first answer of every source, as far as that is worth it, and publishes.
    async fn first(&mut self, mut waiting: HashSet<u64>) -> Result<(), StartError> {
        let patient = self.setup.config.access_rules.on_start_failure == OnStartFailure::Exit;
        let deadline = Instant::now() + FIRST_ANSWERS;
        while !waiting.is_empty() {
            // Local files and inline rules are waited for, however large: they can't hang.
            let news = if patient || !self.slots.are_remote(&waiting) {
                self.news.recv().await
            } else {
                match tokio::time::timeout_at(deadline, self.news.recv()).await {
                    Ok(news) => news,
                    Err(_) => break,
                }
            };
            let Some(News::Source { key, outcome }) = news else {
                continue;
            };
            self.fatal(key, &outcome)?;
            let again = patient && self.slots.is_waiting(key, &outcome);
            self.note(key, outcome);
            if !again {
                waiting.remove(&key);
            }
        }
        self.publish().await;
        Ok(())
    }

    /// What must not be served without.
    fn fatal(&self, key: u64, outcome: &Outcome) -> Result<(), StartError> {
        let Outcome::Failed { error, failures } = outcome else {
            return Ok(());
        };
        let exit = self.setup.config.access_rules.on_start_failure == OnStartFailure::Exit;
        match self.slots.fate(key) {
            Some((id, fate)) if fate.ends_at_start(exit, *failures, START_TRIES) => {
                Err(StartError::Source {
                    id,
                    error: error.to_string(),
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Takes news in, together with what comes right after, and publishes.
    async fn hear(&mut self, first: News) {
        let mut waiting = HashSet::new();
        let mut changed = self.take(first, &mut waiting);
        let together = Instant::now() + TOGETHER;
        let patience = Instant::now() + FIRST_ANSWERS;
        loop {
            let until = if waiting.is_empty() {
                together
            } else {
                patience
            };
            match tokio::time::timeout_at(until, self.news.recv()).await {
                Ok(Some(news)) => changed |= self.take(news, &mut waiting),
                Ok(None) | Err(_) => break,
            }
        }
        if changed {
            self.publish().await;
        } else {
            self.post();
        }
    }

    /// Whether there is something new to publish.
    fn take(&mut self, news: News, waiting: &mut HashSet<u64>) -> bool {
        match news {
            News::Source { key, outcome } => {
                waiting.remove(&key);
                self.note(key, outcome)
            }
            News::Configuration => self.reconfigure(waiting),
            News::Hangup => {
                tracing::info!("told to reload");
                self.slots.poke();
                self.reconfigure(waiting)
            }
        }
    }

    fn reconfigure(&mut self, waiting: &mut HashSet<u64>) -> bool {
        match config::load(&self.setup.files, self.setup.env.iter().cloned()) {
            Ok(loaded) => {
                warn(&loaded.warnings);
                for key in config::needs_restart(&self.setup.config, &loaded.config) {
                    tracing::warn!(key, "takes effect with the next start only");
                }
                self.setup.config = loaded.config;
                self.refused = None;
                (self.setup.on_configuration)(&self.setup.config);
                let tools = self.tools();
                waiting.extend(self.slots.arrange(&self.setup.config, &tools, &self.sender));
                tracing::info!("the configuration was read again");
                true
            }
            Err(problems) => {
                for problem in problems.iter() {
                    tracing::error!(%problem, "the configuration is refused, the last good one stays");
                }
                self.refused = Some(Arc::from(problems.to_string()));
                false
            }
        }
    }

    /// Writes a source's answer down. Whether its rules changed.
    fn note(&mut self, key: u64, outcome: Outcome) -> bool {
        let strict = self.setup.config.access_rules.unknown_keys == Strictness::Reject;
        let source = self.slots.fate(key).map(|(id, _)| id);
        let failed = matches!(outcome, Outcome::Failed { .. });
        let changed = self.slots.note(key, outcome, strict);
        if let Some(source) = source {
            let metrics = &self.setup.clients.metrics;
            if failed {
                metrics.source_errors.with([&source]).increment();
            } else {
                metrics.source_age.with([&source]).reset();
            }
            let generation = metrics.source_generation.with([&source]);
            generation.add(i64::from(changed));
        }
        changed
    }

    /// Publishes, or keeps the last good set, and counts which.
    async fn publish(&mut self) {
        let before = self.generation;
        self.try_to_publish().await;
        let outcome = match self.generation == before {
            true => "kept",
            false => "published",
        };
        self.setup
            .clients
            .metrics
            .reloads
            .with([outcome])
            .increment();
    }

    /// Shows the state of rules and sources in the metrics.
    fn measure(&self) {
        let metrics = &self.setup.clients.metrics;
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        metrics
            .generation
            .with([])
            .set(count(self.generation as usize));
        let (valid, problems) = &self.last;
        let invalid: HashSet<usize> = problems.iter().map(|problem| problem.index).collect();
        metrics.rule_count.with(["valid"]).set(count(valid.len()));
        metrics
            .rule_count
            .with(["invalid"])
            .set(count(invalid.len()));
    }

    async fn try_to_publish(&mut self) {
        let began = Instant::now();
        let rules = self.slots.rules();
        if !self.ids_are_acceptable(&rules) {
            return self.post();
        }
        let (config, clients) = (self.setup.config.clone(), self.setup.clients.clone());
        let generation = self.generation + 1;
        let all = rules.clone();
        let compiled = tokio::task::spawn_blocking(move || {
            compile::compile(&config, &all, &clients, generation)
        });
        let Compiled { snapshot, problems } = match compiled.await {
            Ok(compiled) => compiled,
            Err(error) => {
                tracing::error!(%error, "the rules can't be compiled, the last good ones stay");
                return self.post();
            }
        };
        for problem in &problems {
            tracing::error!(rule = %problem.id, reason = problem.message, "a rule can't be used as it is");
        }
        let reject = self.setup.config.access_rules.on_invalid_rule == OnInvalidRule::Reject;
        if reject && !problems.is_empty() {
            tracing::error!("there are invalid rules, the last good ones stay");
            self.last.1 = problems;
            return self.post();
        }
        self.generation = generation;
        self.old.push(self.live.load());
        self.live.publish(snapshot);
        let broken: HashSet<usize> = problems.iter().map(|problem| problem.index).collect();
        // A rule that was valid when it was read stays listed until it is read again, as in the reference, whatever the configuration
        // has made of it meanwhile.
        let listed: HashSet<*const Rule> = self.last.0.iter().map(Arc::as_ptr).collect();
        let valid: Vec<Arc<Rule>> = rules
            .iter()
            .enumerate()
            .filter(|(index, rule)| !broken.contains(index) || listed.contains(&Arc::as_ptr(rule)))
            .map(|(_, rule)| rule.clone())
            .collect();
        tracing::info!(
            generation,
            rules = rules.len(),
            invalid = broken.len(),
            took_ms = began.elapsed().as_millis() as u64,
            "rules published"
        );
        self.last = (valid, problems);
        self.post();
    }

    fn ids_are_acceptable(&self, rules: &[Arc<Rule>]) -> bool {
        let mut seen = HashSet::new();
        let twice: Vec<&str> = rules
            .iter()
            .map(|rule| &*rule.id)
            .filter(|id| !id.is_empty() && !seen.insert(*id))
            .collect();
        if twice.is_empty() {
            return true;
        }
        let ids = twice
            .iter()
            .take(10)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        match self.setup.config.access_rules.duplicate_ids {
            Strictness::Warn => {
                tracing::warn!(count = twice.len(), ids, "rules share ids");
                true
            }
            Strictness::Reject => {
                tracing::error!(ids, "rules share ids, the last good ones stay");
                false
            }
        }
    }

    fn post(&self) {
        self.measure();
        self.board.post(Report {
            generation: self.generation,
            rules: self.last.0.clone(),
            problems: self.last.1.clone(),
            sources: self.slots.reports(),
            configuration: self.refused.clone(),
        });
    }
}

/// Says what works but is probably not meant.
pub fn warn(warnings: &Problems) {
    for warning in warnings.iter() {
        tracing::warn!(%warning, "configuration");
    }
}

#[cfg(test)]
mod tests;
