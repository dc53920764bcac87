//! What a step expects, and where an observation differs from it.

use crate::json_text::{Members, json_text};
use crate::partial::Partial;
use crate::verdict::Difference;
use serde::Deserialize;
use serde_json::Value;

/// The parts of an observation that a recorded expectation holds.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    Status,
    Headers,
    Body,
    Upstream,
    Calls,
}

const ALL: [Aspect; 5] = [
    Aspect::Status,
    Aspect::Headers,
    Aspect::Body,
    Aspect::Upstream,
    Aspect::Calls,
];

impl Aspect {
    fn place(self) -> &'static str {
        match self {
            Aspect::Status => "response.status",
            Aspect::Headers => "response.headers",
            Aspect::Body => "response.body",
            Aspect::Upstream => "upstream",
            Aspect::Calls => "calls",
        }
    }

    fn of(self, observation: &Value) -> Value {
        let pointer = format!("/{}", self.place().replace('.', "/"));
        observation
            .pointer(&pointer)
            .cloned()
            .unwrap_or(Value::Null)
    }
}

/// An observation that was recorded, and how much of it counts.
#[derive(Deserialize)]
pub struct Recorded {
    pub expect: Value,
    compare: Option<Vec<Aspect>>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    ignore_headers: Vec<String>,
}

pub enum Expectation {
    Recorded(Recorded),
    Partial(Partial),
    /// The step is there for what it causes.
    Nothing,
}

impl Expectation {
    pub fn differences(&self, got: &Value) -> Vec<Difference> {
        match self {
            Expectation::Recorded(recorded) => recorded.differences(got),
            Expectation::Partial(partial) => partial.shortfalls(got, ""),
            Expectation::Nothing => Vec::new(),
        }
    }
}

impl Recorded {
    fn differences(&self, got: &Value) -> Vec<Difference> {
        let (mut expected, mut got) = (self.expect.clone(), got.clone());
        for path in &self.ignore {
            let parts: Vec<&str> = path.split('.').collect();
            cut(&mut expected, &parts);
            cut(&mut got, &parts);
        }
        let mut found = Vec::new();
        for aspect in self.compare.as_deref().unwrap_or(&ALL) {
            let (mut expected, mut got) = (aspect.of(&expected), aspect.of(&got));
            if *aspect == Aspect::Headers {
                self.leave_out_headers(&mut expected);
                self.leave_out_headers(&mut got);
            }
            tell_apart(&expected, &got, aspect.place(), &mut found);
        }
        found
    }

    fn leave_out_headers(&self, headers: &mut Value) {
        if let Value::Object(headers) = headers {
            headers.retain(|name, _| !self.ignore_headers.contains(name));
        }
    }
}

/// Puts the same mark at a dotted path in both; `*` is any name or number.
fn cut(value: &mut Value, path: &[&str]) {
    let [first, rest @ ..] = path else {
        *value = "<ignored>".into();
        return;
    };
    let fits = |name: &str| *first == "*" || *first == name;
    match value {
        Value::Array(items) => {
            for (nth, item) in items.iter_mut().enumerate() {
                if fits(&nth.to_string()) {
                    cut(item, rest);
                }
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if fits(name) {
                    cut(member, rest);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether two JSON values are equal: numbers by what they are worth, members in any order.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Finds the smallest places at which two values differ.
fn tell_apart(expected: &Value, got: &Value, place: &str, found: &mut Vec<Difference>) {
    if same(expected, got) {
        return;
    }
    match (expected, got) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, expected) in a {
                let place = format!("{place}.{name}");
                match b.get(name) {
                    Some(got) => tell_apart(expected, got, &place, found),
                    None => found.push(Difference::missing(&place, expected)),
                }
            }
            for (name, got) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                found.push(Difference::new(
                    &format!("{place}.{name}"),
                    "nothing".into(),
                    got,
                ));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (nth, (expected, got)) in a.iter().zip(b).enumerate() {
                tell_apart(expected, got, &format!("{place}.{nth}"), found);
            }
        }
        _ => found.push(Difference::new(
            place,
            json_text(expected, Members::AsGiven),
            got,
        )),
    }
}
