//! A setup as a whole: its rules as entries of a matcher, and every handler that they use.

use crate::app::Inspected;
use crate::config::{Config, HandlerKind, MatchingStrategy};
use crate::matcher::overlap::{self, Report};
use crate::matcher::{Entry, Protocol, Strategy};
use crate::rules::raw::{HandlerUse, Match, Rule};
use serde_json::Value;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

/// The files of a configuration, as they are named in reports.
pub fn named(files: &[PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(", ")
}

pub fn strategy(config: &Config) -> Strategy {
    match config.access_rules.strategy {
        MatchingStrategy::Regexp => Strategy::Regexp,
        MatchingStrategy::Glob => Strategy::Glob,
    }
}

/// One entry a rule, in their order; `urls` are their patterns.
pub fn entries<'a>(rules: &'a [Arc<Rule>], urls: &'a [Cow<'a, str>]) -> Vec<Entry<'a>> {
    let entry = |(rule, url): (&'a Arc<Rule>, &'a Cow<'a, str>)| Entry {
        protocol: match &rule.matching {
            Some(Match::Rpc { .. }) => Protocol::Rpc,
            Some(Match::Http { .. }) | None => Protocol::Http,
        },
        methods: rule.methods(),
        url,
    };
    rules.iter().zip(urls).map(entry).collect()
}

/// What is wrong with the rules as a set.
pub fn lint(inspected: &Inspected) -> Report {
    let urls: Vec<Cow<'_, str>> = inspected.rules.iter().map(|rule| rule.pattern()).collect();
    overlap::lint(
        strategy(&inspected.config),
        &entries(&inspected.rules, &urls),
    )
}

/// The handlers of a rule in the order of its pipeline, those for errors last.
pub fn uses(rule: &Rule) -> Vec<(HandlerKind, &HandlerUse)> {
    let of = |kind| move |used| (kind, used);
    rule.authenticators()
        .iter()
        .map(of(HandlerKind::Authenticator))
        .chain([(HandlerKind::Authorizer, &*rule.authorizer)])
        .chain(rule.mutators().iter().map(of(HandlerKind::Mutator)))
        .chain(rule.errors().iter().map(of(HandlerKind::Error)))
        .filter(|(_, used)| !used.handler.is_empty())
        .collect()
}

/// The same with what each works with.
pub fn settings<'r>(
    config: &'r Config,
    rule: &'r Rule,
) -> impl Iterator<Item = (&'r HandlerUse, Value)> {
    let of = move |(kind, used)| (used, effective(config, kind, used));
    uses(rule).into_iter().map(of)
}

/// What a handler works with; `Null` where that can't be said, which `validate` reports.
pub fn effective(config: &Config, kind: HandlerKind, used: &HandlerUse) -> Value {
    let settings = config.handlers.effective(kind, &used.handler, &used.config);
    settings.unwrap_or_default()
}
