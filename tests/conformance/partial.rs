//! A partial expectation (`require`): only what it names counts.

use crate::compare::same;
use crate::json_text::{Members, json_text};
use crate::pattern::Pattern;
use crate::verdict::Difference;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub enum Partial {
    In(Vec<Value>),
    Not(Box<Partial>),
    Match(Pattern),
    NoMatch(Pattern),
    Absent,
    Present,
    Length(u64),
    Members(Vec<(String, Partial)>),
    Items(Vec<Partial>),
    Exactly(Value),
}

impl TryFrom<Value> for Partial {
    type Error = String;

    fn try_from(value: Value) -> Result<Partial, String> {
        Partial::parse(&value)
    }
}

impl Partial {
    pub fn parse(value: &Value) -> Result<Partial, String> {
        match value {
            Value::Object(members) => {
                if let Some((name, argument)) = members.iter().next()
                    && members.len() == 1
                    && name.starts_with('$')
                {
                    return Partial::operator(name, argument);
                }
                let one = |(name, value): (&String, &Value)| {
                    Partial::parse(value).map(|partial| (name.clone(), partial))
                };
                members
                    .iter()
                    .map(one)
                    .collect::<Result<_, _>>()
                    .map(Partial::Members)
            }
            Value::Array(items) => items
                .iter()
                .map(Partial::parse)
                .collect::<Result<_, _>>()
                .map(Partial::Items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Ok(Partial::Exactly(value.clone()))
            }
        }
    }

    fn operator(name: &str, argument: &Value) -> Result<Partial, String> {
        let wrong = || format!("`{name}` does not take `{argument}`");
        let pattern = || Pattern::new(argument.as_str().ok_or_else(wrong)?);
        match name {
            "$in" => Ok(Partial::In(argument.as_array().ok_or_else(wrong)?.clone())),
            "$not" => Ok(Partial::Not(Box::new(Partial::parse(argument)?))),
            "$match" => Ok(Partial::Match(pattern()?)),
            "$no_match" => Ok(Partial::NoMatch(pattern()?)),
            "$absent" => Ok(Partial::Absent),
            "$present" => Ok(Partial::Present),
            "$len" => Ok(Partial::Length(argument.as_u64().ok_or_else(wrong)?)),
            _ => Err(format!("no operator is called `{name}`")),
        }
    }

    /// Where `got` falls short. What is not there counts as `null`.
    pub fn shortfalls(&self, got: &Value, place: &str) -> Vec<Difference> {
        let unless = |holds: bool, expected: String| {
            if holds {
                Vec::new()
            } else {
                vec![Difference::new(place, expected, got)]
            }
        };
        match self {
            Partial::In(choices) => unless(
                choices.iter().any(|choice| same(choice, got)),
                format!(
                    "one of {}",
                    json_text(&choices.clone().into(), Members::AsGiven)
                ),
            ),
            Partial::Not(inner) => unless(
                !inner.shortfalls(got, place).is_empty(),
                "something else than `$not` tells".into(),
            ),
            Partial::Match(pattern) => unless(
                pattern.is_in(&searched(got)),
                format!("a match of `{pattern}`"),
            ),
            Partial::NoMatch(pattern) => unless(
                !pattern.is_in(&searched(got)),
                format!("no match of `{pattern}`"),
            ),
            Partial::Absent => unless(got.is_null(), "nothing".into()),
            Partial::Present => unless(!got.is_null(), "anything".into()),
            Partial::Length(length) => unless(
                length_of(got) == Some(*length),
                format!("{length} entries or members"),
            ),
            Partial::Members(members) if got.is_object() => members
                .iter()
                .flat_map(|(name, member)| {
                    let value = got.get(name).unwrap_or(&Value::Null);
                    member.shortfalls(value, &format!("{place}.{name}"))
                })
                .collect(),
            Partial::Members(members) => {
                let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
                unless(false, format!("an object with {}", names.join(", ")))
            }
            Partial::Items(items) => match got.as_array() {
                Some(values) if values.len() == items.len() => items
                    .iter()
                    .zip(values)
                    .enumerate()
                    .flat_map(|(nth, (item, value))| {
                        item.shortfalls(value, &format!("{place}.{nth}"))
                    })
                    .collect(),
                _ => unless(false, format!("a list of {}", items.len())),
            },
            Partial::Exactly(value) => unless(same(value, got), json_text(value, Members::AsGiven)),
        }
    }
}

/// The text that patterns are searched for in: a string itself, of anything else its JSON.
fn searched(got: &Value) -> String {
    match got {
        Value::String(text) => text.clone(),
        _ => json_text(got, Members::Sorted),
    }
}

fn length_of(got: &Value) -> Option<u64> {
    match got {
        Value::Array(items) => Some(items.len() as u64),
        Value::Object(members) => Some(members.len() as u64),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
