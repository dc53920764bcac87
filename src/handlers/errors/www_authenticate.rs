//! Asks for HTTP Basic credentials.

use crate::canonical::names::is_token;
use crate::handlers::support::when::{self, When};
use crate::handlers::{BuildError, Kind, settings};
use crate::pipeline::{Denial, ErrorHandler, RequestView, Verdict, status_text};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use serde::Deserialize;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn ErrorHandler> = Kind {
    id: "www_authenticate",
    example: r#"{ "realm": "My shop" }"#,
    build: |raw, _| Ok(Arc::new(WwwAuthenticate::build(settings(raw)?)?)),
};

const DEFAULT_REALM: &str = "Please authenticate.";
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Settings {
    realm: String,
    code: Option<u16>,
    when: when::Settings,
}

#[derive(Debug)]
struct WwwAuthenticate {
    /// Whatever was refused, and why.
    status: StatusCode,
    challenge: HeaderValue,
    body: Bytes,
    when: When,
}

impl WwwAuthenticate {
    fn build(settings: Settings) -> Result<WwwAuthenticate, BuildError> {
        let status = settings.code.unwrap_or(401);
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error())
            .ok_or_else(|| {
                BuildError::new(format!("code `{status}` is not the status of an error"))
            })?;
        Ok(WwwAuthenticate {
            status,
            challenge: challenge(&settings.realm)?,
            body: format!("{}\n", status_text(status)).into(),
            when: When::build(settings.when)?,
        })
    }
}

/// The realm, as a quoted string unless it is a token (RFC 9110 §11.2). The reference never quotes, which is only right for tokens.
fn challenge(realm: &str) -> Result<HeaderValue, BuildError> {
    let realm = if realm.is_empty() {
        DEFAULT_REALM
    } else {
        realm
    };
    if is_token(realm.as_bytes()) {
        return HeaderValue::from_bytes(format!("Basic realm={realm}").as_bytes())
            .map_err(|error| BuildError::new(error.to_string()));
    }
    let quoted = realm.replace('\\', r"\\").replace('"', "\\\"");
    HeaderValue::from_bytes(format!("Basic realm=\"{quoted}\"").as_bytes())
        .map_err(|_| BuildError::new("the realm has a character that a header can't hold"))
}

impl ErrorHandler for WwwAuthenticate {
    fn applies(&self, request: &RequestView<'_>, denial: &Denial) -> Verdict {
        self.when.verdict(request, denial)
    }

    fn render(&self, _: &RequestView<'_>, _: &Denial) -> Response<Bytes> {
        let mut answer = Response::new(self.body.clone());
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(WWW_AUTHENTICATE, self.challenge.clone());
        headers.insert(CONTENT_TYPE, TEXT);
        headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
        answer
    }
}
