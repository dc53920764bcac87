//! Sets cookies from templates, beside those that the client sent.

use crate::canonical::cookies;
use crate::handlers::support::templated;
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::pipeline::{Denial, FieldName, Mutator, Reason, RequestView, Session};
use crate::template::Template;
use async_trait::async_trait;
use http::HeaderValue;
use http::header::COOKIE;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Mutator> = Kind {
    id: "cookie",
    example: r#"{ "cookies": { "user": "{{ print .Subject }}" } }"#,
    build: |raw, context| Ok(Arc::new(Cookie::build(settings(raw)?, context)?)),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    cookies: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Cookie {
    field: FieldName,
    cookies: Vec<(Arc<str>, Template)>,
}

impl Cookie {
    fn build(settings: Settings, context: &BuildContext<'_>) -> Result<Cookie, BuildError> {
        let mut cookies = Vec::with_capacity(settings.cookies.len());
        for (name, source) in &settings.cookies {
            let template = templated::compile(&format!("cookies.{name}"), source, context)?;
            cookies.push((Arc::from(name.as_str()), template));
        }
        Ok(Cookie {
            field: FieldName::new(COOKIE),
            cookies,
        })
    }
}

#[async_trait]
impl Mutator for Cookie {
    /// The cookies as they stand in the pipeline: this handler's, then those that earlier ones of its kind set, then the client's,
    /// each name once but for the client's own repetitions.
    async fn mutate(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Denial> {
        let mut made = Vec::with_capacity(self.cookies.len());
        for (name, template) in &self.cookies {
            let value = templated::render(name, template, session)?;
            made.push((name.clone(), value));
        }
        let earlier = std::mem::take(&mut session.cookies);
        for cookie in earlier {
            if !made.iter().any(|(name, _)| *name == cookie.0) {
                made.push(cookie);
            }
        }
        let mut line = String::new();
        for (name, value) in &made {
            cookies::append(&mut line, name, value, false);
        }
        for cookie in cookies::read(request.headers) {
            if !made.iter().any(|(name, _)| **name == *cookie.name) {
                cookies::append(
                    &mut line,
                    cookie.name,
                    cookie.value.as_bytes(),
                    cookie.quoted,
                );
            }
        }
        session.cookies = made;
        let value = HeaderValue::from_str(&line).map_err(|_| {
            Denial::new(Reason::Failed).because("the cookies can't be sent as a header")
        })?;
        session.headers.set(self.field.clone(), value);
        Ok(())
    }
}
