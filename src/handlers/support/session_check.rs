//! Asks a session store who a request's cookie or token belongs to; shared by `cookie_session` and `bearer_token`.

use super::outgoing::{
    CacheSettings, RetrySettings, TimeoutSettings, endpoint, fixed_headers, rate_limited,
};
use crate::clients::cache::{Cache, Key, KeyBuilder};
use crate::clients::http::{Answer, Call, CallError, Timeouts};
use crate::clients::{Clients, Portable, Repeat, Retry};
use crate::gjson::{self, Unreadable};
use crate::gourl;
use crate::handlers::{BuildContext, BuildError};
use crate::pipeline::{Authn, Denial, Identity, Reason, RequestView};
use crate::value::{self, Escape, Value};
use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
#[derive(Debug, Deserialize)]
pub(in crate::handlers) struct Settings {
    check_session_url: String,
    #[serde(default)]
    preserve_path: bool,
    #[serde(default = "yes")]
    preserve_query: bool,
    #[serde(default)]
    preserve_host: bool,
    #[serde(default)]
    force_method: String,
    #[serde(default)]
    forward_http_headers: Vec<String>,
    #[serde(default)]
    additional_headers: BTreeMap<String, String>,
    #[serde(default)]
    subject_from: String,
    #[serde(default)]
    extra_from: String,
    #[serde(default)]
    require_subject: bool,
    #[serde(default)]
    cache: CacheSettings,
    #[serde(default)]
    timeout: TimeoutSettings,
    retry: Option<RetrySettings>,
}

fn yes() -> bool {
    true
}

/// One store and how it is asked.
#[derive(Debug)]
pub(in crate::handlers) struct SessionCheck {
    clients: Arc<Clients>,
    place: Place,
    host: ForwardHost,
    method: Option<Method>,
    /// Passed on, all lines of them.
    forwarded: Vec<HeaderName>,
    additional: Vec<(HeaderName, HeaderValue)>,
    subject_from: gjson::Path,
    extra_from: gjson::Path,
    subject: Subject,
    /// How long sessions are remembered.
    life: Option<Duration>,
    memory: Cache<Remembered>,
    timeouts: Timeouts,
    retry: Retry,
}

/// Whom a store named.
#[derive(Debug)]
struct Remembered(Identity);

impl Portable for Remembered {
    fn write(&self) -> Vec<u8> {
        let Identity { subject, extra } = &self.0;
        let extra = extra.as_deref().cloned().map_or(Value::Null, Value::Map);
        let members = [
            ("subject".to_owned(), Value::String(subject.to_string())),
            ("extra".to_owned(), extra),
        ];
        let mut text = Vec::new();
        value::encode(&mut text, &Value::Map(members.into()), Escape::Html);
        text
    }

    fn read(bytes: &[u8]) -> Option<Remembered> {
        let Value::Map(mut members) = value::decode(bytes).ok()? else {
            return None;
        };
        let Value::String(subject) = members.remove("subject")? else {
            return None;
        };
        let extra = match members.remove("extra")? {
            Value::Map(extra) => Some(Arc::new(extra)),
            Value::Null => None,
            _ => return None,
        };
        Some(Remembered(Identity {
            subject: subject.into(),
            extra,
        }))
    }
}

