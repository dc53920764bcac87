//! What the authorizers that ask another server have in common: a POST whose answer 200 allows and 403 refuses.

use super::outgoing::{RetrySettings, TimeoutSettings, endpoint, rate_limited};
use super::templated::{Value, header_value};
use crate::clients::http::{Answer, Call, CallError, Timeouts};
use crate::clients::{Clients, Repeat, Retry};
use crate::handlers::{BuildContext, BuildError};
use crate::pipeline::{Denial, FieldName, Reason, RequestView, Session};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// The settings of `remote`, and those of `remote_json` but its payload.
#[derive(Deserialize)]
pub(in crate::handlers) struct Settings {
    remote: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    forward_response_headers_to_upstream: Vec<String>,
    #[serde(default)]
    retry: RetrySettings,
    #[serde(default)]
    timeout: TimeoutSettings,
}

/// The other server, and what is said to it.
#[derive(Debug)]
pub(in crate::handlers) struct Remote {
    clients: Arc<Clients>,
    url: Url,
    headers: Vec<(HeaderName, Value)>,
    /// Headers of its answer that the upstream gets.
    pub(in crate::handlers) forward: Vec<FieldName>,
    timeouts: Timeouts,
    retry: Retry,
}

impl Remote {
    pub(in crate::handlers) fn build(
        settings: Settings,
        context: &BuildContext<'_>,
    ) -> Result<Remote, BuildError> {
        let mut headers = Vec::with_capacity(settings.headers.len());
        for (name, source) in &settings.headers {
            let value = Value::build(&format!("headers.{name}"), source, context)?;
            headers.push((header_name("headers", name)?, value));
        }
        let forward = settings
            .forward_response_headers_to_upstream
            .iter()
            .map(|name| header_name("forward_response_headers_to_upstream", name))
            .map(|name| name.map(FieldName::new))
            .collect::<Result<_, _>>()?;
        Ok(Remote {
            clients: context.clients.clone(),
            url: endpoint(&settings.remote)?,
            headers,
            forward,
            timeouts: settings.timeout.timeouts()?,
            // The call only asks: asking again changes nothing.
            retry: settings.retry.policy(Repeat::Always)?,
        })
    }

    /// The call's headers: the content type, the client's credentials, and what the templates say. Where those say nothing, what
    /// stands stays.
    pub(in crate::handlers) fn headers(
        &self,
        content_type: HeaderValue,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<HeaderMap, Denial> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 2);
        headers.insert(http::header::CONTENT_TYPE, content_type);
        if let Some(credentials) = request.header(&AUTHORIZATION)
            && !credentials.is_empty()
        {
            let mut credentials = credentials.clone();
            credentials.set_sensitive(true);
            headers.insert(AUTHORIZATION, credentials);
        }
        for (name, value) in &self.headers {
            let value = value.get(session)?;
            if !value.is_empty() {
                headers.insert(name.clone(), value);
            }
        }
        Ok(headers)
    }

    /// Asks. `Ok` is the answer of a server that allows.
    pub(in crate::handlers) async fn ask(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Denial> {
        let call = Call {
            headers,
            body,
            timeouts: Some(self.timeouts),
            retry: self.retry,
            ..Call::new(Method::POST, self.url.clone())
        };
        verdict(self.clients.ask(call).await)
    }

    /// The headers that the upstream gets of the answer. One that the answer lacks is sent empty, so that the client's own can't
    /// stand in for it.
    pub(in crate::handlers) fn forwarded(
        &self,
        answer: &HeaderMap,
    ) -> Vec<(FieldName, HeaderValue)> {
        self.forward
            .iter()
            .map(|name| {
                let value = answer
                    .get(name.name())
                    .and_then(|value| header_value(value.as_bytes()))
                    .unwrap_or(const { HeaderValue::from_static("") });
                (name.clone(), value)
            })
            .collect()
    }

    pub(in crate::handlers) fn url(&self) -> &Url {
        &self.url
    }
}

fn header_name(place: &str, name: &str) -> Result<HeaderName, BuildError> {
    name.parse()
        .map_err(|_| BuildError::new(format!("{place}: `{name}` is no header's name")))
}

/// 200 allows, 403 refuses, 429 is passed on; everything else is a server that does not work.
pub(in crate::handlers) fn verdict(outcome: Result<Answer, CallError>) -> Result<Answer, Denial> {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%error, "an authorizer can't be asked");
            return Err(Denial::new(Reason::Dependency).because(error.to_string()));
        }
    };
    match answer.status {
        StatusCode::OK => Ok(answer),
        StatusCode::FORBIDDEN => Err(Denial::new(Reason::Forbidden)),
        StatusCode::TOO_MANY_REQUESTS => Err(rate_limited(&answer)),
        status => Err(Denial::new(Reason::Dependency).because(format!(
            "expected status code 200 but got {}",
            status.as_u16()
        ))),
    }
}
