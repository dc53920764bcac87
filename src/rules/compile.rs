//! Rules, handler tables and configuration become a snapshot.

use super::{raw, upstream};
use crate::canonical::EncodedSlashes;
use crate::clients::Clients;
use crate::config::{self, Config, HandlerKind, Handlers, MatchingStrategy};
use crate::handlers::{self, BuildContext, Kind};
use crate::matcher::{Entry, Matcher, Protocol, Strategy as Matching};
use crate::pipeline::{
    Answers, Authenticator, Authn, Authorizer, Denial, DependencyStatus, ErrorHandler, Mutator,
    OnAmbiguity, Pipeline, Reason, RequestView, Session, Stage, Step, Strategy,
};
use crate::snapshot::{Rule, Snapshot};
use crate::telemetry::metrics::StepMeter;
use crate::template;
use crate::upstreams::Upstream;
use async_trait::async_trait;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// What is wrong with one rule. The rule is set aside, or answers 500 where the fault is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// Position among the rules that were compiled.
    pub index: usize,
    pub id: Arc<str>,
    /// In the words of the reference where it has some.
    pub message: String,
}

/// A snapshot, and what is wrong with it.
#[derive(Debug)]
pub struct Compiled {
    pub snapshot: Snapshot,
    pub problems: Vec<RuleProblem>,
}

/// Builds a snapshot. Never fails as a whole: a rule that can't be built answers 500 or is set aside, and is reported.
pub fn compile(
    config: &Config,
    rules: &[Arc<raw::Rule>],
    clients: &Arc<Clients>,
    generation: u64,
) -> Compiled {
    let templates = match config.templates.unsafe_functions {
        config::UnsafeFunctions::Absent => template::Policy::Safe,
        config::UnsafeFunctions::Allowed => template::Policy::WithUnsafeFunctions,
    };
    let strategy = match config.access_rules.strategy {
        MatchingStrategy::Regexp => Matching::Regexp,
        MatchingStrategy::Glob => Matching::Glob,
    };
    let mut workshop = Workshop::new(
        config,
        BuildContext {
            clients,
            strategy,
            templates: &templates,
        },
    );
    let compiled: Vec<Rule> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| workshop.rule(index, rule))
        .collect();
    let (matcher, bad_patterns) = matcher(strategy, rules);
    for error in bad_patterns {
        let index = error.entry as usize;
        let id = rules.get(index).map(|rule| rule.id.clone());
        workshop.report(
            index,
            &id.unwrap_or_default(),
            format!("match.url: {error}"),
        );
    }
    let answers = Answers {
        rule: Vec::new(),
        fallback: workshop.fallback.clone(),
        on_ambiguity: workshop.on_ambiguity,
        dependency_status: workshop.dependency_status,
    };
    let mut problems = workshop.problems;
    problems.sort_by_key(|problem| problem.index);
    Compiled {
        snapshot: Snapshot {
            generation,
            matcher,
            rules: compiled,
            answers,
            encoded_slashes: encoded_slashes(config.access_rules.encoded_slashes),
        },
        problems,
    }
}

/// One entry a rule, so that indices agree. A rule without a usable `match` gets one that nothing matches.
fn matcher(
    strategy: Matching,
    rules: &[Arc<raw::Rule>],
) -> (Matcher, Vec<crate::matcher::PatternError>) {
    let urls: Vec<Cow<'_, str>> = rules.iter().map(|rule| rule.pattern()).collect();
    let entries: Vec<Entry<'_>> = rules
        .iter()
        .zip(&urls)
        .map(|(rule, url)| match &rule.matching {
            Some(raw::Match::Http { .. }) if !url.is_empty() => Entry {
                protocol: Protocol::Http,
                methods: rule.methods(),
                url,
            },
            Some(raw::Match::Rpc { .. }) => Entry {
                protocol: Protocol::Rpc,
                methods: rule.methods(),
                url,
            },
            Some(raw::Match::Http { .. }) | None => Entry {
                protocol: Protocol::Http,
                methods: &[],
                url: "",
            },
        })
        .collect();
    Matcher::build(strategy, &entries)
}

/// Builds handlers, each distinct one once: rules with equal settings share them.
struct Workshop<'a> {
    config: &'a Config,
    context: BuildContext<'a>,
    authenticators: Shelf<dyn Authenticator>,
    authorizers: Shelf<dyn Authorizer>,
    mutators: Shelf<dyn Mutator>,
    errors: Shelf<dyn ErrorHandler>,
    made: Made,
    fallback: Arc<[Strategy]>,
    on_ambiguity: OnAmbiguity,
    dependency_status: DependencyStatus,
    problems: Vec<RuleProblem>,
}

