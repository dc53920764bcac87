//! JSON values as Go programs see them: every number a double, object members sorted by name.

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
