//! Lets requests without an `Authorization` header in, under a configured subject.

use crate::handlers::{Kind, settings};
use crate::pipeline::{Authenticator, Authn, Denial, Identity, RequestView};
use async_trait::async_trait;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authenticator> = Kind {
    id: "anonymous",
    example: r#"{ "subject": "guest" }"#,
    build: |raw, _| Ok(Arc::new(Anonymous::from(settings::<Settings>(raw)?))),
};

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default)]
    subject: String,
}

#[derive(Debug)]
struct Anonymous {
    identity: Identity,
}

impl From<Settings> for Anonymous {
    /// An empty subject counts as none, as in the reference.
    fn from(settings: Settings) -> Anonymous {
        let subject = if settings.subject.is_empty() {
            "anonymous"
        } else {
            &settings.subject
        };
        Anonymous {
            identity: Identity {
                subject: subject.into(),
                extra: None,
            },
        }
    }
}

#[async_trait]
impl Authenticator for Anonymous {
    async fn authenticate(&self, request: &RequestView<'_>) -> Result<Authn, Denial> {
        match request.header(&AUTHORIZATION) {
            Some(value) if !value.is_empty() => Ok(Authn::Skip),
            _ => Ok(Authn::Identified(self.identity.clone())),
        }
    }
}
