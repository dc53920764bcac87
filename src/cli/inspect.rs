//! `validate`, `explain` and `lint`: looking at a configuration and its rules without serving.

use super::{Format, UNUSABLE, complain, print};
use crate::adopt::setup;
use crate::app::{self, Inspected};
use crate::canonical::{Described, Scheme, for_description};
use crate::config::{Problem, Problems};
use crate::engine;
use crate::matcher::Outcome;
use crate::reading::Policy;
use crate::rules::raw::Rule;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Names every problem of the configuration and of all rules.
pub(super) fn validate(files: &[PathBuf], format: Format) -> ExitCode {
    let (problems, warnings) = match app::inspect(files) {
        Ok(inspected) => (inspected.problems, inspected.warnings),
        Err(problems) => (problems, Problems::default()),
    };
    match format {
        Format::Text => {
            for problem in problems.iter() {
                complain(&format!("error: {problem}"));
            }
            for warning in warnings.iter() {
                complain(&format!("warning: {warning}"));
            }
            print(&format!(
                "{} problems, {} warnings\n",
                problems.0.len(),
                warnings.0.len()
            ));
        }
        Format::Json => {
            let list = |problems: &Problems| problems.iter().map(described).collect::<Vec<Value>>();
            let report = json!({
                "valid": problems.is_empty(),
                "problems": list(&problems),
                "warnings": list(&warnings),
            });
            print(&format!("{report:#}\n"));
        }
    }
    if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn described(problem: &Problem) -> Value {
    json!({
        "place": problem.place.to_string(),
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    })
}

/// Configuration and rules, or the exit code that says why not.
fn inspected(files: &[PathBuf]) -> Result<Inspected, ExitCode> {
    app::inspect(files).map_err(|problems| {
        complain(&problems.to_string());
        ExitCode::from(UNUSABLE)
    })
}

/// Says which rule a request matches, and the nearest misses.
pub(super) fn explain(files: &[PathBuf], method: &str, url: &str) -> ExitCode {
    let inspected = match inspected(files) {
        Ok(inspected) => inspected,
        Err(code) => return code,
    };
    let Some(described) = describe(method, url) else {
        complain(&format!(
            "`{url}` is not a URL with http or https and a host"
        ));
        return ExitCode::from(UNUSABLE);
    };
    let reading = Policy::of_proxy(&inspected.config);
    let request = match for_description(&described, &reading.paths) {
        Ok(request) => request,
        Err(rejection) => {
            print(&format!("refused with 400 before any rule: {rejection}\n"));
            return ExitCode::FAILURE;
        }
    };
    let (rules, snapshot) = (&inspected.rules, &inspected.snapshot);
    let key = engine::key(&request);
    print(&format!("{} {}\n", key.method, key.subject()));
    let candidates = snapshot.matcher.candidates(&key);
    let matched: Vec<usize> = candidates
        .iter()
        .filter(|candidate| candidate.outcome == Outcome::Matched)
        .map(|candidate| candidate.entry as usize)
        .collect();
    let only = match *matched {
        [only] => Some(only),
        _ => None,
    };
    if engine::refuses_slash(snapshot, &request, only) {
        print("refused with 400: the path has an encoded slash\n");
        return ExitCode::FAILURE;
    }
    let matched: Vec<&Arc<Rule>> = matched
        .iter()
        .filter_map(|index| rules.get(*index))
        .collect();
    match matched.as_slice() {
        [] => print("no rule matches: answered 404\n"),
        [rule] => print(&steps(rule, &inspected)),
        [_, _, ..] => {
            let ids: Vec<&str> = matched.iter().map(|rule| &*rule.id).collect();
            print(&format!(
                "several rules match: answered 500: {}\n",
                ids.join(", ")
            ));
        }
    }
    for candidate in candidates
        .iter()
        .filter(|candidate| candidate.outcome != Outcome::Matched)
        .take(5)
    {
        if let Some(rule) = rules.get(candidate.entry as usize) {
            print(&format!(
                "  not `{}` ({}): {}\n",
                rule.id,
                rule.pattern(),
                why(candidate.outcome)
            ));
        }
    }
    if matched.len() == 1 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn describe<'a>(method: &'a str, url: &'a str) -> Option<Described<'a>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at_checked(end)?;
    let target = if target.is_empty() { "/" } else { target };
    Some(Described {
        method,
        scheme,
        host: host.as_bytes(),
        target: target.as_bytes(),
    })
}

fn steps(rule: &Rule, inspected: &Inspected) -> String {
    let handlers = |uses: &[crate::rules::raw::HandlerUse]| {
        let ids: Vec<&str> = uses.iter().map(|used| used.handler.as_str()).collect();
        ids.join(", ")
    };
    let mut text = format!(
        "rule `{}` ({})\n  authenticators  {}\n  authorizer      {}\n  mutators        {}\n  upstream        {}\n",
        rule.id,
        rule.pattern(),
        handlers(rule.authenticators()),
        rule.authorizer.handler,
        handlers(rule.mutators()),
        crate::config::without_password(&rule.upstream.url),
    );
    for problem in inspected.problems_of(rule) {
        text += &format!("  problem: {}\n", problem.message);
    }
    text
}

fn why(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Matched => "it matches",
        Outcome::Overrun => "its pattern takes too many steps: the request is refused",
        Outcome::Method => "another method",
        Outcome::Protocol => "only for calls by RPC",
        Outcome::Path => "another path",
        Outcome::Host => "another host",
        Outcome::Scheme => "another scheme",
        Outcome::BadPattern => "its pattern can't be used",
    }
}

/// Looks at the rules as a set.
pub(super) fn lint(files: &[PathBuf]) -> ExitCode {
    let inspected = match inspected(files) {
        Ok(inspected) => inspected,
        Err(code) => return code,
    };
    let rules = &inspected.rules;
    let report = setup::lint(&inspected);
    let name = |entry: u32| {
        let rule = rules.get(entry as usize);
        rule.map_or_else(String::new, |rule| {
            format!("`{}` ({})", rule.id, rule.pattern())
        })
    };
    for found in &report.overlaps {
        print(&format!(
            "{} and {} both match {} {}: answered 500\n",
            name(found.first),
            name(found.second),
            found.method,
            found.url
        ));
    }
    for dead in &report.dead {
        print(&format!(
            "{} never matches: {:?}\n",
            name(dead.entry),
            dead.why
        ));
    }
    for slow in &report.slow {
        print(&format!("{} is slow to match\n", name(*slow)));
    }
    if !report.complete {
        print("not everything could be compared\n");
    }
    if report.overlaps.is_empty() && report.dead.is_empty() && report.slow.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
