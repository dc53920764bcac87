//! The token that Doorward shows to the introspection endpoint.

use crate::clients::Retry;
use crate::clients::cache::{Flights, KeyBuilder};
use crate::clients::http::Timeouts;
use crate::config::Secret;
use crate::handlers::support::outgoing::endpoint;
use crate::handlers::support::token_endpoint::{
    Credentials, Expires, Grant, Style, TokenEndpoint, TokenError,
};
use crate::handlers::{BuildContext, BuildError};
use http::HeaderValue;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A token is fetched anew so long before it ends.
const MARGIN: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    #[serde(default)]
    enabled: bool,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    token_url: Option<String>,
    audience: Option<String>,
    #[serde(default)]
    scope: Vec<String>,
}

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum PreAuthorizationError {
    #[error("no pre-authorization: {0}")]
    Token(Arc<TokenError>),
    #[error("no pre-authorization: the token can't be sent in a header")]
    Unsendable,
}

/// One client of one token endpoint. Fetches are shared by all requests that wait for one.
#[derive(Debug)]
pub(super) struct PreAuthorization {
    source: Arc<Source>,
    flights: Flights<Result<HeaderValue, PreAuthorizationError>>,
}

#[derive(Debug)]
struct Source {
    endpoint: TokenEndpoint,
    client: Credentials,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<(HeaderValue, Option<Expires>)>,
    /// How the endpoint wants to be told who asks, once it is known.
    style: Option<Style>,
}

impl PreAuthorization {
    /// `None` where it is switched off.
    pub(super) fn new(
        settings: Settings,
        timeouts: Timeouts,
        context: &BuildContext<'_>,
    ) -> Result<Option<PreAuthorization>, BuildError> {
        if !settings.enabled {
            return Ok(None);
        }
        let secret = settings.client_secret.unwrap_or_default();
        let source = Source {
            endpoint: TokenEndpoint {
                clients: context.clients.clone(),
                url: Some(endpoint(&settings.token_url.unwrap_or_default())?),
                scopes: settings.scope,
                audience: settings.audience,
                timeouts,
                retry: Retry::NEVER,
            },
            client: Credentials {
                id: settings.client_id.unwrap_or_default().into_bytes(),
                secret: secret.reveal().as_bytes().to_vec().into(),
            },
            state: Mutex::default(),
        };
        Ok(Some(PreAuthorization {
            source: Arc::new(source),
            flights: Flights::default(),
        }))
    }

    /// Adds to a key who is asking.
    pub(super) fn identify(&self, key: KeyBuilder) -> KeyBuilder {
        let endpoint = &self.source.endpoint;
        let mut key = key
            .part(endpoint.url.as_ref().map_or("", |url| url.as_str()))
            .part(&self.source.client.id)
            .part(&self.source.client.secret)
            .part(endpoint.audience.as_deref().unwrap_or_default())
            .count(endpoint.scopes.len());
        for scope in &endpoint.scopes {
            key = key.part(scope);
        }
        key
    }

    /// The `Authorization` header to send.
    pub(super) async fn header(&self) -> Result<HeaderValue, PreAuthorizationError> {
        if let Some(header) = self.source.current() {
            return Ok(header);
        }
        let source = self.source.clone();
        self.flights
            .join([0; 32], || async move { source.fetch().await })
            .await
    }
}

impl Source {
    fn current(&self) -> Option<HeaderValue> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (header, expires) = state.token.as_ref()?;
        expires
            .is_none_or(|expires| expires.left() > MARGIN)
            .then(|| header.clone())
    }

    async fn fetch(&self) -> Result<HeaderValue, PreAuthorizationError> {
        let known = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.style
        };
        let granted = match known {
            Some(style) => self.grant(style).await,
            None => match self.grant(Style::Header).await {
                Err(_) => self.grant(Style::Body).await,
                granted => granted,
            },
        };
        let (style, grant) = granted.map_err(|e| PreAuthorizationError::Token(Arc::new(e)))?;
        let header = authorization(&grant).ok_or(PreAuthorizationError::Unsendable)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.style = Some(style);
        state.token = Some((header.clone(), grant.expires));
        Ok(header)
    }

    async fn grant(&self, style: Style) -> Result<(Style, Grant), TokenError> {
        let grant = self.endpoint.grant(&self.client, style).await?;
        Ok((style, grant))
    }
}

fn authorization(grant: &Grant) -> Option<HeaderValue> {
    let kind = match grant.token_type.to_lowercase().as_str() {
        "" | "bearer" => "Bearer",
        "mac" => "MAC",
        "basic" => "Basic",
        _ => &grant.token_type,
    };
    let mut value: HeaderValue = format!("{kind} {}", *grant.access_token).parse().ok()?;
    value.set_sensitive(true);
    Some(value)
}
