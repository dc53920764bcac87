//! `regexp.json`, `regexp_adversarial.json` and `glob.json`.

use std::path::PathBuf;

use serde_json::Value;

use crate::matcher::engine::search;
use crate::matcher::pattern::parse_bare;
use crate::matcher::{Entry, Found, Key, Matcher, Pattern, Protocol, Strategy, naive::Naive};

fn cases(file: &str) -> Vec<Value> {
    let folder = std::env::var_os("DOORWARD_GOLDENS").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"));
    serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
}

/// Text as a matcher gets it: each byte that is not UTF-8 is one replacement character.
fn text(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(value["base64"].as_str()?)
        .unwrap();
    let mut text = String::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(valid) => valid,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap(),
        };
        text.push_str(valid);
        rest = &rest[valid.len()..];
        if let [_, more @ ..] = rest {
            text.push('\u{fffd}');
            rest = more;
        }
    }
    Some(text)
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| self::text(text).unwrap())
        .collect()
}

/// What a single pattern must answer for a subject: `None` where it must be refused.
fn expected_match(case: &Value) -> Option<bool> {
    if let Some(sane) = case.get("sane") {
        return Some(sane.as_bool().or_else(|| sane["match"].as_bool()).unwrap());
    }
    if case.get("error").is_some() {
        assert_eq!(case["stage"], "compile", "{case}");
        return None;
    }
    let output = &case["output"];
    // The end of a pattern is the true end: where the reference stopped before a final newline, there is no match.
    Some(
        output
            .as_bool()
            .unwrap_or_else(|| output["match"] == true && output["whole"] == true),
    )
}

/// The same answer from both matchers, where the subject can be a request.
fn check_matchers(strategy: Strategy, pattern: &str, subject: &str, expected: bool) {
    let Some((scheme, rest)) = subject.split_once("://") else {
        return;
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host != host.to_lowercase() {
        return;
    }
    let key = Key {
        protocol: Protocol::Http,
        method: "GET",
        scheme,
        host,
        path,
    };
    let methods = ["GET".to_owned()];
    let entries = [Entry {
        protocol: Protocol::Http,
        methods: &methods,
        url: pattern,
    }];
    let expected = if expected { Found::One(0) } else { Found::None };
    assert_eq!(
        Matcher::build(strategy, &entries).0.find(&key),
        expected,
        "compiled: {pattern} on {subject}"
    );
    assert_eq!(
        Naive::build(strategy, &entries).0.find(&key),
        expected,
        "naive: {pattern} on {subject}"
    );
}

fn check_rule(strategy: Strategy, case: &Value, failures: &mut Vec<String>) {
    let (Some(url), Some(subject)) = (
        case["input"]["pattern"].as_str(),
        text(&case["input"]["subject"]),
    ) else {
        return; // A pattern that is not UTF-8 can't be given to a matcher.
    };
    let expected = expected_match(case);
    let pattern = Pattern::new(strategy, url);
    let Some(expected) = expected else {
        if pattern.is_ok() {
            failures.push(format!("not refused: {case}"));
        }
        return;
    };
    let pattern = match pattern {
        Ok(pattern) => pattern,
        Err(error) => return failures.push(format!("{error}: {case}")),
    };
    if pattern.matches(&subject) != Ok(expected) {
        return failures.push(format!("match: {case}"));
    }
    check_matchers(strategy, url, &subject, expected);
    if let (true, None, Some(groups)) = (expected, case.get("sane"), case["output"].get("groups")) {
        let found = pattern.captures(&subject).unwrap();
        if found.as_ref() != Some(&strings(groups)) {
            failures.push(format!("groups {found:?}: {case}"));
        }
    }
}

fn check_bare(case: &Value, failures: &mut Vec<String>) {
    let (pattern, subject) = (
        case["input"]["pattern"].as_str().unwrap(),
        text(&case["input"]["subject"]).unwrap(),
    );
    let ast = match (parse_bare(pattern), case.get("error")) {
        (Ok(ast), None) => ast,
        (Err(_), Some(_)) => return,
        (Ok(_), Some(_)) => return failures.push(format!("not refused: {case}")),
        (Err(refusal), None) => return failures.push(format!("{refusal:?}: {case}")),
    };
    let found = search(&ast, &subject).unwrap();
    let output = &case["output"];
    let Some((start, groups)) = found else {
        if output["match"] != false {
            failures.push(format!("no match: {case}"));
        }
        return;
    };
    let captured: Vec<_> = groups
        .groups
        .iter()
        .map(|group| group.map_or("", |(start, end)| &subject[start..end]))
        .collect();
    let unset: Vec<_> = (0..groups.groups.len())
        .filter(|&group| groups.groups[group].is_none())
        .collect();
    let expected_unset: Vec<_> = output["unset"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|n| n.as_u64().unwrap() as usize)
        .collect();
    let fits = output["match"] == true
        && output["index"] == subject[..start].chars().count()
        && output["text"] == subject[start..groups.end]
        && output["groups"] == serde_json::json!(captured)
        && unset == expected_unset;
    if !fits {
        failures.push(format!("{start} {captured:?} {unset:?}: {case}"));
    }
}

fn none_of(failures: &[String]) {
    assert!(
        failures.is_empty(),
        "{} cases:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn regular_expressions_do_what_the_reference_recorded() {
    let mut failures = Vec::new();
    for case in cases("regexp.json") {
        match case["op"].as_str().unwrap() {
            "rule" => check_rule(Strategy::Regexp, &case, &mut failures),
            _ => check_bare(&case, &mut failures),
        }
    }
    none_of(&failures);
}

#[test]
fn globs_do_what_the_reference_recorded() {
    let mut failures = Vec::new();
    cases("glob.json")
        .iter()
        .for_each(|case| check_rule(Strategy::Glob, case, &mut failures));
    none_of(&failures);
}

#[test]
fn hostile_subjects_get_the_right_answer_or_a_denial() {
    let mut failures = Vec::new();
    for case in cases("regexp_adversarial.json") {
        let pattern = case["input"]["pattern"].as_str().unwrap();
        let parts = case["input"]["subject_parts"].as_array().unwrap();
        let subject: String = parts
            .iter()
            .map(|part| {
                part[0]
                    .as_str()
                    .unwrap()
                    .repeat(part[1].as_u64().unwrap() as usize)
            })
            .collect();
        let found = Pattern::new(Strategy::Regexp, pattern)
            .unwrap()
            .matches(&subject);
        let captured = Pattern::new(Strategy::Regexp, pattern)
            .unwrap()
            .captures(&subject);
        if case["true_match"] == true && !matches!(captured, Ok(Some(_))) {
            failures.push(format!("captures {captured:?}: {case}"));
        }
        let denied = case["class"] == "slow" && found.is_err();
        if !denied && found.ok() != case["true_match"].as_bool() {
            failures.push(format!("{found:?}: {case}"));
        }
    }
    none_of(&failures);
}
