//! The client credentials grant of OAuth 2 (RFC 6749, 4.4), as Go's `x/oauth2` asks for it and reads its answers.

use crate::clients::http::{Answer, Call, CallError, Timeouts};
use crate::clients::{Clients, Retry};
use crate::gourl::{Values, parse_query, query_escape};
use crate::value::{self, Value, fold_eq, members};
use ::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderValue, Method};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;
use zeroize::Zeroizing;

pub(in crate::handlers) const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded");

/// Where tokens are asked for.
#[derive(Debug, Clone)]
pub(in crate::handlers) struct TokenEndpoint {
    pub(in crate::handlers) clients: Arc<Clients>,
    /// `None` where it can't be called, which is found out when it is needed, as in the reference.
    pub(in crate::handlers) url: Option<Url>,
    pub(in crate::handlers) scopes: Vec<String>,
    pub(in crate::handlers) audience: Option<String>,
    pub(in crate::handlers) timeouts: Timeouts,
    pub(in crate::handlers) retry: Retry,
}

/// A client's name and secret, each as it is.
#[derive(Clone)]
pub(in crate::handlers) struct Credentials {
    pub(in crate::handlers) id: Vec<u8>,
    pub(in crate::handlers) secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// How a client shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handlers) enum Style {
    Header,
    Body,
}

/// What was granted. The tokens themselves are never printed.
#[derive(Clone)]
pub(in crate::handlers) struct Grant {
    pub(in crate::handlers) access_token: Zeroizing<String>,
    pub(in crate::handlers) token_type: String,
    pub(in crate::handlers) expires: Option<Expires>,
    pub(in crate::handlers) scope: Option<String>,
}

/// When a token ends.
#[derive(Debug, Clone, Copy)]
pub(in crate::handlers) enum Expires {
    At(Instant),
    /// Was granted with an end before its beginning.
    Already,
}

impl Expires {
    fn after(seconds: i64) -> Option<Expires> {
        match u64::try_from(seconds) {
            Ok(0) => None,
            Ok(seconds) => {
                let life = Duration::from_secs(seconds.min(u64::from(u32::MAX / 2)));
                Some(Expires::At(Instant::now() + life))
            }
            Err(_) => Some(Expires::Already),
        }
    }

    pub(in crate::handlers) fn left(self) -> Duration {
        match self {
            Expires::At(then) => then.saturating_duration_since(Instant::now()),
            Expires::Already => Duration::ZERO,
        }
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Why nothing was granted.
#[derive(Debug, Clone, thiserror::Error)]
pub(in crate::handlers) enum TokenError {
    #[error(transparent)]
    Call(#[from] CallError),
    /// The endpoint said no: by its status, or by an `error` in its answer.
    #[error("the token endpoint answered {}", .0.status.as_u16())]
    Refused(Box<Answer>),
    #[error("the token endpoint's answer holds no token")]
    Useless,
    #[error("the token endpoint can't be called")]
    Unusable,
}

impl TokenEndpoint {
    pub(in crate::handlers) async fn grant(
        &self,
        client: &Credentials,
        style: Style,
    ) -> Result<Grant, TokenError> {
        let Some(url) = self.url.clone() else {
            return Err(TokenError::Unusable);
        };
        let call = self.call(url, client, style);
        read(self.clients.ask(call).await?)
    }

    fn call(&self, url: Url, client: &Credentials, style: Style) -> Call {
        let mut form = Values::default();
        form.set("grant_type", "client_credentials");
        if !self.scopes.is_empty() {
            form.set("scope", self.scopes.join(" "));
        }
        if let Some(audience) = self.audience.as_deref().filter(|text| !text.is_empty()) {
            form.set("audience", audience);
        }
        let mut call = Call::new(Method::POST, url);
        match style {
            Style::Header => drop(call.headers.insert(AUTHORIZATION, basic(client))),
            Style::Body => {
                form.set("client_id", client.id.clone());
                form.set("client_secret", client.secret.to_vec());
            }
        }
        call.headers.insert(CONTENT_TYPE, FORM);
        call.body = form.encode().into();
        call.timeouts = Some(self.timeouts);
        call.retry = self.retry;
        call
    }
}

/// Both parts form-encoded first (RFC 6749, 2.3.1).
fn basic(client: &Credentials) -> HeaderValue {
    let pair = Zeroizing::new(format!(
        "{}:{}",
        query_escape(&client.id),
        query_escape(&client.secret)
    ));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.as_bytes())))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// What an answer says, before its status counts.
#[derive(Default)]
struct Said {
    access_token: String,
    token_type: String,
    expires: i64,
    error: String,
    scope: Option<String>,
}

fn read(answer: Answer) -> Result<Grant, TokenError> {
    let said = if is_form(&answer) {
        said_in_form(&answer.body)
    } else {
        said_in_json(&answer.body)
    };
    if !answer.status.is_success() {
        return Err(TokenError::Refused(Box::new(answer)));
    }
    let said = said.ok_or(TokenError::Useless)?;
    if !said.error.is_empty() {
        return Err(TokenError::Refused(Box::new(answer)));
    }
    if said.access_token.is_empty() {
        return Err(TokenError::Useless);
    }
    Ok(Grant {
        access_token: said.access_token.into(),
        token_type: said.token_type,
        expires: Expires::after(said.expires),
        scope: said.scope,
    })
}

fn is_form(answer: &Answer) -> bool {
    let kind = answer
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    ["application/x-www-form-urlencoded", "text/plain"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

fn said_in_form(body: &[u8]) -> Option<Said> {
    let parsed = parse_query(std::str::from_utf8(body).ok()?);
    let text = |name: &str| {
        let value = parsed.values.get(name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    Some(Said {
        access_token: text("access_token").unwrap_or_default(),
        token_type: text("token_type").unwrap_or_default(),
        expires: text("expires_in")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        error: text("error").unwrap_or_default(),
        scope: text("scope"),
    })
}

/// `None` where it is no JSON object or a member is of the wrong type; `null` members are absent ones.
fn said_in_json(body: &[u8]) -> Option<Said> {
    let mut said = Said::default();
    if value::decode(body).ok()? == Value::Null {
        return Some(said);
    }
    for (name, text) in members(body).ok()? {
        let value = value::decode(text).ok()?;
        if value == Value::Null {
            continue;
        }
        let known = |field: &str| fold_eq(&name, field);
        if known("access_token") {
            said.access_token = value.as_str()?.to_owned();
        } else if known("token_type") {
            said.token_type = value.as_str()?.to_owned();
        } else if known("error") {
            said.error = value.as_str()?.to_owned();
        } else if ["refresh_token", "error_description", "error_uri"]
            .iter()
            .any(|field| known(field))
        {
            value.as_str()?;
        } else if known("expires_in") {
            said.expires = whole(text, &value)?;
        } else if name == "scope" {
            said.scope = value.as_str().map(str::to_owned);
        }
    }
    Some(said)
}

/// A whole number, or one as text.
fn whole(text: &[u8], value: &Value) -> Option<i64> {
    match value {
        Value::Number(_) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Strings(_) | Value::Map(_) => None,
    }
}
