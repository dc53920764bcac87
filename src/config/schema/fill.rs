//! Puts defaults where nothing is written.

use super::{Handler, Kind, Schema};
use serde_json::{Map, Value};

/// Adds every default of `schema` that `value` lacks, also inside the `config` of disabled handlers, as the reference does.
///
/// Values that don't fit the schema are left alone, for the check to complain about.
pub fn fill(schema: &Schema, value: &mut Value) {
    match &schema.kind {
        Kind::Object(object) => {
            for (name, member) in &object.members {
                fill_member(name, member, value);
            }
        }
        Kind::Handler(handler) => fill_handler(handler, value),
        // Elements of lists and maps have no defaults, as in the reference.
        Kind::Map(_)
        | Kind::List(_)
        | Kind::Text(_)
        | Kind::Integer(_)
        | Kind::Number(_)
        | Kind::Boolean => {}
    }
}

fn fill_handler(handler: &Handler, value: &mut Value) {
    let Value::Object(members) = value else {
        return;
    };
    members
        .entry("enabled")
        .or_insert(Value::Bool(handler.enabled));
    if let Some(config) = &handler.config {
        fill_member("config", config, value);
    }
    if let (true, Value::Object(members)) = (handler.enabled, value) {
        members
            .entry("config")
            .or_insert_with(|| Value::Object(Map::new()));
    }
}

fn fill_member(name: &str, schema: &Schema, value: &mut Value) {
    let Value::Object(members) = value else {
        return;
    };
    match members.get_mut(name) {
        Some(written) => fill(schema, written),
        None => {
            if let Some(default) = whole_default(schema) {
                members.insert(name.to_owned(), default);
            }
        }
    }
}

/// The default of a key that isn't written at all: its own, or an object of its members' defaults.
fn whole_default(schema: &Schema) -> Option<Value> {
    let mut value = match (&schema.default, &schema.kind) {
        (Some(default), _) => default.clone(),
        (None, Kind::Object(_) | Kind::Handler(_)) => Value::Object(Map::new()),
        (None, _) => return None,
    };
    fill(schema, &mut value);
    match (&value, &schema.default) {
        (Value::Object(members), None) if members.is_empty() => None,
        _ => Some(value),
    }
}