#[derive(Debug)]
enum Place {
    /// The configured URL as it is.
    Fixed(Url),
    /// With parts of the request's.
    Made {
        check: gourl::Url,
        preserve_path: bool,
        preserve_query: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForwardHost {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Required,
    MayBeEmpty,
}

impl SessionCheck {
    /// `always` is passed on whatever the settings say; `subject` is where the subject is unless they say so.
    pub(in crate::handlers) fn new(
        settings: Settings,
        always: HeaderName,
        subject: &str,
        context: &BuildContext<'_>,
    ) -> Result<SessionCheck, BuildError> {
        let mut forwarded: Vec<HeaderName> = settings
            .forward_http_headers
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter(|name| *name != always)
            .collect();
        forwarded.push(always);
        let method = match settings.force_method.as_str() {
            "" => None,
            name => Some(
                name.parse()
                    .map_err(|_| BuildError::new(format!("`{name}` is no method")))?,
            ),
        };
        let retry = match &settings.retry {
            None => Retry::NEVER,
            Some(retry) => retry.policy(Repeat::Idempotent)?,
        };
        Ok(SessionCheck {
            place: Place::new(&settings)?,
            host: match settings.preserve_host {
                true => ForwardHost::Yes,
                false => ForwardHost::No,
            },
            method,
            forwarded,
            additional: fixed_headers(&settings.additional_headers)?,
            subject_from: path(&settings.subject_from, subject)?,
            extra_from: path(&settings.extra_from, "extra")?,
            subject: match settings.require_subject {
                true => Subject::Required,
                false => Subject::MayBeEmpty,
            },
            life: settings.cache.life()?,
            memory: context.clients.cache("session"),
            timeouts: settings.timeout.timeouts()?,
            retry,
            clients: context.clients.clone(),
        })
    }

    /// Who the request's credentials belong to.
    pub(in crate::handlers) async fn identify(
        &self,
        request: &RequestView<'_>,
    ) -> Result<Authn, Denial> {
        let call = self.call(request)?;
        let key = self.life.map(|_| self.key(&call));
        if let Some(key) = &key
            && let Some(known) = self.memory.find(key).await
        {
            return Ok(Authn::Identified(known.0.clone()));
        }
        let answer = self.clients.ask(call).await.map_err(|e| unreachable(&e))?;
        let identity = self.read(&answer)?;
        if let (Some(key), Some(life)) = (key, self.life) {
            let remembered = Arc::new(Remembered(identity.clone()));
            self.memory
                .share(key, remembered, answer.body.len() * 2, life);
        }
        Ok(Authn::Identified(identity))
    }

    fn call(&self, request: &RequestView<'_>) -> Result<Call, Denial> {
        let method = match &self.method {
            Some(method) => method.clone(),
            None => request
                .canonical
                .method()
                .parse()
                .map_err(|_| Denial::new(Reason::BadRequest))?,
        };
        let mut call = Call::new(method, self.place.url(request)?);
        call.headers = self.headers(request);
        call.timeouts = Some(self.timeouts);
        call.retry = self.retry;
        Ok(call)
    }

    fn headers(&self, request: &RequestView<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in &self.forwarded {
            // Of several `Authorization` lines the first is the one that counts.
            let most = if *name == AUTHORIZATION {
                1
            } else {
                usize::MAX
            };
            for value in request.headers.get_all(name).iter().take(most) {
                headers.append(name, value.clone());
            }
        }
        for (name, value) in &self.additional {
            headers.insert(name, value.clone());
        }
        if self.host == ForwardHost::Yes
            && let Ok(host) = HeaderValue::from_str(request.transport_host)
        {
            headers.insert(X_FORWARDED_HOST, host);
        }
        headers
    }

    /// Everything that can change the answer, and how it is read.
    fn key(&self, call: &Call) -> Key {
        let mut key = KeyBuilder::new("session")
            .part(self.subject_from.as_str())
            .part(self.extra_from.as_str())
            .part([u8::from(self.subject == Subject::Required)])
            .part(call.method.as_str())
            .part(call.url.as_str())
            .count(call.headers.len());
        for (name, value) in &call.headers {
            key = key.part(name).part(value);
        }
        key.finish()
    }

    fn read(&self, answer: &Answer) -> Result<Identity, Denial> {
        match answer.status {
            StatusCode::OK => self.session(&answer.body),
            StatusCode::TOO_MANY_REQUESTS => Err(rate_limited(answer)),
            _ => Err(Denial::new(Reason::Unauthorized)),
        }
    }

    /// The body must hold nothing or one complete JSON value: a page that happens to mention a subject is no session.
    fn session(&self, body: &[u8]) -> Result<Identity, Denial> {
        let body = String::from_utf8_lossy(body);
        let subject = self.subject_from.subject(&body).map_err(no_session)?;
        if subject.is_empty() && self.subject == Subject::Required {
            return Err(
                Denial::new(Reason::Unauthorized).because("The session store named no subject")
            );
        }
        let extra = self.extra_from.extra(&body).map_err(no_session)?;
        let extra = extra.map(Arc::new);
        Ok(Identity {
            subject: subject.into(),
            extra,
        })
    }
}

impl Place {
    fn new(settings: &Settings) -> Result<Place, BuildError> {
        let fixed = endpoint(&settings.check_session_url)?;
        if settings.preserve_path && settings.preserve_query {
            return Ok(Place::Fixed(fixed));
        }
        let check = gourl::Url::parse(&settings.check_session_url)
            .map_err(|_| BuildError::new("`check_session_url` can't be parsed"))?;
        Ok(Place::Made {
            check,
            preserve_path: settings.preserve_path,
            preserve_query: settings.preserve_query,
        })
    }

    fn url(&self, request: &RequestView<'_>) -> Result<Url, Denial> {
        let (check, preserve_path, preserve_query) = match self {
            Place::Fixed(url) => return Ok(url.clone()),
            Place::Made {
                check,
                preserve_path,
                preserve_query,
            } => (check, *preserve_path, *preserve_query),
        };
        let asked = request.canonical.url();
        let url = gourl::session_check_url(check, &asked, preserve_path, preserve_query);
        let unusable = || Denial::new(Reason::BadRequest);
        let url = Url::parse(&url.to_string()).map_err(|_| unusable())?;
        // INVARIANT: the request chooses path and query, never whom to ask.
        if url.host_str()
            == Url::parse(&check.to_string())
                .ok()
                .as_ref()
                .and_then(Url::host_str)
        {
            Ok(url)
        } else {
            Err(unusable())
        }
    }
}

/// An empty path is none, as in the reference.
fn path(text: &str, default: &str) -> Result<gjson::Path, BuildError> {
    let text = if text.is_empty() { default } else { text };
    gjson::Path::parse(text).map_err(|error| BuildError::new(error.to_string()))
}

/// What is no JSON proves no session; such an answer and one of the wrong shape forbid, as recorded.
fn no_session(why: Unreadable) -> Denial {
    let reason = match why {
        Unreadable::TooCostly => Reason::Unauthorized,
        Unreadable::NotJson | Unreadable::NotAString | Unreadable::NotAnObject => Reason::Forbidden,
    };
    Denial::new(reason).because(format!("The session store's answer can't be used: {why}"))
}

/// Recorded: a store that can't be reached forbids; one whose answer breaks off is an error.
fn unreachable(error: &CallError) -> Denial {
    let reason = match error {
        CallError::TooLarge { .. } | CallError::Truncated { .. } => Reason::Dependency,
        CallError::Timeout { .. }
        | CallError::Connect { .. }
        | CallError::Certificate { .. }
        | CallError::Garbled { .. }
        | CallError::Broken { .. }
        | CallError::Unusable { .. } => Reason::Forbidden,
    };
    Denial::new(reason).because(error.to_string())
}