fn encoded_slashes(written: config::EncodedSlashes) -> EncodedSlashes {
    match written {
        config::EncodedSlashes::Keep => EncodedSlashes::Keep,
        config::EncodedSlashes::Reject => EncodedSlashes::Reject,
    }
}

/// Parts of rules made so far, each with what was found wrong with it.
///
/// Rules share what their document says in the same words (see `shared`) and live while they are compiled, so an address stands for
/// what is there. Zero is the address of nothing.
#[derive(Default)]
struct Made {
    pipelines: HashMap<[usize; 3], Part<Arc<Pipeline>>>,
    answers: HashMap<usize, Part<Arc<Answers>>>,
    upstreams: HashMap<usize, Part<Option<Arc<Upstream>>>>,
}

type Part<T> = (T, Vec<String>);

/// Where something is that rules share.
fn address<T: ?Sized>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).cast::<()>().addr()
}

/// The part that was made before, or a new one; what is wrong with it is said of each rule that has it.
fn once<K: Eq + Hash, T: Clone>(
    made: &mut HashMap<K, Part<T>>,
    key: K,
    found: &mut Vec<String>,
    make: impl FnOnce(&mut Vec<String>) -> T,
) -> T {
    let (part, wrong) = made.entry(key).or_insert_with(|| {
        let mut wrong = Vec::new();
        (make(&mut wrong), wrong)
    });
    found.extend(wrong.iter().cloned());
    part.clone()
}

/// Handlers made so far, by id and by what the rule says of their configuration.
type Shelf<T> = HashMap<(String, String), Result<Arc<T>, Fault>>;

/// Why a handler can't do its work: what clients are told when it is reached, and what operators are told at load.
#[derive(Debug, Clone)]
struct Fault {
    denial: Arc<Denial>,
    message: String,
}

