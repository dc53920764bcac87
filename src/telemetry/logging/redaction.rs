//! What the log must not show: everything that carries a credential in this configuration.

use crate::config::{Log, SensitiveValues};
use arc_swap::ArcSwap;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// The reference's list is the first four; the others carry credentials wherever they are used.
const ALWAYS: [HeaderName; 11] = [
    AUTHORIZATION,
    COOKIE,
    SET_COOKIE,
    HeaderName::from_static("x-session-token"),
    PROXY_AUTHORIZATION,
    HeaderName::from_static("authentication-info"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-auth-token"),
    HeaderName::from_static("x-csrf-token"),
    HeaderName::from_static("x-forwarded-access-token"),
    HeaderName::from_static("x-amz-security-token"),
];

/// Which headers are replaced by a text. Queries are left out as a whole.
#[derive(Debug)]
pub struct Redaction {
    sensitive: SensitiveValues,
    text: String,
    headers: ArcSwap<HashSet<HeaderName>>,
}

impl Redaction {
    pub fn new(config: &Log) -> Redaction {
        let configured = config
            .additional_redacted_headers
            .iter()
            .filter_map(|name| name.parse().ok());
        Redaction {
            sensitive: config.leak_sensitive_values,
            text: config.redaction_text.clone(),
            headers: ArcSwap::from_pointee(ALWAYS.into_iter().chain(configured).collect()),
        }
    }

    /// Learns from settings of handlers which headers carry credentials: `token_from.header`, and `forward_http_headers`, which a
    /// session store is told because a session may be in them. Nothing is ever unlearnt.
    pub fn learn(&self, settings: &Value) {
        let mut found = HashSet::new();
        collect(settings, &mut found);
        let known = self.headers.load();
        if found.iter().any(|name| !known.contains(name)) {
            found.extend(known.iter().cloned());
            self.headers.store(Arc::new(found));
        }
    }

    pub(super) fn shows_everything(&self) -> bool {
        self.sensitive == SensitiveValues::Shown
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// For all headers of one message.
    pub(super) fn headers(&self) -> Covered {
        Covered(match self.sensitive {
            SensitiveValues::Shown => None,
            SensitiveValues::Redacted => Some(self.headers.load_full()),
        })
    }
}

/// The names that are covered; `None` where everything is shown.
pub(super) struct Covered(Option<Arc<HashSet<HeaderName>>>);

impl Covered {
    pub(super) fn covers(&self, name: &HeaderName) -> bool {
        self.0.as_ref().is_some_and(|names| names.contains(name))
    }
}

/// A `Location` without query, fragment and password.
pub(super) fn location(value: &HeaderValue) -> Vec<u8> {
    let bytes = value.as_bytes();
    let end = bytes
        .iter()
        .position(|b| matches!(b, b'?' | b'#'))
        .unwrap_or(bytes.len());
    let shown = bytes.get(..end).unwrap_or_default();
    let Some(start) = find(shown, b"//") else {
        return shown.to_vec();
    };
    let (scheme, rest) = shown.split_at(start + 2);
    let authority_end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    match authority.iter().rposition(|&b| b == b'@') {
        None => shown.to_vec(),
        Some(at) => [
            scheme,
            b"***",
            authority.get(at..).unwrap_or_default(),
            path,
        ]
        .concat(),
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

fn collect(settings: &Value, found: &mut HashSet<HeaderName>) {
    match settings {
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "token_from" => found.extend(member.get("header").and_then(header)),
                    "forward_http_headers" => {
                        found.extend(member.as_array().into_iter().flatten().filter_map(header));
                    }
                    _ => collect(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn header(name: &Value) -> Option<HeaderName> {
    name.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redaction(leak: bool) -> Redaction {
        let config = json!({
            "level": "info", "format": "text", "leak_sensitive_values": leak, "redaction_text": "…", "sample_ratio": 1.0, "subject": "shown",
            "additional_redacted_headers": ["X-Mine", "not a name"],
        });
        Redaction::new(&serde_json::from_value(config).unwrap())
    }

    fn covered(redaction: &Redaction, name: &str) -> bool {
        redaction.headers().covers(&name.parse().unwrap())
    }

    #[test]
    fn what_carries_a_credential_somewhere_in_the_configuration_is_covered() {
        let redaction = redaction(false);
        assert!(covered(&redaction, "Authorization") && covered(&redaction, "x-mine"));
        assert!(!covered(&redaction, "x-token") && !covered(&redaction, "user-agent"));
        redaction.learn(&json!({ "jwt": { "config": { "token_from": { "header": "X-Token" } } } }));
        redaction.learn(&json!([{ "config": { "forward_http_headers": ["X-Session"] } }]));
        redaction.learn(&json!({ "token_from": { "cookie": "x" } }));
        assert!(covered(&redaction, "x-token") && covered(&redaction, "x-session"));
        assert!(covered(&redaction, "cookie"));
    }

    #[test]
    fn only_the_named_switch_uncovers() {
        assert!(!covered(&redaction(true), "authorization"));
    }

    #[test]
    fn a_location_loses_query_fragment_and_password() {
        for (value, shown) in [
            ("https://a/login?return_to=x#y", "https://a/login"),
            ("https://u:p@a/b@c", "https://***@a/b@c"),
            ("//u:p@a", "//***@a"),
            ("/plain#frag", "/plain"),
            ("", ""),
        ] {
            let value = HeaderValue::from_static(value);
            assert_eq!(location(&value), shown.as_bytes());
        }
    }
}
