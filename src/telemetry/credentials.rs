//! Which headers carry credentials in this configuration.

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
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

/// The names, which grow with what handlers are built from. Outlives snapshots; nothing is ever unlearnt.
#[derive(Debug)]
pub struct CredentialHeaders(ArcSwap<Names>);

/// A set of names. Each header of each request is looked for in it, so it hashes faster than a set of the standard library.
pub(super) type Names = HashSet<HeaderName, RandomState>;

impl Default for CredentialHeaders {
    fn default() -> CredentialHeaders {
        CredentialHeaders(ArcSwap::from_pointee(ALWAYS.into_iter().collect()))
    }
}

impl CredentialHeaders {
    /// Learns from the settings of a handler: `token_from.header`, and `forward_http_headers`, which a session store is told because a
    /// session may be in them.
    pub fn learn(&self, settings: &Value) {
        let mut found = HashSet::new();
        collect(settings, &mut found);
        self.add(found);
    }

    /// Learns names as they were configured. What is no name is nobody's header.
    pub fn learn_names(&self, names: &[String]) {
        self.add(names.iter().filter_map(|name| name.parse().ok()).collect());
    }

    fn add(&self, found: HashSet<HeaderName>) {
        let known = self.0.load();
        if found.iter().all(|name| known.contains(name)) {
            return;
        }
        self.0.rcu(|known| {
            let mut names = Names::clone(known);
            names.extend(found.iter().cloned());
            names
        });
    }

    pub(super) fn names(&self) -> Arc<Names> {
        self.0.load_full()
    }
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

    #[test]
    fn what_carries_a_credential_somewhere_in_the_configuration_is_known() {
        let credentials = CredentialHeaders::default();
        let knows = |name: &str| {
            credentials
                .names()
                .contains(&name.parse::<HeaderName>().unwrap())
        };
        credentials.learn_names(&["X-Mine".to_owned(), "not a name".to_owned()]);
        assert!(knows("Authorization") && knows("x-mine"));
        assert!(!knows("x-token") && !knows("user-agent"));
        credentials
            .learn(&json!({ "jwt": { "config": { "token_from": { "header": "X-Token" } } } }));
        credentials.learn(&json!([{ "config": { "forward_http_headers": ["X-Session"] } }]));
        credentials.learn(&json!({ "token_from": { "cookie": "x" } }));
        assert!(knows("x-token") && knows("x-session") && knows("cookie"));
    }
}