impl<'a> Workshop<'a> {
    fn new(config: &'a Config, context: BuildContext<'a>) -> Workshop<'a> {
        let on_ambiguity = match config.errors.on_ambiguity {
            config::OnAmbiguity::First => OnAmbiguity::First,
            config::OnAmbiguity::Error => OnAmbiguity::Error,
        };
        let dependency_status = match config.errors.dependency_status {
            config::DependencyStatus::Recorded => DependencyStatus::Recorded,
            config::DependencyStatus::Gateway => DependencyStatus::Gateway,
        };
        let mut workshop = Workshop {
            config,
            context,
            authenticators: HashMap::new(),
            authorizers: HashMap::new(),
            mutators: HashMap::new(),
            errors: HashMap::new(),
            made: Made::default(),
            fallback: Arc::from([]),
            on_ambiguity,
            dependency_status,
            problems: Vec::new(),
        };
        let fallback: Vec<Strategy> = config
            .errors
            .fallback
            .iter()
            .map(|id| workshop.fallback_handler(id))
            .collect();
        workshop.fallback = fallback.into();
        workshop
    }

    fn report(&mut self, index: usize, id: &Arc<str>, message: String) {
        self.problems.push(RuleProblem {
            index,
            id: id.clone(),
            message,
        });
    }

    /// Checks in the order of the reference, which reports the first problem only; here all are reported.
    fn rule(&mut self, index: usize, rule: &raw::Rule) -> Rule {
        let mut found = Vec::new();
        match &rule.matching {
            None => found.push("Value \"match\" is empty but must be set.".to_owned()),
            Some(_) if rule.pattern().is_empty() => {
                found.push("Value \"\" of \"match.url\" field must not be empty.".to_owned())
            }
            Some(_) => {}
        }
        let mut made = std::mem::take(&mut self.made);
        let upstream = once(
            &mut made.upstreams,
            address(&rule.upstream),
            &mut found,
            |found| self.upstream(&rule.upstream, found),
        );
        let of_pipeline = [
            rule.authenticators.as_ref().map_or(0, address),
            address(&rule.authorizer),
            rule.mutators.as_ref().map_or(0, address),
        ];
        let pipeline = once(&mut made.pipelines, of_pipeline, &mut found, |found| {
            Arc::new(self.pipeline(rule, found))
        });
        let of_answers = rule.errors.as_ref().map_or(0, address);
        let answers = once(&mut made.answers, of_answers, &mut found, |found| {
            Arc::new(self.answers(rule.errors(), found))
        });
        self.made = made;
        for message in found {
            self.report(index, &rule.id, message);
        }
        Rule {
            meter: self.context.clients.metrics.rule(&rule.id),
            id: rule.id.clone(),
            pipeline,
            answers,
            upstream,
            encoded_slashes: encoded_slashes(
                rule.encoded_slashes
                    .unwrap_or(self.config.access_rules.encoded_slashes),
            ),
        }
    }

    fn upstream(&self, raw: &raw::Upstream, found: &mut Vec<String>) -> Option<Arc<Upstream>> {
        let upstream = upstream::build(raw, &self.context.clients.upstreams, found);
        let upstream = upstream.unwrap_or_else(|message| {
            found.push(message);
            None
        });
        upstream.map(Arc::new)
    }

    fn pipeline(&mut self, rule: &raw::Rule, found: &mut Vec<String>) -> Pipeline {
        Pipeline {
            authenticators: self.authenticators(rule.authenticators(), found),
            authorizer: self.authorizer(&rule.authorizer, found),
            mutators: self.mutators(rule.mutators(), found),
        }
    }

    fn authenticators(
        &mut self,
        uses: &[raw::HandlerUse],
        found: &mut Vec<String>,
    ) -> Vec<Step<dyn Authenticator>> {
        if uses.is_empty() {
            found.push(
                "Value of \"authenticators\" must be set and can not be an empty array.".to_owned(),
            );
        }
        let make = |(index, used): (usize, &raw::HandlerUse)| {
            let place = format!("authenticators[{index}]");
            let made = make(
                handlers::authn::AUTHENTICATORS,
                HandlerKind::Authenticator,
                used,
                &place,
                self.config,
                &self.context,
                &mut self.authenticators,
            );
            let meter = meter(Stage::Authentication, used, &self.context);
            step(used, made, meter, found, |denial| Arc::new(Broken(denial)))
        };
        uses.iter().enumerate().map(make).collect()
    }

    fn authorizer(
        &mut self,
        used: &raw::HandlerUse,
        found: &mut Vec<String>,
    ) -> Option<Step<dyn Authorizer>> {
        if used.handler.is_empty() {
            found.push("Value of \"authorizer.handler\" can not be empty.".to_owned());
            return None;
        }
        let made = make(
            handlers::authz::AUTHORIZERS,
            HandlerKind::Authorizer,
            used,
            "authorizer.handler",
            self.config,
            &self.context,
            &mut self.authorizers,
        );
        let meter = meter(Stage::Authorization, used, &self.context);
        Some(step(used, made, meter, found, |denial| {
            Arc::new(Broken(denial))
        }))
    }

    fn mutators(
        &mut self,
        uses: &[raw::HandlerUse],
        found: &mut Vec<String>,
    ) -> Vec<Step<dyn Mutator>> {
        if uses.is_empty() {
            found.push(
                "Value of \"mutators\" must be set and can not be an empty array.".to_owned(),
            );
        }
        let make = |(index, used): (usize, &raw::HandlerUse)| {
            let place = format!("mutators[{index}]");
            let made = make(
                handlers::mutate::MUTATORS,
                HandlerKind::Mutator,
                used,
                &place,
                self.config,
                &self.context,
                &mut self.mutators,
            );
            let meter = meter(Stage::Mutation, used, &self.context);
            step(used, made, meter, found, |denial| Arc::new(Broken(denial)))
        };
        uses.iter().enumerate().map(make).collect()
    }

    fn answers(&mut self, uses: &[raw::HandlerUse], found: &mut Vec<String>) -> Answers {
        let mut rule = Vec::with_capacity(uses.len());
        for (index, used) in uses.iter().enumerate() {
            let place = format!("errors[{index}]");
            let made = make(
                handlers::errors::ERROR_HANDLERS,
                HandlerKind::Error,
                used,
                &place,
                self.config,
                &self.context,
                &mut self.errors,
            );
            rule.push(match made {
                Ok(handler) => Strategy::Works(handler),
                Err(fault) => {
                    found.push(fault.message);
                    Strategy::Broken(fault.denial)
                }
            });
        }
        Answers {
            rule,
            fallback: self.fallback.clone(),
            on_ambiguity: self.on_ambiguity,
            dependency_status: self.dependency_status,
        }
    }

    fn fallback_handler(&mut self, id: &str) -> Strategy {
        let used = raw::HandlerUse {
            handler: id.to_owned(),
            config: Value::Null,
        };
        let made = make(
            handlers::errors::ERROR_HANDLERS,
            HandlerKind::Error,
            &used,
            "errors.fallback",
            self.config,
            &self.context,
            &mut self.errors,
        );
        match made {
            Ok(handler) => Strategy::Works(handler),
            Err(fault) => {
                tracing::warn!(
                    handler = id,
                    reason = fault.message,
                    "an error handler of `errors.fallback` can't be used"
                );
                Strategy::Broken(fault.denial)
            }
        }
    }
}

