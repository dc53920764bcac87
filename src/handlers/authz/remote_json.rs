//! Asks another server with a JSON text that a template makes: Open Policy Agent, Keto, or a service of one's own.

use crate::clients::cache::{Cache, KeyBuilder};
use crate::handlers::support::outgoing::{CacheSettings, DEFAULT_LIFE};
use crate::handlers::support::remote::{self, Remote};
use crate::handlers::support::templated;
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::pipeline::{Authorizer, Denial, FieldName, Reason, RequestView, Session};
use crate::template::Template;
use crate::value;
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

pub(super) const KIND: Kind<dyn Authorizer> = Kind {
    id: "remote_json",
    example: r#"{ "remote": "http://authorizer/check", "payload": "{ \"subject\": {{ .Subject | toJson }} }" }"#,
    build: |raw, context| Ok(Arc::new(RemoteJson::build(settings(raw)?, context)?)),
};

#[derive(Deserialize)]
struct Settings {
    #[serde(flatten)]
    remote: remote::Settings,
    payload: String,
    #[serde(default)]
    cache: CacheSettings,
}

#[derive(Debug)]
struct RemoteJson {
    remote: Remote,
    payload: Template,
    decisions: Option<Decisions>,
}

/// Permissions that were given lately. Refusals are asked for each time.
#[derive(Debug)]
struct Decisions {
    cache: Cache<Vec<(FieldName, HeaderValue)>>,
    life: Duration,
}

impl RemoteJson {
    fn build(settings: Settings, context: &BuildContext<'_>) -> Result<RemoteJson, BuildError> {
        let decisions = if settings.cache.enabled {
            let life = settings.cache.ttl()?;
            Some(Decisions {
                cache: context.clients.cache("remote_json"),
                life: life.unwrap_or(DEFAULT_LIFE),
            })
        } else {
            None
        };
        Ok(RemoteJson {
            payload: templated::compile("payload", &settings.payload, context)?,
            remote: Remote::build(settings.remote, context)?,
            decisions,
        })
    }

    /// What the other server lets the upstream have, remembered or asked for.
    async fn allowed(
        &self,
        headers: HeaderMap,
        payload: Vec<u8>,
    ) -> Result<Arc<Vec<(FieldName, HeaderValue)>>, Denial> {
        let Some(decisions) = &self.decisions else {
            let answer = self.remote.ask(headers, payload.into()).await?;
            return Ok(Arc::new(self.remote.forwarded(&answer.headers)));
        };
        // Everything that the server is told, and what is kept of its answer.
        let mut key = KeyBuilder::new("remote_json")
            .part(self.remote.url().as_str())
            .part(&payload)
            .count(headers.len());
        for (name, value) in &headers {
            key = key.part(name.as_str()).part(value.as_bytes());
        }
        for name in &self.remote.forward {
            key = key.part(name.name().as_str());
        }
        let key = key.finish();
        if let Some(known) = decisions.cache.get(&key) {
            return Ok(known);
        }
        let answer = self.remote.ask(headers, payload.into()).await?;
        let forwarded = Arc::new(self.remote.forwarded(&answer.headers));
        let bytes = forwarded.iter().map(|(_, value)| value.len() + 64).sum();
        decisions
            .cache
            .put(key, forwarded.clone(), bytes, decisions.life);
        Ok(forwarded)
    }
}

#[async_trait]
impl Authorizer for RemoteJson {
    async fn authorize(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Denial> {
        let payload = templated::render("payload", &self.payload, session)?;
        if !value::is_valid(&payload) {
            return Err(Denial::new(Reason::Failed).because("payload is not a JSON text"));
        }
        let json = HeaderValue::from_static("application/json");
        let headers = self.remote.headers(json, request, session)?;
        let forwarded = self.allowed(headers, payload).await?;
        for (name, value) in forwarded.iter() {
            session.headers.set(name.clone(), value.clone());
        }
        Ok(())
    }
}
