//! A document of rules: JSON or YAML, by its content.

use super::migrate::{self, VersionError};
use super::raw::Rule;
use crate::config::document::{self, SyntaxError, yaml};
use crate::value;
use serde_json::Value;
use std::borrow::Cow;

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
    for (index, rule) in rules.iter_mut().enumerate() {
        migrate::migrate(rule, running).map_err(|VersionError(message)| DocumentError::Rule {
            index,
            id: rule.id.clone(),
            message,
        })?;
    }
    Ok(rules)
}

fn decode(text: &[u8]) -> Result<Vec<Rule>, DocumentError> {
    match std::str::from_utf8(text) {
        // The common case, without a detour over values.
        Ok(utf8) => match serde_json::from_str::<Option<Vec<Rule>>>(utf8) {
            Ok(rules) => return Ok(rules.unwrap_or_default()),
            Err(error) if error.is_data() && value::is_valid(text) => {
                return Err(misfit(utf8, &error));
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

/// Good JSON, but no list of rules.
fn misfit(text: &str, error: &serde_json::Error) -> DocumentError {
    match serde_json::from_str(text).map(rules_of) {
        Ok(Err(better)) => better,
        Ok(Ok(_)) | Err(_) => DocumentError::Syntax {
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
    let rules = items.into_iter().enumerate().map(|(index, item)| {
        let id = item
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let hint = wrong_shape(&item);
        serde_json::from_value(item).map_err(|error| DocumentError::Rule {
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
