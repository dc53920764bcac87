//! `rules` and `health`: questions to a running Doorward.

use super::{UNUSABLE, complain, print};
use crate::clients::http::{Answer, Call, Http};
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use std::process::ExitCode;
use url::Url;

/// What stays as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// `limit` rules from page `page` on, counted from 1.
pub(super) fn list(endpoint: &str, limit: i64, page: i64) -> ExitCode {
    let offset = limit.saturating_mul(page).saturating_sub(limit);
    let path = format!("/rules?limit={limit}&offset={offset}");
    let answer = ask(endpoint, &path).and_then(|answer| ok(&answer));
    match answer {
        Ok(Value::Array(rules)) => {
            let rules: Vec<Value> = rules.into_iter().map(shown).collect();
            show(&Value::Array(rules));
            ExitCode::SUCCESS
        }
        Ok(_) => fail("the answer is no list of rules"),
        Err(message) => fail(&message),
    }
}

pub(super) fn get(endpoint: &str, id: &str) -> ExitCode {
    let path = format!("/rules/{}", utf8_percent_encode(id, SEGMENT));
    match ask(endpoint, &path).and_then(|answer| ok(&answer)) {
        Ok(rule) => {
            show(&shown(rule));
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprint_bare(&message);
            ExitCode::from(UNUSABLE)
        }
    }
}

pub(super) fn health(endpoint: &str, path: &str) -> ExitCode {
    match ask(endpoint, path).and_then(|answer| ok(&answer)) {
        Ok(status) => {
            show(&status);
            if status.get("status").and_then(Value::as_str) == Some("ok") {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    complain(message);
    ExitCode::FAILURE
}

/// Without a newline, as in the reference.
fn eprint_bare(message: &str) {
    use std::io::Write as _;
    let _ = std::io::stderr().write_all(message.as_bytes());
}

/// The endpoint may have a path of its own, with or without a slash at its end.
fn ask(endpoint: &str, path: &str) -> Result<Answer, String> {
    if endpoint.is_empty() {
        return Err("say where to ask: --endpoint http://127.0.0.1:4456/".to_owned());
    }
    let base = Url::parse(endpoint)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| format!("`{endpoint}` is not a URL such as http://127.0.0.1:4456/"))?;
    let base = base.as_str().trim_end_matches('/');
    let url = Url::parse(&format!("{base}{path}")).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let http = Http::new(
        crate::clients::http::Settings {
            max_response_bytes: 64 << 20,
            ..Default::default()
        },
        None,
    )
    .map_err(|error| error.to_string())?;
    runtime
        .block_on(http.send(Call::new(Method::GET, url)))
        .map_err(|error| error.to_string())
}

fn ok(answer: &Answer) -> Result<Value, String> {
    if answer.status != StatusCode::OK {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let why = body.pointer("/error/message").and_then(Value::as_str);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        return Err(format!("the server answered {}{why}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|error| format!("the answer is not JSON: {error}"))
}

/// As the reference's client shows a rule: sorted, without what is empty, without `version` and `errors`.
fn shown(rule: Value) -> Value {
    let Value::Object(mut rule) = rule else {
        return rule;
    };
    rule.remove("version");
    rule.remove("errors");
    if let Some(matching) = rule.get_mut("match")
        && matching.get("full_method").is_some()
    {
        *matching = serde_json::json!({ "methods": null });
    }
    let mut out = Map::new();
    for (name, value) in rule {
        let value = match name.as_str() {
            "upstream" | "authorizer" => filled(value),
            "authenticators" | "mutators" => match value {
                Value::Array(uses) => Value::Array(uses.into_iter().map(filled).collect()),
                other => other,
            },
            _ => value,
        };
        if !is_empty(&value) || matches!(name.as_str(), "upstream" | "match") {
            out.insert(name, value);
        }
    }
    out.sort_keys();
    Value::Object(out)
}

/// An object without its empty members.
fn filled(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Map<String, Value> = members
                .into_iter()
                .filter(|(_, value)| !is_empty(value))
                .collect();
            members.sort_keys();
            Value::Object(members)
        }
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Indented with tabs, as Go encodes it.
fn show(value: &Value) {
    use serde::Serialize as _;
    let mut text = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut to = serde_json::Serializer::with_formatter(&mut text, tabs);
    if value.serialize(&mut to).is_ok() {
        let text = String::from_utf8_lossy(&text)
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        print(&format!("{text}\n"));
    }
}
