//! Shows the session to another server, which may change all of it but the subject.

mod answer;

use crate::clients::cache::{Cache, KeyBuilder};
use crate::clients::http::{Call, CallError, Timeouts};
use crate::clients::{Clients, Repeat, Retry};
use crate::gourl::parse_query;
use crate::handlers::support::outgoing::{
    CacheSettings, RetrySettings, TimeoutSettings, endpoint, rate_limited,
};
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::pipeline::{Denial, Echo, Mutator, Reason, RequestView, Session};
use crate::template::session_json;
use answer::Answer;
use async_trait::async_trait;
use base64::Engine as _;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub(super) const KIND: Kind<dyn Mutator> = Kind {
    id: "hydrator",
    example: r#"{ "api": { "url": "http://hydrator/session" } }"#,
    build: |raw, context| Ok(Arc::new(Hydrator::build(settings(raw)?, context)?)),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    api: Api,
    #[serde(default)]
    cache: CacheSettings,
    #[serde(default)]
    timeout: TimeoutSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Api {
    url: String,
    auth: Option<Auth>,
    #[serde(default)]
    retry: RetrySettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    basic: Option<Basic>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Basic {
    username: String,
    password: String,
}

#[derive(Debug)]
struct Hydrator {
    clients: Arc<Clients>,
    url: Url,
    credentials: Option<HeaderValue>,
    retry: Retry,
    timeouts: Timeouts,
    answers: Option<(Cache<Answer>, Duration)>,
}

impl Hydrator {
    fn build(settings: Settings, context: &BuildContext<'_>) -> Result<Hydrator, BuildError> {
        let life = settings.cache.life()?;
        let answers = life.map(|life| (context.clients.cache("hydrator"), life));
        // The call only asks: asking again changes nothing.
        let retry = settings.api.retry.policy(Repeat::Always)?;
        let mut timeouts = settings.timeout.timeouts()?;
        // In the reference this is also how long one try may take.
        timeouts.total = timeouts.total.min(retry.give_up_after);
        Ok(Hydrator {
            clients: context.clients.clone(),
            url: endpoint(&settings.api.url)?,
            credentials: settings.api.auth.map(credentials).transpose()?,
            retry,
            timeouts,
            answers,
        })
    }

    /// The configured URL, its own query kept, with the request's parameters behind it in order of their names.
    fn target(&self, request: &RequestView<'_>) -> Url {
        let mut url = self.url.clone();
        let query = request.canonical.query().unwrap_or_default();
        let added = parse_query(query).values.encode();
        if !added.is_empty() {
            let query = match url.query() {
                None | Some("") => added,
                Some(own) => format!("{own}&{added}"),
            };
            url.set_query(Some(&query));
        }
        url
    }

    /// The request's end-to-end headers, but what describes its body or the answer that its client can read.
    fn headers(&self, request: &RequestView<'_>) -> HeaderMap {
        let kept =
            |name: &HeaderName| *name != ACCEPT_ENCODING && !name.as_str().starts_with("content-");
        let mut headers: HeaderMap = request
            .headers
            .iter()
            .filter(|(name, _)| kept(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(credentials) = &self.credentials {
            headers.insert(AUTHORIZATION, credentials.clone());
        }
        headers
    }

    async fn ask(&self, request: &RequestView<'_>, body: Vec<u8>) -> Result<Arc<Answer>, Denial> {
        let call = Call {
            headers: self.headers(request),
            body: body.into(),
            timeouts: Some(self.timeouts),
            retry: self.retry,
            ..Call::new(Method::POST, self.target(request))
        };
        let Some((cache, life)) = &self.answers else {
            return self.send(call).await;
        };
        let mut key = KeyBuilder::new("hydrator")
            .part(call.url.as_str())
            .part(&call.body)
            .count(call.headers.len());
        for (name, value) in &call.headers {
            key = key.part(name.as_str()).part(value.as_bytes());
        }
        let key = key.finish();
        if let Some(known) = cache.get(&key) {
            return Ok(known);
        }
        let answer = self.send(call).await?;
        cache.put(key, answer.clone(), answer.bytes, *life);
        Ok(answer)
    }

    async fn send(&self, call: Call) -> Result<Arc<Answer>, Denial> {
        let failed = |why: &'static str| Denial::new(Reason::Dependency).because(why);
        let answer = match self.clients.ask(call).await {
            Ok(answer) => answer,
            Err(error) => return Err(unreachable(&error)),
        };
        match answer.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED if self.credentials.is_some() => {
                return Err(failed(
                    "invalid credentials were provided in the mutator's configuration",
                ));
            }
            StatusCode::UNAUTHORIZED => {
                return Err(failed(
                    "no credentials were provided in the mutator's configuration",
                ));
            }
            StatusCode::TOO_MANY_REQUESTS => return Err(rate_limited(&answer)),
            _ => {
                return Err(failed(
                    "the call to an external API returned a non-200 HTTP response",
                ));
            }
        }
        match Answer::parse(&answer.body) {
            Some(answer) => Ok(Arc::new(answer)),
            None => Err(failed(
                "the call to an external API returned an invalid JSON object",
            )),
        }
    }
}

fn unreachable(error: &CallError) -> Denial {
    tracing::warn!(%error, "a hydrator can't be asked");
    Denial::new(Reason::Dependency).because(error.to_string())
}

/// Without `basic` the reference sends an empty user and password.
fn credentials(auth: Auth) -> Result<HeaderValue, BuildError> {
    let basic = auth.basic.unwrap_or_default();
    let pair = format!("{}:{}", basic.username, basic.password);
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
        .map_err(|_| BuildError::new("auth.basic can't be sent as a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[async_trait]
impl Mutator for Hydrator {
    async fn mutate(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Denial> {
        let body = session_json(session)
            .map_err(|error| Denial::new(Reason::Failed).because(error.to_string()))?;
        let answer = self.ask(request, body).await?;
        if *answer.subject != *session.subject {
            return Err(Denial::new(Reason::Dependency)
                .because("the call to an external API returned an invalid JSON object"));
        }
        session.extra = answer.extra.clone();
        session.headers = answer.headers.clone();
        // The answer's headers are all there are: those that `noop` and `cookie` mutators put there are gone unless it has them.
        session.echo = Echo::Nothing;
        session.cookies.clear();
        if let Some(context) = &answer.context {
            session.replaced = Some(Box::new(context.clone()));
        }
        Ok(())
    }
}
