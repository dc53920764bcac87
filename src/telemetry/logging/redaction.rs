//! What the log must not show: everything that carries a credential in this configuration.

use crate::config::{Log, SensitiveValues};
use crate::telemetry::credentials::{CredentialHeaders, Names};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

/// Which headers are replaced by a text. Queries are left out as a whole.
#[derive(Debug)]
pub struct Redaction {
    sensitive: SensitiveValues,
    text: String,
    credentials: Arc<CredentialHeaders>,
}

impl Redaction {
    pub(super) fn new(config: &Log) -> Redaction {
        let credentials = CredentialHeaders::default();
        credentials.learn_names(&config.additional_redacted_headers);
        Redaction {
            sensitive: config.leak_sensitive_values,
            text: config.redaction_text.clone(),
            credentials: Arc::new(credentials),
        }
    }

    /// The headers that are left out; who builds handlers adds to them.
    pub fn credentials(&self) -> &Arc<CredentialHeaders> {
        &self.credentials
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
            SensitiveValues::Redacted => Some(self.credentials.names()),
        })
    }
}

/// The names that are covered; `None` where everything is shown.
pub(super) struct Covered(Option<Arc<Names>>);

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

#[cfg(test)]
mod tests {
    use super::*;

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
