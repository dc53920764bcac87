//! Asks the access control policies of an Ory Keto before 0.6, or what speaks like it.

use crate::clients::http::{Call, Timeouts};
use crate::clients::{Clients, Repeat, Retry};
use crate::gourl::path;
use crate::handlers::support::outgoing::{TimeoutSettings, endpoint};
use crate::handlers::support::remote::verdict;
use crate::handlers::support::templated;
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::matcher::Strategy;
use crate::pipeline::{Authorizer, Denial, Reason, RequestView, Session};
use crate::template::Template;
use crate::value::{Value, decode_first, fold_eq, members};
use async_trait::async_trait;
use http::{HeaderValue, Method};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub(super) const KIND: Kind<dyn Authorizer> = Kind {
    id: "keto_engine_acp_ory",
    example: r#"{ "base_url": "http://keto/", "required_action": "read", "required_resource": "blog" }"#,
    build: |raw, context| Ok(Arc::new(Keto::build(settings(raw)?, context)?)),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    base_url: String,
    required_action: String,
    required_resource: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    flavor: String,
    #[serde(default)]
    timeout: TimeoutSettings,
}

/// What the reference asks about where nothing is required.
const UNSET: &str = "unset";

#[derive(Debug)]
struct Keto {
    clients: Arc<Clients>,
    url: Url,
    action: Template,
    resource: Template,
    /// `None`: the session's subject.
    subject: Option<Template>,
    timeouts: Timeouts,
}

impl Keto {
    fn build(settings: Settings, context: &BuildContext<'_>) -> Result<Keto, BuildError> {
        if context.strategy != Strategy::Regexp {
            return Err(BuildError::new(
                "keto_engine_acp_ory works only with the matching strategy `regexp`",
            ));
        }
        let flavor = match settings.flavor.as_str() {
            "" => "regex",
            flavor => flavor,
        };
        let mut url = endpoint(&settings.base_url)?;
        let joined = format!("{}/engines/acp/ory/{flavor}/allowed", url.path());
        url.set_path(&String::from_utf8_lossy(&path::clean(joined.as_bytes())));
        let template = |place: &str, source: &str| {
            let source = if source.is_empty() { UNSET } else { source };
            templated::compile(place, source, context)
        };
        Ok(Keto {
            clients: context.clients.clone(),
            url,
            action: template("required_action", &settings.required_action)?,
            resource: template("required_resource", &settings.required_resource)?,
            subject: match settings.subject.as_str() {
                "" => None,
                source => Some(templated::compile("subject", source, context)?),
            },
            timeouts: settings.timeout.timeouts()?,
        })
    }

    fn question(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<Vec<u8>, Denial> {
        let subject = match &self.subject {
            Some(template) => templated::render("subject", template, session)?,
            None => session.subject.as_bytes().to_vec(),
        };
        let action = templated::render("required_action", &self.action, session)?;
        let resource = templated::render("required_resource", &self.resource, session)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let question = serde_json::json!({
            "action": text(&action),
            "context": {
                "remoteIpAddress": request.client.address.to_string(),
                "requestedAt": jiff::Timestamp::now().to_string(),
            },
            "resource": text(&resource),
            "subject": text(&subject),
        });
        Ok(format!("{question}\n").into_bytes())
    }
}

#[async_trait]
impl Authorizer for Keto {
    async fn authorize(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Denial> {
        let mut call = Call {
            body: self.question(request, session)?.into(),
            timeouts: Some(self.timeouts),
            retry: Retry {
                repeat: Repeat::Always,
                max_delay: Duration::from_millis(100),
                give_up_after: Duration::from_secs(1),
            },
            ..Call::new(Method::POST, self.url.clone())
        };
        call.headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let answer = match verdict(self.clients.http.send(call).await) {
            // Recorded as any other failure of the engine.
            Err(denial) if denial.reason == Reason::RateLimited => {
                return Err(Denial::new(Reason::Dependency));
            }
            outcome => outcome?,
        };
        match is_allowed(&answer.body) {
            Some(true) => Ok(()),
            Some(false) => Err(Denial::new(Reason::Forbidden)),
            None => {
                Err(Denial::new(Reason::Dependency).because("the answer is not what it should be"))
            }
        }
    }
}

/// The member `allowed` of the answer, absent and null ones being false. `None` where it is no such answer.
fn is_allowed(body: &[u8]) -> Option<bool> {
    match decode_first(body).ok()?.0 {
        Value::Null => return Some(false),
        Value::Map(_) => {}
        _ => return None,
    }
    let mut allowed = false;
    for (name, text) in members(body).ok()? {
        if fold_eq(&name, "allowed") {
            match decode_first(text).ok()?.0 {
                Value::Bool(value) => allowed = value,
                Value::Null => {}
                _ => return None,
            }
        }
    }
    Some(allowed)
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn only_a_true_member_allows() {
        for (body, expected) in [
            (r#"{"allowed":true}"#, Some(true)),
            (r#"{"ALLOWED":true,"more":1}"#, Some(true)),
            (r#"{"allowed":true,"allowed":false}"#, Some(false)),
            (r#"{"allowed":false}"#, Some(false)),
            (r#"{"allowed":null}"#, Some(false)),
            ("{}", Some(false)),
            ("null", Some(false)),
            (r#"{"allowed":"true"}"#, None),
            (r#"{"allowed":1}"#, None),
            ("true", None),
            ("[]", None),
            ("", None),
            (r#"{"allowed":true"#, None),
        ] {
            assert_eq!(is_allowed(body.as_bytes()), expected, "{body}");
        }
    }
}
