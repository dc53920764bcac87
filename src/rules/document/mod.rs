//! A document of rules: JSON or YAML, by its content.

use super::migrate::{self, VersionError};
use super::raw::{Rule, RuleSeed};
use super::shared::Shared;
use crate::config::document::{self, SyntaxError, yaml};
use crate::value;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The version whose rules Doorward reads: what `/rules` shows, and what rules without a version count as.
pub const RULE_VERSION: &str = "v26.2.0";

/// Why a whole document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("{}{message}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Syntax {
        line: Option<usize>,
        message: String,
    },
    #[error("{}: {message}", place(*.index, .id))]
    Rule {
        index: usize,
        id: String,
        message: String,
    },
    #[error("{0}")]
    NotAList(&'static str),
}

fn place(index: usize, id: &str) -> String {
    if id.is_empty() {
        format!("rule {index}")
    } else {
        format!("rule {index} (`{id}`)")
    }
}

/// Reads rules and brings old ones up to date. An empty document has none.
///
/// One mistake refuses the whole document, as in the reference: half a set of rules is not what anyone wrote.
pub fn read(text: &[u8], running: &str) -> Result<Vec<Rule>, DocumentError> {
    let mut rules = if text.iter().all(u8::is_ascii_whitespace) {
        Vec::new()
    } else {
        decode(text)?
    };
    let version: Arc<str> = running.split('+').next().unwrap_or(running).into();
    for (index, rule) in rules.iter_mut().enumerate() {
        migrate::migrate(rule, running, &version).map_err(|VersionError(message)| {
            DocumentError::Rule {
                index,
                id: rule.id.to_string(),
                message,
            }
        })?;
    }
    Ok(rules)
}

fn decode(text: &[u8]) -> Result<Vec<Rule>, DocumentError> {
    match std::str::from_utf8(text) {
        // The common case, without a detour over values.
        Ok(utf8) => match list(utf8) {
            Ok(rules) => return Ok(rules),
            Err(error) if error.is_data() && value::is_valid(text) => {
                // What only Go can read as text is read below.
                if let Ok(value) = serde_json::from_str(utf8) {
                    return Err(misfit(value, &error));
                }
            }
            Err(_) => {}
        },
        Err(_) if value::is_valid(text) => {}
        Err(_) => {
            return Err(DocumentError::Syntax {
                line: None,
                message: "the document is not UTF-8 text".to_owned(),
            });
        }
    }
    let value = if value::is_valid(text) {
        let text: Cow<'_, str> = String::from_utf8_lossy(text);
        document::json(&text).map_err(syntax)?
    } else {
        yaml::read(text, yaml::Dialect::Rules)
            .map_err(syntax)?
            .value
    };
    rules_of(value)
}

fn syntax(error: SyntaxError) -> DocumentError {
    DocumentError::Syntax {
        line: error.line,
        message: error.message,
    }
}

fn list(text: &str) -> serde_json::Result<Vec<Rule>> {
    let mut from = serde_json::Deserializer::from_str(text);
    let rules = from.deserialize_any(List(Shared::default()))?;
    from.end()?;
    Ok(rules)
}

/// Reads a list of rules that share what they have in common.
struct List(Shared);

impl<'de> Visitor<'de> for List {
    type Value = Vec<Rule>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rules")
    }

    fn visit_unit<E>(self) -> Result<Vec<Rule>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Vec<Rule>, A::Error> {
        let mut rules = Vec::new();
        while let Some(rule) = items.next_element_seed(RuleSeed(&mut self.0))? {
            rules.push(rule);
        }
        Ok(rules)
    }
}

/// Good JSON, but no list of rules.
fn misfit(value: Value, error: &serde_json::Error) -> DocumentError {
    match rules_of(value) {
        Err(better) => better,
        Ok(_) => DocumentError::Syntax {
            line: Some(error.line()),
            message: error.to_string(),
        },
    }
}

fn rules_of(value: Value) -> Result<Vec<Rule>, DocumentError> {
    let items = match value {
        Value::Array(items) => items,
        Value::Null => return Ok(Vec::new()),
        Value::Object(members) if members.contains_key("rules") => {
            return Err(DocumentError::NotAList(
                "rules are a list; leave out the member `rules` around it",
            ));
        }
        Value::Object(_) => {
            return Err(DocumentError::NotAList(
                "rules are a list, also where there is only one: put it into brackets or behind a dash",
            ));
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(DocumentError::NotAList("rules are a list of objects"));
        }
    };
    let mut shared = Shared::default();
    let rules = items.into_iter().enumerate().map(|(index, item)| {
        let id = item
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let hint = wrong_shape(&item);
        let read = RuleSeed(&mut shared).deserialize(item);
        read.map_err(|error| DocumentError::Rule {
            index,
            id,
            message: format!("{error}{hint}"),
        })
    });
    rules.collect()
}

/// What people get wrong most.
fn wrong_shape(rule: &Value) -> &'static str {
    let member = |name: &str| rule.get(name);
    match (
        member("authorizer"),
        member("authenticators"),
        member("mutators"),
    ) {
        (Some(Value::Array(_)), _, _) => " (`authorizer` is one object, not a list)",
        (_, Some(Value::Object(_)), _) => " (`authenticators` is a list, also of one)",
        (_, _, Some(Value::Object(_))) => " (`mutators` is a list, also of one)",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
