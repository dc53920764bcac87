//! To and from `serde_json`, which configuration and other libraries speak.

use super::{Map, Value};

impl From<&serde_json::Value> for Value {
    /// Numbers become doubles, as everywhere in Go's `any`.
    fn from(value: &serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(*b),
            serde_json::Value::Number(n) => Value::Number(n.as_f64().unwrap_or(0.0)),
            serde_json::Value::String(text) => Value::String(text.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Value::from).collect()),
            serde_json::Value::Object(members) => Value::Map(map_from_json(members)),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Value {
        match value {
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(items) => {
                Value::List(items.into_iter().map(Value::from).collect())
            }
            serde_json::Value::Object(members) => Value::Map(
                members
                    .into_iter()
                    .map(|(name, value)| (name, Value::from(value)))
                    .collect(),
            ),
            other @ (serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)) => Value::from(&other),
        }
    }
}

fn map_from_json(members: &serde_json::Map<String, serde_json::Value>) -> Map {
    members
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value)))
        .collect()
}

impl From<&Value> for serde_json::Value {
    /// A whole number below 2^53 becomes an integer, so that it is written without a fraction. NaN and infinities become null.
    fn from(value: &Value) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Number(n) => number_to_json(*n),
            Value::String(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(serde_json::Value::from).collect(),
            Value::Strings(items) => items.iter().map(String::as_str).collect(),
            Value::Map(map) => map
                .iter()
                .map(|(name, value)| (name.clone(), serde_json::Value::from(value)))
                .collect(),
        }
    }
}

fn number_to_json(n: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = n.trunc() == n && n.abs() < EXACT && !(n == 0.0 && n.is_sign_negative());
    if whole {
        // Exact: a whole number below 2^53.
        return (n as i64).into();
    }
    serde_json::Number::from_f64(n).map_or(serde_json::Value::Null, serde_json::Value::Number)
}
