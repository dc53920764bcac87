//! Asks a token introspection endpoint (RFC 7662) about a token.

mod answer;
mod pre_authorization;

use crate::canonical::credentials::TokenFrom;
use crate::clients::cache::{Cache, Flights, Key, KeyBuilder, NEGATIVE_LIFE};
use crate::clients::http::{Answer, Call, Timeouts};
use crate::clients::{Clients, Repeat, Retry};
use crate::gourl::Values;
use crate::handlers::support::outgoing::{
    CacheSettings, RetrySettings, TimeoutSettings, TokenFromSettings, endpoint, fixed_headers,
    rate_limited,
};
use crate::handlers::support::token_endpoint::FORM;
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::pipeline::{Authenticator, Authn, Denial, Identity, Reason, RequestView};
use crate::scope::Strategy;
use answer::{Demands, Introspected};
use async_trait::async_trait;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pre_authorization::PreAuthorization;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub(super) const KIND: Kind<dyn Authenticator> = Kind {
    id: "oauth2_introspection",
    example: r#"{ "introspection_url": "https://id.example/oauth2/introspect", "required_scope": ["read"], "scope_strategy": "exact",
        "target_audience": ["api"], "trusted_issuers": ["https://id.example/"], "cache": { "enabled": true, "ttl": "30s" },
        "pre_authorization": { "enabled": true, "client_id": "gateway", "client_secret": "secret",
            "token_url": "https://id.example/oauth2/token", "scope": ["introspect"] } }"#,
    build: |raw, context| Ok(Arc::new(Introspection::new(settings(raw)?, context)?)),
};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

#[derive(Debug, Deserialize)]
struct Settings {
    introspection_url: String,
    #[serde(default)]
    scope_strategy: String,
    pre_authorization: Option<pre_authorization::Settings>,
    #[serde(default)]
    required_scope: Vec<String>,
    #[serde(default)]
    target_audience: Vec<String>,
    #[serde(default)]
    trusted_issuers: Vec<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    preserve_host: bool,
    #[serde(default)]
    introspection_request_headers: BTreeMap<String, String>,
    token_from: Option<TokenFromSettings>,
    #[serde(default)]
    retry: RetrySettings,
    #[serde(default)]
    cache: CacheSettings,
    #[serde(default)]
    timeout: TimeoutSettings,
}

#[derive(Debug)]
struct Introspection {
    clients: Arc<Clients>,
    url: Url,
    place: TokenFrom,
    prefix: String,
    headers: HeaderMap,
    host: ForwardHost,
    demands: Arc<Demands>,
    pre_authorization: Option<PreAuthorization>,
    /// How long answers are remembered at most.
    life: Option<Duration>,
    memory: Cache<Introspected>,
    /// Questions under way whose answers will be remembered.
    flights: Flights<Result<Arc<Introspected>, Denial>>,
    timeouts: Timeouts,
    retry: Retry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForwardHost {
    Yes,
    No,
}

impl Introspection {
    fn new(settings: Settings, context: &BuildContext<'_>) -> Result<Introspection, BuildError> {
        let timeouts = settings.timeout.timeouts()?;
        let mut headers: HeaderMap = fixed_headers(&settings.introspection_request_headers)?
            .into_iter()
            .collect();
        headers.insert(CONTENT_TYPE, FORM);
        let pre_authorization = match settings.pre_authorization {
            Some(settings) => PreAuthorization::new(settings, timeouts, context)?,
            None => None,
        };
        let demands = Demands {
            strategy: Strategy::parse(&settings.scope_strategy).unwrap_or_default(),
            scopes: settings.required_scope,
            audience: settings.target_audience,
            issuers: settings.trusted_issuers,
        };
        // What the endpoint decides about scopes holds for this question only.
        let life = settings.cache.life()?.filter(|_| !demands.are_delegated());
        Ok(Introspection {
            clients: context.clients.clone(),
            url: endpoint(&settings.introspection_url)?,
            place: TokenFromSettings::place(settings.token_from),
            prefix: settings.prefix,
            headers,
            host: match settings.preserve_host {
                true => ForwardHost::Yes,
                false => ForwardHost::No,
            },
            demands: Arc::new(demands),
            pre_authorization,
            life,
            memory: context.clients.cache("introspection"),
            flights: Flights::default(),
            timeouts,
            retry: settings.retry.policy(Repeat::Never)?,
        })
    }

