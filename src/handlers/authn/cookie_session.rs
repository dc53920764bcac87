//! Asks a session store whose cookies a request carries.

use crate::canonical::cookies;
use crate::handlers::support::session_check::{self, SessionCheck};
use crate::handlers::{Kind, settings};
use crate::pipeline::{Authenticator, Authn, Denial, RequestView};
use async_trait::async_trait;
use http::header::COOKIE;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authenticator> = Kind {
    id: "cookie_session",
    example: r#"{ "check_session_url": "https://sessions.example/whoami", "only": ["sid"], "preserve_path": true,
        "subject_from": "identity.id", "extra_from": "@this", "require_subject": true }"#,
    build: |raw, context| {
        let settings: Settings = settings(raw)?;
        Ok(Arc::new(CookieSession {
            only: settings.only,
            check: SessionCheck::new(settings.check, COOKIE, "subject", context)?,
        }))
    },
};

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default)]
    only: Vec<String>,
    #[serde(flatten)]
    check: session_check::Settings,
}

#[derive(Debug)]
struct CookieSession {
    only: Vec<String>,
    check: SessionCheck,
}

impl CookieSession {
    /// Any cookie, or one of those that are listed; it may be empty.
    fn is_responsible(&self, request: &RequestView<'_>) -> bool {
        cookies::read(request.headers)
            .any(|cookie| self.only.is_empty() || self.only.iter().any(|name| name == cookie.name))
    }
}

#[async_trait]
impl Authenticator for CookieSession {
    async fn authenticate(&self, request: &RequestView<'_>) -> Result<Authn, Denial> {
        if !self.is_responsible(request) {
            return Ok(Authn::Skip);
        }
        self.check.identify(request).await
    }
}
