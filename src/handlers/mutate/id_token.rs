//! Signs a JSON Web Token about the one who asks, and puts it in place of the client's credentials.

use crate::clients::cache::{Cache, Key, KeyBuilder};
use crate::clients::jwks::{Patience, SigningRing, SigningSet};
use crate::config::parse_simple;
use crate::handlers::support::templated;
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::pipeline::{Denial, FieldName, Mutator, Reason, RequestView, Session};
use crate::template::Template;
use crate::value::{Escape, Map, Value, decode, encode};
use async_trait::async_trait;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const KIND: Kind<dyn Mutator> = Kind {
    id: "id_token",
    example: r#"{ "issuer_url": "https://issuer.example", "jwks_url": "file:///keys.json", "claims": "{ \"role\": {{ .Extra.role | toJson }} }" }"#,
    build: |raw, context| Ok(Arc::new(IdToken::build(settings(raw)?, context)?)),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    issuer_url: String,
    jwks_url: String,
    claims: Option<String>,
    ttl: Option<String>,
}

const DEFAULT_LIFE: Duration = Duration::from_secs(15 * 60);

#[derive(Debug)]
struct IdToken {
    field: FieldName,
    issuer: String,
    keys: SigningRing,
    claims: Option<Template>,
    life: Duration,
    /// Tokens made lately. What can change one is in its key, the key set among it, so a new key signs at once.
    tokens: Cache<HeaderValue>,
    /// The parts of every token's key that are the rule's own.
    base: KeyBuilder,
}

impl IdToken {
    fn build(settings: Settings, context: &BuildContext<'_>) -> Result<IdToken, BuildError> {
        let life = match settings.ttl.as_deref() {
            None => DEFAULT_LIFE,
            Some(text) => parse_simple(text)
                .ok_or_else(|| BuildError::new(format!("ttl: `{text}` is not a duration")))?,
        };
        let claims = match settings.claims.as_deref() {
            None | Some("") => None,
            Some(source) => Some(templated::compile("claims", source, context)?),
        };
        let keys = context
            .clients
            .key_sets
            .signing(&settings.jwks_url, Patience::default())
            .map_err(|error| BuildError::new(format!("jwks_url: {error}")))?;
        let base = KeyBuilder::new("id_token")
            .part(&settings.issuer_url)
            .part(&settings.jwks_url)
            .part(life.as_nanos().to_le_bytes());
        Ok(IdToken {
            field: FieldName::new(AUTHORIZATION),
            issuer: settings.issuer_url,
            keys,
            claims,
            life,
            tokens: context.clients.cache("id_token"),
            base,
        })
    }

    fn key(&self, set: &SigningSet, claims: Option<&[u8]>, subject: &str) -> Key {
        let key = self.base.clone().part(set.id).part(subject);
        match claims {
            Some(claims) => key.part(claims).finish(),
            None => key.finish(),
        }
    }

    fn token(
        &self,
        set: &SigningSet,
        claims: Option<&[u8]>,
        subject: &str,
    ) -> Result<HeaderValue, Denial> {
        let failed = |why: String| Denial::new(Reason::Failed).because(why);
        let signer = set
            .signer
            .as_ref()
            .map_err(|error| failed(error.to_string()))?;
        let mut claims = match claims.map(decode) {
            None => Map::new(),
            Some(Ok(Value::Map(claims))) => claims,
            Some(Ok(_)) => return Err(failed("claims: not a JSON object".to_owned())),
            Some(Err(error)) => return Err(failed(format!("claims: {error}"))),
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = |time: Duration| Value::Number(time.as_secs() as f64);
        for (name, value) in [
            ("exp", seconds(now.saturating_add(self.life))),
            ("iat", seconds(now)),
            ("nbf", seconds(now)),
            ("iss", Value::String(self.issuer.clone())),
            ("sub", Value::String(subject.to_owned())),
            ("jti", Value::String(uuid::Uuid::new_v4().to_string())),
        ] {
            claims.insert(name.to_owned(), value);
        }
        let mut json = Vec::with_capacity(256);
        encode(&mut json, &Value::Map(claims), Escape::Html);
        let token = signer
            .sign(&json)
            .map_err(|error| failed(error.to_string()))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| failed("the token can't be sent as a header".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[async_trait]
impl Mutator for IdToken {
    async fn mutate(&self, _: &RequestView<'_>, session: &mut Session<'_>) -> Result<(), Denial> {
        let claims = match &self.claims {
            Some(template) => Some(templated::render("claims", template, session)?),
            None => None,
        };
        let set = self.keys.current().await.ok_or_else(|| {
            Denial::new(Reason::Failed).because("the key set that signs can't be read")
        })?;
        let key = self.key(&set, claims.as_deref(), &session.subject);
        let value = match self.tokens.get(&key) {
            Some(known) => HeaderValue::clone(&known),
            None => {
                let value = self.token(&set, claims.as_deref(), &session.subject)?;
                // Never handed out in the last tenth of its life.
                let life = self.life.mul_f64(0.9);
                self.tokens
                    .put(key, Arc::new(value.clone()), value.len(), life);
                value
            }
        };
        session.headers.set(self.field.clone(), value);
        Ok(())
    }
}
