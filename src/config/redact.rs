//! Settings without what is secret, for `/rules`, logs and explanations.

use super::HandlerKind;
use super::schema::{Kind, Schema, Secrecy};
use serde_json::Value;

/// Stands for a secret.
const HIDDEN: &str = "***";

/// A handler's settings without secrets: what the schema calls secret, what is named like one, passwords in URLs.
pub fn redacted(kind: HandlerKind, id: &str, config: &Value) -> Value {
    let mut shown = config.clone();
    if let Some(schema) = kind.schema(id).and_then(|schema| schema.member("config")) {
        redact(schema, &mut shown);
    }
    redact_by_name(&mut shown);
    shown
}

fn redact(schema: &Schema, value: &mut Value) {
    if schema.secrecy == Secrecy::Secret && !value.is_null() {
        *value = Value::from(HIDDEN);
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if let Some(schema) = schema.member(name) {
                    redact(schema, member);
                }
            }
        }
        Value::Array(items) => {
            if let Kind::List(list) = &schema.kind {
                items.iter_mut().for_each(|item| redact(&list.items, item));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Hides what is named like a secret, and passwords in URLs, wherever they are.
pub fn redact_by_name(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    // Where a token is, not what it is.
                    Value::Object(_) if name == "token_from" => {}
                    // A template names where a value comes from; it is not the value.
                    Value::String(text)
                        if is_secret(name) && !text.is_empty() && !text.contains("{{") =>
                    {
                        *member = Value::from(HIDDEN);
                    }
                    _ => redact_by_name(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_by_name),
        Value::String(text) => {
            if text.contains('@') && text.contains("://") {
                *text = without_password(text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Names of header and member that hold credentials, in any spelling.
fn is_secret(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let ends = [
        "secret",
        "password",
        "apikey",
        "privatekey",
        "accesskey",
        "authtoken",
        "accesstoken",
    ];
    matches!(
        plain.as_str(),
        "authorization" | "proxyauthorization" | "cookie" | "token" | "xapitoken"
    ) || ends.iter().any(|end| plain.ends_with(end))
}

/// A URL with `***` for its password.
pub fn without_password(url: &str) -> String {
    let hidden = || {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let (user, host) = authority.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:{HIDDEN}@{host}{path}"))
    };
    hidden().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_hidden_wherever_they_are_and_nothing_else() {
        let config = json!({
            "introspection_url": "https://user:hunter2@idp.example/introspect?x=1",
            "pre_authorization": {"enabled": true, "client_id": "id", "client_secret": "hunter2"},
            "introspection_request_headers": {"Authorization": "Basic hunter2", "X-Api-Key": "hunter2", "X-A": "b"},
            "token_from": {"cookie": "session"},
        });
        let shown = redacted(HandlerKind::Authenticator, "oauth2_introspection", &config);
        assert_eq!(
            shown,
            json!({
                "introspection_url": "https://user:***@idp.example/introspect?x=1",
                "pre_authorization": {"enabled": true, "client_id": "id", "client_secret": "***"},
                "introspection_request_headers": {"Authorization": "***", "X-Api-Key": "***", "X-A": "b"},
                "token_from": {"cookie": "session"},
            })
        );
        let templates = json!({"headers": {"Authorization": "Bearer {{ print .Subject }}"}});
        assert_eq!(
            redacted(HandlerKind::Mutator, "header", &templates),
            templates
        );
    }
}
