//! Compares a document with the schema and notes every mistake.

use super::guess::closest;
use super::{
    Checked, Choice, Duplicates, Handler, Kind, List, Null, Object, Range, Schema, Secrecy,
    Siblings, Text,
};
use crate::config::{Place, Problem, Problems};
use serde_json::{Map, Value};

/// What a check found.
#[derive(Debug, Default)]
pub struct Findings {
    pub problems: Problems,
    pub warnings: Problems,
}

/// Checks `value`; `at` is its dotted path, empty for a whole document, and `places` says where a path was written.
pub fn check(schema: &Schema, value: &Value, at: &str, places: &dyn Fn(&str) -> Place) -> Findings {
    let mut checker = Checker {
        places,
        path: at.to_owned(),
        findings: Findings::default(),
    };
    checker.value(schema, value);
    checker.findings
}

struct Checker<'a> {
    places: &'a dyn Fn(&str) -> Place,
    path: String,
    findings: Findings,
}

impl Checker<'_> {
    fn problem(&mut self, message: impl Into<String>, hint: Option<String>) {
        let problem = self.note(message.into(), hint);
        self.findings.problems.push(problem);
    }

    fn warning(&mut self, message: impl Into<String>, hint: Option<String>) {
        let problem = self.note(message.into(), hint);
        self.findings.warnings.push(problem);
    }

    fn note(&self, message: String, hint: Option<String>) -> Problem {
        Problem {
            place: (self.places)(&self.path),
            path: self.path.clone(),
            message,
            hint,
        }
    }

    /// Does something one level deeper.
    fn within(&mut self, name: &str, then: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        then(self);
        self.path.truncate(length);
    }

    fn value(&mut self, schema: &Schema, value: &Value) {
        if value.is_null() && schema.null == Null::Absent {
            return;
        }
        match (&schema.kind, value) {
            (Kind::Object(object), Value::Object(members)) => self.object(object, members),
            (Kind::Handler(handler), Value::Object(members)) => self.handler(handler, members),
            (Kind::Map(values), Value::Object(members)) => {
                for (name, member) in members {
                    self.within(name, |checker| checker.value(values, member));
                }
            }
            (Kind::List(list), Value::Array(items)) => self.list(list, items),
            (Kind::Text(rules), Value::String(text)) => self.text(schema, rules, text),
            (Kind::Integer(range), Value::Number(number)) => match whole(number) {
                Some(number) => self.integer(range, number),
                None => self.wrong_type(schema, value),
            },
            (Kind::Number(range), Value::Number(number)) => {
                self.number(range, number.as_f64().unwrap_or(f64::NAN));
            }
            (Kind::Boolean, Value::Bool(_)) => {}
            (
                Kind::Object(_)
                | Kind::Handler(_)
                | Kind::Map(_)
                | Kind::List(_)
                | Kind::Text(_)
                | Kind::Integer(_)
                | Kind::Number(_)
                | Kind::Boolean,
                _,
            ) => self.wrong_type(schema, value),
        }
    }

    fn wrong_type(&mut self, schema: &Schema, value: &Value) {
        let expected = match &schema.kind {
            Kind::Object(_) | Kind::Handler(_) | Kind::Map(_) => "an object",
            Kind::List(_) => "a list",
            Kind::Text(_) => "text",
            Kind::Integer(_) => "a whole number",
            Kind::Number(_) => "a number",
            Kind::Boolean => "true or false",
        };
        let found = match value {
            Value::Null => "nothing (null)".to_owned(),
            Value::Bool(_) | Value::Number(_) if schema.secrecy == Secrecy::Public => {
                format!("`{value}`")
            }
            Value::String(text) if schema.secrecy == Secrecy::Public && text.len() <= 60 => {
                format!("the text `{text}`")
            }
            Value::Bool(_) => "true or false".to_owned(),
            Value::Number(_) => "a number".to_owned(),
            Value::String(_) => "text".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        let hint = type_hint(&schema.kind, value);
        self.problem(format!("must be {expected}, is {found}"), hint);
    }

    fn object(&mut self, object: &Object, members: &Map<String, Value>) {
        for (name, member) in members {
            match object.members.iter().find(|(known, _)| known == name) {
                Some((_, schema)) => self.within(name, |checker| checker.value(schema, member)),
                None => self.within(name, |checker| checker.unknown(name, object)),
            }
        }
        for name in &object.required {
            self.required(name, members);
        }
        if let Some((switch, names)) = &object.required_if
            && members.get(*switch) == Some(&Value::Bool(true))
        {
            for name in names {
                self.required(name, members);
            }
        }
        let any = &object.required_any;
        if !any.is_empty() && !any.iter().any(|name| members.contains_key(*name)) {
            self.problem(format!("needs `{}`", any.join("` or `")), None);
        }
        if object.choice == Choice::ExactlyOne && members.len() != 1 {
            let names: Vec<&str> = object.members.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "must have exactly one of `{}`, has {}",
                names.join("`, `"),
                members.len()
            );
            self.problem(message, None);
        }
    }

    fn required(&mut self, name: &str, members: &Map<String, Value>) {
        if !members.contains_key(name) {
            self.within(name, |checker| checker.problem("is required", None));
        }
    }

    fn unknown(&mut self, name: &str, object: &Object) {
        let names = object.members.iter().map(|(known, _)| *known);
        let hint = old_name(name)
            .map(str::to_owned)
            .or_else(|| closest(name, names).map(did_you_mean));
        self.problem("unknown key", hint);
    }

    fn handler(&mut self, handler: &Handler, members: &Map<String, Value>) {
        let enabled = members.get("enabled");
        if let Some(value) = enabled.filter(|value| !value.is_boolean()) {
            self.within("enabled", |checker| {
                checker.wrong_type(super::switch(), value);
            });
        }
        for name in members.keys() {
            if name != "enabled" && name != "config" {
                self.within(name, |checker| checker.sibling(name, handler));
            }
        }
        let looked_at = handler.checked == Checked::Always || enabled == Some(&Value::Bool(true));
        match (&handler.config, members.get("config")) {
            (Some(schema), Some(config)) if looked_at => {
                self.within("config", |checker| checker.value(schema, config));
            }
            (Some(_), None)
                if enabled == Some(&Value::Bool(true)) && handler.siblings == Siblings::Ignored =>
            {
                self.within("config", |checker| {
                    checker.problem("is required where the handler is enabled", None)
                });
            }
            (None, Some(_)) => {
                self.within("config", |checker| {
                    checker.problem("this handler takes no settings", None)
                });
            }
            (Some(_), _) | (None, None) => {}
        }
    }

    fn sibling(&mut self, name: &str, handler: &Handler) {
        let inside = handler
            .config
            .as_ref()
            .and_then(|config| match &config.kind {
                Kind::Object(object) => {
                    closest(name, object.members.iter().map(|(known, _)| *known))
                }
                _ => None,
            });
        let hint = match (inside, closest(name, ["enabled", "config"])) {
            (Some(inside), _) => Some(format!("did you mean `config.{inside}`?")),
            (None, other) => other.map(did_you_mean),
        };
        match handler.siblings {
            Siblings::Refused => self.problem("unknown key", hint),
            Siblings::Ignored => {
                self.warning("has no effect here: settings belong under `config`", hint)
            }
        }
    }

    fn list(&mut self, list: &List, items: &[Value]) {
        for (index, item) in items.iter().enumerate() {
            let earlier = items.get(..index).unwrap_or_default();
            self.within(&index.to_string(), |checker| {
                checker.value(&list.items, item);
                if list.duplicates == Duplicates::Refused && earlier.contains(item) {
                    checker.problem("is in the list twice", None);
                }
            });
        }
    }

    fn text(&mut self, schema: &Schema, rules: &Text, text: &str) {
        if !rules.choices.is_empty() && !rules.choices.contains(&text) {
            let hint = closest(text, rules.choices.iter().copied()).map(did_you_mean);
            let message = format!("`{text}` is not one of `{}`", rules.choices.join("`, `"));
            return self.problem(message, hint);
        }
        if let Some(Err(expectation)) = rules.format.map(|format| format.check(text)) {
            let shown = match schema.secrecy {
                Secrecy::Public if text.len() <= 200 && !expectation.contains(text) => {
                    format!(", is `{text}`")
                }
                Secrecy::Public | Secrecy::Secret => String::new(),
            };
            self.problem(format!("{expectation}{shown}"), None);
        }
        if text.contains("${") {
            self.warning(
                "`${…}` is not replaced by anything",
                Some("set the key from the environment instead".to_owned()),
            );
        }
    }

    fn integer(&mut self, range: &Range<i64>, number: i64) {
        match range {
            Range {
                only: Some([a, b]), ..
            } if number != *a && number != *b => {
                self.problem(format!("must be {a} or {b}, is {number}"), None);
            }
            Range { min: Some(min), .. } if number < *min => {
                self.problem(format!("must be at least {min}, is {number}"), None);
            }
            Range { max: Some(max), .. } if number > *max => {
                self.problem(format!("must be at most {max}, is {number}"), None);
            }
            Range { .. } => {}
        }
    }

    fn number(&mut self, range: &Range<f64>, number: f64) {
        let above = range.min.is_none_or(|min| number >= min);
        let below = range.max.is_none_or(|max| number <= max);
        if !above || !below {
            let (min, max) = (range.min.unwrap_or(f64::MIN), range.max.unwrap_or(f64::MAX));
            self.problem(
                format!("must be between {min} and {max}, is {number}"),
                None,
            );
        }
    }
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Whole numbers may be written `1.0` or `1e3`, as JSON schema has it.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let value = number.as_f64()?;
        (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
    })
}

fn type_hint(expected: &Kind, found: &Value) -> Option<String> {
    match (expected, found) {
        (Kind::Boolean, Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" | "y" => Some("write `true`, without quotes".to_owned()),
            "no" | "off" | "false" | "n" => Some("write `false`, without quotes".to_owned()),
            _ => None,
        },
        (Kind::Integer(_) | Kind::Number(_), Value::String(text))
            if text.parse::<f64>().is_ok() =>
        {
            Some(format!("write {text} without quotes"))
        }
        (Kind::List(_), Value::String(text)) => {
            Some(format!("write [\"{text}\"]")).filter(|_| text.len() <= 60)
        }
        (Kind::Object(_) | Kind::Handler(_), Value::Array(_)) => {
            Some("one object, without the dash".to_owned())
        }
        _ => None,
    }
}

/// Keys of releases that are long gone.
fn old_name(name: &str) -> Option<&'static str> {
    match name {
        "delay_in_milliseconds" | "delayInMilliseconds" => {
            Some("now `max_delay`, a duration such as `100ms`")
        }
        "number_of_retries" | "numberOfRetries" => {
            Some("now `give_up_after`, a duration such as `1s`")
        }
        _ => None,
    }
}
