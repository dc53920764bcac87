//! Sets headers from templates.

use crate::handlers::support::templated::Value;
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::pipeline::{Denial, FieldName, Mutator, RequestView, Session};
use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Mutator> = Kind {
    id: "header",
    example: r#"{ "headers": { "X-User": "{{ print .Subject }}" } }"#,
    build: |raw, context| Ok(Arc::new(Header::build(settings(raw)?, context)?)),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    headers: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Header {
    headers: Vec<(FieldName, Value)>,
}

impl Header {
    fn build(settings: Settings, context: &BuildContext<'_>) -> Result<Header, BuildError> {
        let mut headers = Vec::with_capacity(settings.headers.len());
        for (name, source) in &settings.headers {
            let field: HeaderName = name
                .parse()
                .map_err(|_| BuildError::new(format!("headers: `{name}` is no header's name")))?;
            let value = Value::build(&format!("headers.{name}"), source, context)?;
            headers.push((FieldName::new(field), value));
        }
        Ok(Header { headers })
    }
}

#[async_trait]
impl Mutator for Header {
    /// Empty values are set too: the client's own header of that name must not pass.
    async fn mutate(&self, _: &RequestView<'_>, session: &mut Session<'_>) -> Result<(), Denial> {
        // First all values, then the changes: templates of one handler don't see each other's results.
        let mut values: Vec<HeaderValue> = Vec::with_capacity(self.headers.len());
        for (_, value) in &self.headers {
            values.push(value.get(session)?);
        }
        for ((name, _), value) in self.headers.iter().zip(values) {
            session.headers.set(name.clone(), value);
        }
        Ok(())
    }
}