/// The handler that a rule names, from the shelf or newly built.
fn make<T: ?Sized>(
    table: &'static [Kind<T>],
    kind: HandlerKind,
    used: &raw::HandlerUse,
    place: &str,
    config: &Config,
    context: &BuildContext<'_>,
    shelf: &mut Shelf<T>,
) -> Result<Arc<T>, Fault> {
    let Some(known) = handlers::find(table, &used.handler) else {
        let ids: Vec<&str> = table.iter().map(|kind| kind.id).collect();
        let message = format!(
            "Value \"{}\" of \"{place}\" is not in list of supported {}: {ids:?}",
            used.handler,
            plural(kind)
        );
        return Err(Fault {
            denial: Arc::new(Denial::new(Reason::UnknownHandler)),
            message,
        });
    };
    let key = (used.handler.clone(), used.config.to_string());
    if let Some(made) = shelf.get(&key) {
        return made.clone();
    }
    let made = build(known, kind, &used.config, &config.handlers, context);
    shelf.insert(key, made.clone());
    made
}

fn build<T: ?Sized>(
    known: &Kind<T>,
    kind: HandlerKind,
    rule: &Value,
    handlers: &Handlers,
    context: &BuildContext<'_>,
) -> Result<Arc<T>, Fault> {
    if !handlers.enabled(kind, known.id) {
        return Err(misconfigured(
            kind,
            format!(
                "{} \"{}\" is disabled per configuration.",
                singular(kind),
                known.id
            ),
        ));
    }
    let effective = handlers
        .effective(kind, known.id, rule)
        .map_err(|problems| {
            misconfigured(
                kind,
                format!(
                    "the configuration of {} \"{}\" is invalid: {problems}",
                    singular(kind).to_lowercase(),
                    known.id
                ),
            )
        })?;
    context.clients.credentials.learn(&effective);
    (known.build)(&effective, context).map_err(|error| {
        let denial = Denial::new(Reason::Failed).saying(error.to_string());
        Fault {
            denial: Arc::new(denial),
            message: format!("{} \"{}\": {error}", singular(kind), known.id),
        }
    })
}

fn misconfigured(kind: HandlerKind, reason: String) -> Fault {
    let denial = Denial::new(Reason::Misconfigured)
        .saying(match kind {
            HandlerKind::Authenticator => {
                "authenticator matching this route is misconfigured or disabled"
            }
            HandlerKind::Authorizer => {
                "authorizer matching this route is misconfigured or disabled"
            }
            HandlerKind::Mutator => "mutator matching this route is misconfigured or disabled",
            HandlerKind::Error => "error handler matching this route is misconfigured or disabled",
        })
        .because(reason.clone());
    Fault {
        denial: Arc::new(denial),
        message: reason,
    }
}

fn singular(kind: HandlerKind) -> &'static str {
    match kind {
        HandlerKind::Authenticator => "Authenticator",
        HandlerKind::Authorizer => "Authorizer",
        HandlerKind::Mutator => "Mutator",
        HandlerKind::Error => "Error handler",
    }
}

fn plural(kind: HandlerKind) -> &'static str {
    match kind {
        HandlerKind::Authenticator => "authenticators",
        HandlerKind::Authorizer => "authorizers",
        HandlerKind::Mutator => "mutators",
        HandlerKind::Error => "error handlers",
    }
}

/// A place in a pipeline; a handler that can't work is one that says so when it is reached.
fn step<T: ?Sized>(
    used: &raw::HandlerUse,
    made: Result<Arc<T>, Fault>,
    meter: Option<StepMeter>,
    found: &mut Vec<String>,
    broken: impl FnOnce(Arc<Denial>) -> Arc<T>,
) -> Step<T> {
    let handler = made.unwrap_or_else(|fault| {
        found.push(fault.message);
        broken(fault.denial)
    });
    Step {
        id: used.handler.as_str().into(),
        handler,
        meter,
    }
}

fn meter(stage: Stage, used: &raw::HandlerUse, context: &BuildContext<'_>) -> Option<StepMeter> {
    handlers::waits(&used.handler).then(|| {
        let id = used.handler.as_str().into();
        context.clients.metrics.step(stage.label(), &id)
    })
}

/// Stands in for a handler that could not be built.
#[derive(Debug)]
struct Broken(Arc<Denial>);

#[async_trait]
impl Authenticator for Broken {
    async fn authenticate(&self, _: &RequestView<'_>) -> Result<Authn, Denial> {
        Err((*self.0).clone())
    }
}

#[async_trait]
impl Authorizer for Broken {
    async fn authorize(&self, _: &RequestView<'_>, _: &mut Session<'_>) -> Result<(), Denial> {
        Err((*self.0).clone())
    }
}

#[async_trait]
impl Mutator for Broken {
    async fn mutate(&self, _: &RequestView<'_>, _: &mut Session<'_>) -> Result<(), Denial> {
        Err((*self.0).clone())
    }
}
