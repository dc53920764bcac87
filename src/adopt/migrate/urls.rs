//! URLs over which credentials or keys would go unencrypted.

use serde_json::Value;
use std::net::IpAddr;
use url::{Host, Url};

/// Members of handlers' settings that name servers.
const SERVERS: [&str; 9] = [
    "check_session_url",
    "jwks_urls",
    "jwks_url",
    "introspection_url",
    "token_url",
    "issuer_url",
    "base_url",
    "remote",
    "url",
];

/// Places and origins of `http://` URLs to servers that are not recognisably near.
pub(super) fn unencrypted(settings: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    look(settings, "", &mut found);
    found
}

fn look(value: &Value, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| look(value, name, found)),
        Value::Array(items) => items.iter().for_each(|item| look(item, name, found)),
        Value::String(text) if SERVERS.contains(&name) => {
            if let Some(origin) = far_and_open(text) {
                found.push((name.to_owned(), origin));
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn far_and_open(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let far = match url.host()? {
        Host::Domain(name) => !is_near(name),
        Host::Ipv4(address) => !is_private(IpAddr::V4(address)),
        Host::Ipv6(address) => !is_private(IpAddr::V6(address)),
    };
    (url.scheme() == "http" && far).then(|| crate::clients::http::origin(&url))
}

/// Names that only resolve inside a host, cluster or network.
fn is_near(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let ends = [
        ".local",
        ".internal",
        ".svc",
        ".lan",
        ".intranet",
        ".localhost",
        ".consul",
        ".home.arpa",
    ];
    !name.contains('.') || ends.iter().any(|end| name.ends_with(end))
}

fn is_private(address: IpAddr) -> bool {
    crate::canonical::Trust::default_proxies()
        .iter()
        .any(|range| range.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_open_urls_to_far_servers_are_found() {
        let settings = json!({
            "jwks_urls": ["https://idp.example/keys", "http://idp.example/keys", "file:///keys"],
            "remote": "http://opa:8181/v1",
            "api": { "url": "http://10.0.0.7/hydrate" },
            "check_session_url": "http://kratos.auth.svc.cluster.local/whoami",
            "token_url": "http://203.0.113.7:8080/token?secret=hush",
            "headers": { "X-Home": "http://elsewhere.example" },
        });
        let origin = |name: &str, origin: &str| (name.to_owned(), origin.to_owned());
        assert_eq!(
            unencrypted(&settings),
            [
                origin("jwks_urls", "http://idp.example"),
                origin("token_url", "http://203.0.113.7:8080"),
            ]
        );
    }
}
