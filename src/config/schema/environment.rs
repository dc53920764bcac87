//! Which environment variable sets which key.
//!
//! A variable's name in lower case, with a dot for each underscore, is a path; keys are spelt the same way to compare. Variables that
//! hit no key are ignored. A list may be set as a whole, as JSON or as one comma-separated record, or element by element
//! (`ACCESS_RULES_REPOSITORIES_0`). Unlike in the reference a value that doesn't fit is an error instead of zero or false, and a list
//! replaces the one below it instead of covering its first elements.

use super::{Kind, Schema};
use crate::config::{Place, Problem, Problems};
use serde_json::{Number, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One variable that sets a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub name: Arc<str>,
    /// The key, one name per level; list elements by index.
    pub path: Vec<String>,
    pub value: Value,
}

/// Reads the variables that belong to `schema`, whole sections before what is inside them.
pub fn read(
    schema: &Schema,
    env: impl IntoIterator<Item = (String, String)>,
) -> (Vec<Setting>, Problems) {
    let mut known = BTreeMap::new();
    collect(schema, &mut Vec::new(), &mut known);
    let mut settings = Vec::new();
    let mut problems = Problems::default();
    for (name, text) in env {
        let Some((path, schema)) = find(&known, &spell(&name)) else {
            continue;
        };
        let name: Arc<str> = Arc::from(name);
        match value(schema, &text) {
            Ok(value) => settings.push(Setting { name, path, value }),
            Err(message) => problems.push(Problem {
                place: Place::Environment(name),
                path: path.join("."),
                message,
                hint: None,
            }),
        }
    }
    settings.sort_by(|a, b| (a.path.len(), &a.path).cmp(&(b.path.len(), &b.path)));
    (settings, problems)
}

type Known<'s> = BTreeMap<String, (Vec<&'static str>, &'s Schema)>;

fn spell(name: &str) -> String {
    name.to_lowercase().replace('_', ".")
}

/// All keys by their spelling; of two with the same spelling the first in alphabetical order counts.
fn collect<'s>(schema: &'s Schema, path: &mut Vec<&'static str>, known: &mut Known<'s>) {
    if !path.is_empty() {
        let spelling = spell(&path.join("."));
        match known.get(&spelling) {
            Some((other, _)) if *other <= *path => {}
            Some(_) | None => {
                known.insert(spelling, (path.clone(), schema));
            }
        }
    }
    let mut enter = |name: &'static str, member: &'s Schema| {
        path.push(name);
        collect(member, path, known);
        path.pop();
    };
    match &schema.kind {
        Kind::Object(object) => {
            for (name, member) in &object.members {
                enter(name, member);
            }
        }
        Kind::Handler(handler) => {
            enter("enabled", super::switch());
            if let Some(config) = &handler.config {
                enter("config", config);
            }
        }
        Kind::Map(_)
        | Kind::List(_)
        | Kind::Text(_)
        | Kind::Integer(_)
        | Kind::Number(_)
        | Kind::Boolean => {}
    }
}

fn find<'s>(known: &Known<'s>, spelling: &str) -> Option<(Vec<String>, &'s Schema)> {
    let owned = |path: &[&str]| path.iter().map(|name| (*name).to_owned()).collect();
    if let Some((path, schema)) = known.get(spelling) {
        return Some((owned(path), schema));
    }
    let (list, index) = spelling.rsplit_once('.')?;
    let (path, schema) = known.get(list)?;
    let Kind::List(list) = &schema.kind else {
        return None;
    };
    let digits = !index.is_empty() && index.len() < 4 && index.bytes().all(|b| b.is_ascii_digit());
    let mut path: Vec<String> = owned(path);
    path.push(index.parse::<usize>().ok().filter(|_| digits)?.to_string());
    Some((path, &list.items))
}

/// What a variable's text means for a key. `Err` says what was expected.
fn value(schema: &Schema, text: &str) -> Result<Value, String> {
    match &schema.kind {
        Kind::Text(_) => Ok(Value::String(text.to_owned())),
        Kind::Integer(_) => integer(text)
            .map(|number| Value::Number(number.into()))
            .ok_or_else(|| "must be a whole number".to_owned()),
        Kind::Number(_) => text
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| "must be a number".to_owned()),
        Kind::Boolean => match text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => Err("must be true or false".to_owned()),
        },
        Kind::List(_) => list(schema, text),
        Kind::Object(_) | Kind::Map(_) | Kind::Handler(_) => match serde_json::from_str(text) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) | Err(_) => Err("must be a JSON object".to_owned()),
        },
    }
}

/// A whole number as Go's base 0 reads it: `0x10`, octal `010`, `1_000`.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.get(2..)?),
        [b'0', b'o', ..] => (8, lower.get(2..)?),
        [b'0', b'b', ..] => (2, lower.get(2..)?),
        [b'0', _, ..] => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    let digits = digits.replace('_', "");
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// JSON, or one record of comma-separated values.
fn list(schema: &Schema, text: &str) -> Result<Value, String> {
    if let Ok(value) = serde_json::from_str(text) {
        return match value {
            Value::Array(_) => Ok(value),
            _ => Err("must be a JSON array or comma-separated".to_owned()),
        };
    }
    let Kind::List(list) = &schema.kind else {
        return Err("must be a list".to_owned());
    };
    if matches!(
        list.items.kind,
        Kind::Object(_) | Kind::Map(_) | Kind::List(_)
    ) {
        return Err("must be a JSON array".to_owned());
    }
    let fields = record(text).ok_or("must be a JSON array or comma-separated")?;
    let items: Result<Vec<Value>, String> = fields
        .iter()
        .map(|field| value(&list.items, field))
        .collect();
    items.map(Value::Array)
}

/// The first record of a CSV text (RFC 4180), as Go reads it. Spaces count. `None` for an empty text or a quote out of place.
fn record(text: &str) -> Option<Vec<String>> {
    let text = text.trim_start_matches(['\r', '\n']);
    if text.is_empty() {
        return None;
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = field(rest)?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Some(fields),
        }
    }
}

/// One field and what follows it, which begins with a comma or an end of line.
fn field(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let (field, after) = text.split_at_checked(end)?;
        if field.contains('"') {
            return None;
        }
        return Some((field.trim_end_matches('\r').to_owned(), after));
    };
    let mut field = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None if after.is_empty() || after.starts_with([',', '\r', '\n']) => {
                return Some((field, after));
            }
            None => return None,
        }
    }
}
