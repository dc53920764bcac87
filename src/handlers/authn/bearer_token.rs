//! Asks a session store whose token a request carries.

use crate::canonical::credentials::TokenFrom;
use crate::handlers::support::outgoing::TokenFromSettings;
use crate::handlers::support::session_check::{self, SessionCheck};
use crate::handlers::{Kind, settings};
use crate::pipeline::{Authenticator, Authn, Denial, RequestView};
use async_trait::async_trait;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authenticator> = Kind {
    id: "bearer_token",
    example: r#"{ "check_session_url": "https://sessions.example/whoami", "prefix": "ory_at_", "preserve_path": true,
        "force_method": "GET", "subject_from": "sub", "extra_from": "extra" }"#,
    build: |raw, context| {
        let settings: Settings = settings(raw)?;
        Ok(Arc::new(BearerToken {
            place: TokenFromSettings::place(settings.token_from),
            prefix: settings.prefix,
            check: SessionCheck::new(settings.check, AUTHORIZATION, "sub", context)?,
        }))
    },
};

#[derive(Debug, Deserialize)]
struct Settings {
    token_from: Option<TokenFromSettings>,
    #[serde(default)]
    prefix: String,
    #[serde(flatten)]
    check: session_check::Settings,
}

/// Place and prefix decide who is responsible; what is sent to the store is the request's `Authorization` header.
#[derive(Debug)]
struct BearerToken {
    place: TokenFrom,
    prefix: String,
    check: SessionCheck,
}

#[async_trait]
impl Authenticator for BearerToken {
    async fn authenticate(&self, request: &RequestView<'_>) -> Result<Authn, Denial> {
        let token = self.place.find(request.headers, request.canonical.query());
        if !token.is_some_and(|token| token.starts_with(self.prefix.as_bytes())) {
            return Ok(Authn::Skip);
        }
        self.check.identify(request).await
    }
}
