//! The schema for others: a JSON schema (draft-07) for editors, a page for readers.

use super::{
    Choice, Duplicates, Handler, Kind, Null, Object, Range, Schema, Secrecy, Siblings, switch,
};
use serde_json::{Map, Value, json};
use std::fmt::{Display, Write as _};

/// The JSON schema of a configuration file.
pub fn json_schema() -> Value {
    let mut schema = of(super::root());
    if let Value::Object(members) = &mut schema {
        members.insert(
            "$schema".to_owned(),
            "http://json-schema.org/draft-07/schema#".into(),
        );
        members.insert("title".to_owned(), "Doorward".into());
    }
    schema
}

fn of(schema: &Schema) -> Value {
    let mut out = shape(schema);
    if let Value::Object(members) = &mut out {
        if !schema.about.is_empty() {
            members.insert("description".to_owned(), schema.about.into());
        }
        if let Some(default) = &schema.default {
            members.insert("default".to_owned(), default.clone());
        }
    }
    match schema.null {
        Null::Refused => out,
        Null::Absent => json!({ "anyOf": [{ "type": "null" }, out] }),
    }
}

fn shape(schema: &Schema) -> Value {
    match &schema.kind {
        Kind::Object(object) => {
            let members = object.members.iter();
            let properties: Map<String, Value> = members
                .map(|(name, schema)| ((*name).to_owned(), of(schema)))
                .collect();
            let mut out = json!({ "type": "object", "additionalProperties": false, "properties": properties });
            if let Value::Object(members) = &mut out {
                if !object.required.is_empty() {
                    members.insert("required".to_owned(), json!(object.required));
                }
                if !object.required_any.is_empty() {
                    let any: Vec<Value> = object
                        .required_any
                        .iter()
                        .map(|name| json!({ "required": [name] }))
                        .collect();
                    members.insert("anyOf".to_owned(), any.into());
                }
                if let Some((name, required)) = &object.required_if {
                    members.insert(
                        "if".to_owned(),
                        json!({ "properties": { *name: { "const": true } }, "required": [name] }),
                    );
                    members.insert("then".to_owned(), json!({ "required": required }));
                }
                if object.choice == Choice::ExactlyOne {
                    members.insert("minProperties".to_owned(), 1.into());
                    members.insert("maxProperties".to_owned(), 1.into());
                }
            }
            out
        }
        Kind::Map(values) => json!({ "type": "object", "additionalProperties": of(values) }),
        Kind::List(list) => match list.duplicates {
            Duplicates::Fine => json!({ "type": "array", "items": of(&list.items) }),
            Duplicates::Refused => {
                json!({ "type": "array", "items": of(&list.items), "uniqueItems": true })
            }
        },
        Kind::Text(text) => {
            let mut out = json!({ "type": "string" });
            if let Value::Object(members) = &mut out {
                if !text.choices.is_empty() {
                    members.insert("enum".to_owned(), json!(text.choices));
                }
                if let Some((word, value)) = text.format.and_then(|format| format.json_schema()) {
                    members.insert(word.to_owned(), value.into());
                }
            }
            out
        }
        Kind::Integer(range) => bounded(
            "integer",
            range.min.map(Value::from),
            range.max.map(Value::from),
            range.only.map(|only| json!(only)),
        ),
        Kind::Number(range) => bounded(
            "number",
            range.min.map(Value::from),
            range.max.map(Value::from),
            range.only.map(|only| json!(only)),
        ),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Handler(handler) => handler_shape(handler),
    }
}

fn bounded(kind: &str, min: Option<Value>, max: Option<Value>, only: Option<Value>) -> Value {
    let mut out = Map::new();
    out.insert("type".to_owned(), kind.into());
    for (name, value) in [("minimum", min), ("maximum", max), ("enum", only)] {
        if let Some(value) = value {
            out.insert(name.to_owned(), value);
        }
    }
    Value::Object(out)
}

/// `config` counts only where the handler is enabled, as in the check.
fn handler_shape(handler: &Handler) -> Value {
    let open = handler.siblings == Siblings::Ignored;
    let enabled = json!({ "type": "boolean", "default": handler.enabled });
    let Some(config) = &handler.config else {
        return json!({ "type": "object", "additionalProperties": open, "properties": { "enabled": enabled } });
    };
    json!({
        "type": "object",
        "additionalProperties": open,
        "properties": { "enabled": enabled, "config": { "type": "object" } },
        "if": { "properties": { "enabled": { "const": true } }, "required": ["enabled"] },
        "then": { "properties": { "config": of(config) } },
    })
}

/// All keys in Markdown: a table for each section, a row for each key.
pub fn reference() -> String {
    let mut page = "# Keys of the configuration\n\nThe environment sets each key too: `serve.proxy.port` is `SERVE_PROXY_PORT`.\n".to_owned();
    if let Kind::Object(root) = &super::root().kind {
        for (name, section) in &root.members {
            let _ = write!(page, "\n## `{name}`\n\n");
            if !section.about.is_empty() {
                let _ = write!(page, "{}\n\n", section.about);
            }
            page.push_str(HEAD);
            rows(&mut page, name, section, Demand::Optional);
        }
    }
    page
}

/// The settings of one handler as a table, named as they stand below `config`; `None` where it has none.
pub fn settings(section: &[&str], handler: &str) -> Option<String> {
    let root = super::root();
    let section = section
        .iter()
        .try_fold(root, |schema, name| schema.member(name))?;
    let config = section.member(handler)?.member("config")?;
    let mut table = HEAD.to_owned();
    rows(&mut table, "", config, Demand::Optional);
    Some(table)
}

