//! Fills the placeholders and values of a suite.

use crate::jwt::Tokens;
use regex::{Captures, Regex};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{([A-Z_]+)\}").unwrap());

/// What `${NAME}` stands for in one play of a suite, and the tokens for `{"$jwt": …}`.
pub struct Values<'a> {
    pub names: HashMap<String, String>,
    pub tokens: &'a Tokens,
}

impl Values<'_> {
    pub fn fill(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::String(text) => Ok(self.text(text).into()),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => match members.iter().next() {
                Some((name, argument)) if members.len() == 1 && name.starts_with('$') => {
                    self.made(name, argument, members)
                }
                _ => self.members(members).map(Value::Object),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
        }
    }

    pub fn members(&self, members: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        members
            .iter()
            .map(|(name, value)| Ok((self.text(name), self.fill(value)?)))
            .collect()
    }

    /// Fills and reads as a type.
    pub fn parse<T: DeserializeOwned>(&self, value: &Value) -> Result<T, String> {
        serde_json::from_value(self.fill(value)?).map_err(|error| error.to_string())
    }

    /// Names that stand for nothing stay as they are.
    fn text(&self, text: &str) -> String {
        PLACEHOLDER
            .replace_all(text, |found: &Captures<'_>| {
                self.names
                    .get(&found[1])
                    .map_or(&found[0], String::as_str)
                    .to_owned()
            })
            .into_owned()
    }

    fn made(
        &self,
        name: &str,
        argument: &Value,
        members: &Map<String, Value>,
    ) -> Result<Value, String> {
        match name {
            "$jwt" => Ok(self.tokens.make(self.fill(argument)?)?.into()),
            "$bearer" => Ok(format!("Bearer {}", self.tokens.make(self.fill(argument)?)?).into()),
            "$cat" => Ok(self.parse::<Vec<String>>(argument)?.concat().into()),
            "$repeat" => {
                let Repeat(text, times) = self.parse(argument)?;
                Ok(text.repeat(times).into())
            }
            "$jwks" => self.tokens.keys.set(&self.parse::<Vec<String>>(argument)?),
            _ => self.members(members).map(Value::Object),
        }
    }
}

#[derive(Deserialize)]
struct Repeat(String, usize);