    async fn introspect(
        &self,
        token: &[u8],
        request: &RequestView<'_>,
    ) -> Result<Identity, Denial> {
        let headers = self.headers(request);
        let Some(most) = self.life else {
            let call = self.call(token, headers).await?;
            return self.demands.judge(&ask(&self.clients, call).await?.0);
        };
        let key = self.key(token, &headers);
        let found = match self.memory.find(&key).await {
            Some(known) => known,
            None => {
                let call = self.call(token, headers).await?;
                self.learn(key, call, most).await?
            }
        };
        self.demands.judge(&found)
    }

    /// Asks and remembers the answer for at most `most`.
    async fn learn(
        &self,
        key: Key,
        call: Call,
        most: Duration,
    ) -> Result<Arc<Introspected>, Denial> {
        let (clients, memory, demands) = (
            self.clients.clone(),
            self.memory.clone(),
            self.demands.clone(),
        );
        let asked = move || async move {
            let (found, bytes) = ask(&clients, call).await?;
            let found = Arc::new(found);
            let life = match demands.judge(&found) {
                Ok(_) => found.life(most),
                Err(_) => NEGATIVE_LIFE,
            };
            memory.share(key, found.clone(), bytes * 4, life);
            Ok(found)
        };
        self.memory.learn(&self.flights, key, asked).await
    }

    async fn call(&self, token: &[u8], mut headers: HeaderMap) -> Result<Call, Denial> {
        if let Some(pre_authorization) = &self.pre_authorization {
            let value = pre_authorization
                .header()
                .await
                .map_err(|error| Denial::new(Reason::Dependency).saying(error.to_string()))?;
            headers.insert(AUTHORIZATION, value);
        }
        let mut form = Values::default();
        if self.demands.strategy == Strategy::None {
            form.set("scope", self.demands.scopes.join(" "));
        }
        form.set("token", token);
        let mut call = Call::new(Method::POST, self.url.clone());
        call.headers = headers;
        call.body = form.encode().into();
        call.timeouts = Some(self.timeouts);
        call.retry = self.retry;
        Ok(call)
    }

    /// Without the pre-authorization.
    fn headers(&self, request: &RequestView<'_>) -> HeaderMap {
        let mut headers = self.headers.clone();
        if self.host == ForwardHost::Yes
            && let Ok(host) = HeaderValue::from_str(request.transport_host)
        {
            headers.insert(X_FORWARDED_HOST, host);
        }
        headers
    }

    /// Everything that can change the answer. What the rule demands of it is judged after a hit too.
    fn key(&self, token: &[u8], headers: &HeaderMap) -> Key {
        let mut key = KeyBuilder::new("introspection")
            .part(token)
            .part(self.url.as_str())
            .count(headers.len());
        for (name, value) in headers {
            key = key.part(name).part(value);
        }
        match &self.pre_authorization {
            None => key.finish(),
            Some(pre_authorization) => pre_authorization.identify(key).finish(),
        }
    }
}

/// What the endpoint says, and how many bytes it needs for that.
async fn ask(clients: &Clients, call: Call) -> Result<(Introspected, usize), Denial> {
    let answer = clients
        .ask(call)
        .await
        .map_err(|error| Denial::new(Reason::Dependency).saying(error.to_string()))?;
    Ok((read(&answer)?, answer.body.len()))
}

fn read(answer: &Answer) -> Result<Introspected, Denial> {
    match answer.status {
        StatusCode::OK => Introspected::parse(&answer.body).ok_or_else(|| {
            Denial::new(Reason::Dependency)
                .saying("The introspection endpoint's answer can't be understood")
        }),
        StatusCode::TOO_MANY_REQUESTS => Err(rate_limited(answer)),
        status => Err(Denial::new(Reason::Dependency).saying(format!(
            "Introspection returned status code {} but expected 200",
            status.as_u16()
        ))),
    }
}

#[async_trait]
impl Authenticator for Introspection {
    async fn authenticate(&self, request: &RequestView<'_>) -> Result<Authn, Denial> {
        let token = self.place.find(request.headers, request.canonical.query());
        match token {
            Some(token) if token.starts_with(self.prefix.as_bytes()) => {
                let identity = self.introspect(&token, request).await?;
                Ok(Authn::Identified(identity))
            }
            Some(_) | None => Ok(Authn::Skip),
        }
    }
}
