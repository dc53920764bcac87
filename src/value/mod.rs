//! Values as Go programs see them: JSON with every number a double and object members sorted by name, and durations.

mod convert;
mod decode;
mod duration;
mod encode;
mod float;
mod print;

pub use decode::{DecodeError, decode, decode_first, fold_eq, is_valid, members};
pub use duration::parse_duration;
pub use encode::{Escape, encode, encode_indented, encode_number, encode_string};
pub use float::{FloatForm, float_text, plain_float};
pub use print::print;

use std::collections::BTreeMap;

/// The members of an object, in the order in which Go prints and encodes them.
pub type Map = BTreeMap<String, Value>;

/// What Go's `any` holds after `encoding/json` has decoded into it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    List(Vec<Value>),
    /// A `[]string` of the reference (scopes, audiences): printed and encoded like a list, but of another type to templates.
    Strings(Vec<String>),
    Map(Map),
}

impl Value {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::List(_)
            | Value::Strings(_)
            | Value::Map(_) => None,
        }
    }

    /// A Go `[]string` read from JSON: an element that is null is the empty string. `None` where it is no list of strings.
    pub fn into_strings(self) -> Option<Vec<String>> {
        let Value::List(items) = self else {
            return None;
        };
        let text = |item| match item {
            Value::String(text) => Some(text),
            Value::Null => Some(String::new()),
            Value::Bool(_)
            | Value::Number(_)
            | Value::List(_)
            | Value::Strings(_)
            | Value::Map(_) => None,
        };
        items.into_iter().map(text).collect()
    }

    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::List(_)
            | Value::Strings(_) => None,
        }
    }
}

#[cfg(test)]
mod golden_tests;
