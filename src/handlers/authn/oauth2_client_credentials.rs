//! Takes HTTP Basic credentials and has a token endpoint say whether they are a client's.

use crate::canonical::credentials::Basic;
use crate::clients::cache::{Cache, Key, KeyBuilder};
use crate::clients::{Portable, Repeat};
use crate::handlers::support::outgoing::{
    CacheSettings, DEFAULT_LIFE, RetrySettings, TimeoutSettings, endpoint, rate_limited,
};
use crate::handlers::support::token_endpoint::{
    Credentials, Grant, Style, TokenEndpoint, TokenError,
};
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::pipeline::{Authenticator, Authn, Denial, Identity, Reason, RequestView};
use async_trait::async_trait;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

pub(super) const KIND: Kind<dyn Authenticator> = Kind {
    id: "oauth2_client_credentials",
    example: r#"{ "token_url": "https://id.example/oauth2/token", "required_scope": ["api"], "cache": { "enabled": true, "ttl": "30s" } }"#,
    build: |raw, context| Ok(Arc::new(ClientCredentials::new(settings(raw)?, context)?)),
};

#[derive(Debug, Deserialize)]
struct Settings {
    token_url: String,
    #[serde(default)]
    required_scope: Vec<String>,
    #[serde(default)]
    retry: RetrySettings,
    #[serde(default)]
    cache: CacheSettings,
    #[serde(default)]
    timeout: TimeoutSettings,
}

#[derive(Debug)]
struct ClientCredentials {
    endpoint: TokenEndpoint,
    remember: Remember,
    /// That a client's grant is good; the tokens are thrown away.
    memory: Cache<Accepted>,
}

/// That a token endpoint accepted a client.
#[derive(Debug)]
struct Accepted;

impl Portable for Accepted {
    fn write(&self) -> Vec<u8> {
        b"accepted".to_vec()
    }

    fn read(bytes: &[u8]) -> Option<Accepted> {
        (bytes == b"accepted").then_some(Accepted)
    }
}

#[derive(Debug, Clone, Copy)]
enum Remember {
    Nothing,
    /// Until the token ends.
    Token,
    /// Not longer than that either; what has no end is not remembered, as recorded.
    AtMost(Duration),
}

impl ClientCredentials {
    fn new(
        settings: Settings,
        context: &BuildContext<'_>,
    ) -> Result<ClientCredentials, BuildError> {
        let ttl = settings.cache.ttl()?;
        Ok(ClientCredentials {
            endpoint: TokenEndpoint {
                clients: context.clients.clone(),
                url: endpoint(&settings.token_url).ok(),
                scopes: settings.required_scope,
                audience: None,
                timeouts: settings.timeout.timeouts()?,
                retry: settings.retry.policy(Repeat::Never)?,
            },
            remember: match (settings.cache.enabled, ttl) {
                (false, _) => Remember::Nothing,
                (true, None) => Remember::Token,
                (true, Some(ttl)) => Remember::AtMost(ttl),
            },
            memory: context.clients.cache("client_credentials"),
        })
    }

    /// Everything that can change the answer.
    fn key(&self, client: &Credentials) -> Key {
        let scopes = &self.endpoint.scopes;
        let mut key = KeyBuilder::new("client_credentials")
            .part(self.endpoint.url.as_ref().map_or("", |url| url.as_str()))
            .part(&client.id)
            .part(&client.secret)
            .count(scopes.len());
        for scope in scopes {
            key = key.part(scope);
        }
        key.finish()
    }

    async fn check(&self, client: &Credentials) -> Result<(), Denial> {
        let key = match self.remember {
            Remember::Nothing => None,
            Remember::Token | Remember::AtMost(_) => Some(self.key(client)),
        };
        if let Some(key) = &key
            && self.memory.find(key).await.is_some()
        {
            return Ok(());
        }
        let granted = self.endpoint.grant(client, Style::Header).await;
        let grant = granted.map_err(|error| denial(&error))?;
        self.check_scope(&grant)?;
        if let Some(key) = key {
            self.memory
                .share(key, Arc::new(Accepted), 0, self.life(&grant));
        }
        Ok(())
    }

    /// An endpoint that says what it granted must have granted all that was asked for (RFC 6749, 5.1).
    fn check_scope(&self, grant: &Grant) -> Result<(), Denial> {
        let Some(granted) = &grant.scope else {
            return Ok(());
        };
        let missing = |wanted: &&String| !granted.split(' ').any(|scope| scope == *wanted);
        match self.endpoint.scopes.iter().find(missing) {
            None => Ok(()),
            Some(wanted) => {
                Err(Denial::new(Reason::Forbidden)
                    .because(format!("Scope {wanted} was not granted")))
            }
        }
    }

    fn life(&self, grant: &Grant) -> Duration {
        let left = grant.expires.map(|expires| expires.left());
        match self.remember {
            Remember::Nothing => Duration::ZERO,
            Remember::Token => left.unwrap_or(DEFAULT_LIFE),
            Remember::AtMost(ttl) => left.unwrap_or_default().min(ttl),
        }
    }
}

#[async_trait]
impl Authenticator for ClientCredentials {
    async fn authenticate(&self, request: &RequestView<'_>) -> Result<Authn, Denial> {
        let authorization = request.header(&AUTHORIZATION);
        let Some(basic) = authorization.and_then(|value| Basic::parse(value.as_bytes())) else {
            return Ok(Authn::Skip);
        };
        let decoded = basic
            .form_decoded()
            .ok_or_else(|| Denial::new(Reason::Unauthorized))?;
        let client = Credentials {
            id: decoded.user,
            secret: Zeroizing::new(decoded.password),
        };
        self.check(&client).await?;
        Ok(Authn::Identified(Identity {
            subject: String::from_utf8_lossy(&client.id).into(),
            extra: None,
        }))
    }
}

/// The statuses that are passed on as recorded; any other refusal is the client's.
fn denial(error: &TokenError) -> Denial {
    let reason = match error {
        TokenError::Call(_) | TokenError::Useless | TokenError::Unusable => {
            Reason::DependencyUnavailable
        }
        TokenError::Refused(answer) => match answer.status.as_u16() {
            429 => return rate_limited(answer),
            503 => Reason::DependencyUnavailable,
            500 => Reason::Dependency,
            504 => Reason::DependencyTimeout,
            404 => Reason::DependencyNotFound,
            _ => Reason::Unauthorized,
        },
    };
    Denial::new(reason).because(error.to_string())
}
