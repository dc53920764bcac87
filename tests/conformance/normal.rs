//! Observations in a form that is the same on every run: addresses by their placeholders, tokens by what they hold,
//! without headers that depend on the moment or on the connection.

use crate::http::{Headers, Response};
use crate::jwt::Tokens;
use crate::stub::Received;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

const VOLATILE: [&str; 20] = [
    "accept-encoding",
    "b3",
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "ory-error-id",
    "proxy-connection",
    "server",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "uber-trace-id",
    "user-agent",
    "via",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-request-id",
];

const NAMED: [&str; 7] = [
    "DIR", "UPSTREAM", "PROXY", "API", "METRICS", "AUTH", "CLOSED",
];

pub struct Normal<'a> {
    /// What to replace and by what, the longest first.
    names: Vec<(&'a str, String)>,
    tokens: &'a Tokens,
}

impl<'a> Normal<'a> {
    pub fn new(placeholders: &'a HashMap<String, String>, tokens: &'a Tokens) -> Normal<'a> {
        let known = |name: &&str| Some((placeholders.get(*name)?.as_str(), format!("${{{name}}}")));
        let mut names: Vec<_> = NAMED.iter().filter_map(known).collect();
        names.sort_by_key(|(real, _)| std::cmp::Reverse(real.len()));
        Normal { names, tokens }
    }

    pub fn request(&self, request: &Received) -> Value {
        json!({
            "method": request.method,
            "target": self.text(&request.target),
            "headers": self.headers(&request.headers),
            "body": self.body(&request.body),
        })
    }

    pub fn response(&self, response: &Response) -> Value {
        let mut shown = json!({
            "status": response.status,
            "headers": self.headers(&response.headers),
            "body": self.body(&response.body),
        });
        if let Some(note) = &response.note {
            shown["note"] = note.as_str().into();
        }
        if !response.more.is_empty() {
            shown["more"] = response.more.iter().map(|it| self.response(it)).collect();
        }
        shown
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (real, name) in &self.names {
            text = text.replace(real, name);
        }
        self.tokens.shown(&text)
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(&text).into(),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (self.text(&name), self.value(value)))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    fn headers(&self, headers: &Headers) -> Map<String, Value> {
        let mut lines = BTreeMap::<&str, Vec<String>>::new();
        for (name, value) in headers {
            if !VOLATILE.contains(&name.as_str()) {
                lines.entry(name).or_default().push(self.text(value));
            }
        }
        lines
            .into_iter()
            .map(|(name, values)| (name.to_owned(), values.into()))
            .collect()
    }

    /// Objects and lists are shown as JSON, everything else as text.
    fn body(&self, body: &str) -> Value {
        if body.trim_start().starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str(body)
        {
            return json!({ "json": self.value(value) });
        }
        json!({ "text": self.text(body) })
    }
}