/// What the handler is for; empty where there is no such handler.
pub fn about(section: &[&str], handler: &str) -> &'static str {
    let root = super::root();
    let path = section.iter().chain([&handler]);
    path.copied()
        .try_fold(root, |schema, name| schema.member(name))
        .map_or("", |schema| schema.about)
}

const HEAD: &str = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n";

/// Whether a key must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    Optional,
    Required,
    /// One of several, all marked so.
    OneOf,
}

impl Demand {
    fn of(object: &Object, name: &str) -> Demand {
        let under_condition = object
            .required_if
            .as_ref()
            .is_some_and(|(_, names)| names.contains(&name));
        if object.required.contains(&name) || under_condition {
            Demand::Required
        } else if object.required_any.contains(&name) {
            Demand::OneOf
        } else {
            Demand::Optional
        }
    }

    fn words(self) -> &'static str {
        match self {
            Demand::Optional => "",
            Demand::Required => "Required.",
            Demand::OneOf => "One of these is required.",
        }
    }
}

fn rows(page: &mut String, path: &str, schema: &Schema, demand: Demand) {
    let inside = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    };
    match &schema.kind {
        Kind::Object(object) => {
            for (name, member) in &object.members {
                let (path, demand) = (inside(name), Demand::of(object, name));
                if matches!(member.kind, Kind::Object(_)) && !member.about.is_empty() {
                    key(page, &path, member, demand);
                }
                rows(page, &path, member, demand);
            }
        }
        Kind::Handler(handler) => {
            let on = Value::Bool(handler.enabled);
            let switch = switch();
            row(page, &inside("enabled"), switch, Some(&on), schema.about);
            if let Some(config) = &handler.config {
                rows(page, &inside("config"), config, Demand::Optional);
            }
        }
        Kind::List(list) if matches!(list.items.kind, Kind::Object(_)) => {
            key(page, path, schema, demand);
            rows(page, &format!("{path}[]"), &list.items, Demand::Optional);
        }
        Kind::Map(_)
        | Kind::List(_)
        | Kind::Text(_)
        | Kind::Integer(_)
        | Kind::Number(_)
        | Kind::Boolean => key(page, path, schema, demand),
    }
}

fn key(page: &mut String, path: &str, schema: &Schema, demand: Demand) {
    let secret = match schema.secrecy {
        Secrecy::Public => "",
        Secrecy::Secret => "Never shown.",
    };
    let words = [demand.words(), schema.about, secret];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    row(
        page,
        path,
        schema,
        schema.default.as_ref(),
        &words.join(" "),
    );
}

fn row(page: &mut String, path: &str, schema: &Schema, default: Option<&Value>, about: &str) {
    let default = default
        .map(|value| format!("`{value}`"))
        .unwrap_or_default();
    let cell = |text: &str| text.replace('|', "\\|");
    let _ = writeln!(
        page,
        "| `{path}` | {} | {} | {} |",
        cell(&kind_name(schema)),
        cell(&default),
        cell(about)
    );
}

fn kind_name(schema: &Schema) -> String {
    match &schema.kind {
        Kind::Object(object) => match object.choice {
            Choice::Any => "object".to_owned(),
            Choice::ExactlyOne => "object with one of its keys".to_owned(),
        },
        Kind::Handler(_) => "object".to_owned(),
        Kind::Map(values) => format!("object of {}", kind_name(values)),
        Kind::List(list) => format!("list of {}", kind_name(&list.items)),
        Kind::Text(text) if !text.choices.is_empty() => alternatives(&text.choices),
        Kind::Text(text) => match text.format {
            Some(format) => format!("text, {}", format.name()),
            None => "text".to_owned(),
        },
        Kind::Integer(range) => within("whole number", range),
        Kind::Number(range) => within("number", range),
        Kind::Boolean => "true or false".to_owned(),
    }
}

fn within<T: Display>(kind: &str, range: &Range<T>) -> String {
    match (&range.only, &range.min, &range.max) {
        (Some(only), _, _) => alternatives(only),
        (None, Some(min), Some(max)) => format!("{kind}, {min} to {max}"),
        (None, Some(min), None) => format!("{kind}, {min} or more"),
        (None, None, Some(max)) => format!("{kind}, up to {max}"),
        (None, None, None) => kind.to_owned(),
    }
}

fn alternatives<T: Display>(choices: &[T]) -> String {
    let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    choices.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_schema_knows_every_section_and_default() {
        let schema = json_schema();
        assert_eq!(
            schema["properties"]["serve"]["properties"]["proxy"]["properties"]["port"]["default"],
            4455
        );
        assert_eq!(schema["additionalProperties"], false);
        let jwt = &schema["properties"]["authenticators"]["properties"]["jwt"];
        assert_eq!(
            jwt["then"]["properties"]["config"]["properties"]["jwks_ttl"]["default"],
            "30s"
        );
    }

    #[test]
    fn every_key_is_on_the_page() {
        let page = reference();
        for key in [
            "serve.proxy.trusted_proxies",
            "access_rules.refresh",
            "mutators.hydrator.config.api.auth.basic.password",
            "errors.handlers.redirect.config.when[].error",
        ] {
            assert!(page.contains(&format!("| `{key}` |")), "{key}");
        }
    }
}
