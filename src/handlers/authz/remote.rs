//! Asks another server, which gets the request's body.

use crate::handlers::support::remote::{Remote, Settings};
use crate::handlers::{Kind, settings};
use crate::pipeline::{Authorizer, Denial, RequestView, Session};
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authorizer> = Kind {
    id: "remote",
    example: r#"{ "remote": "http://authorizer/check", "headers": { "X-Subject": "{{ .Subject }}" } }"#,
    build: |raw, context| {
        let settings: Settings = settings(raw)?;
        Ok(Arc::new(RemoteAuthorizer(Remote::build(
            settings, context,
        )?)))
    },
};

#[derive(Debug)]
struct RemoteAuthorizer(Remote);

#[async_trait]
impl Authorizer for RemoteAuthorizer {
    async fn authorize(
        &self,
        request: &RequestView<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), Denial> {
        let content_type = request.header(&CONTENT_TYPE);
        let content_type = content_type
            .cloned()
            .unwrap_or(const { HeaderValue::from_static("") });
        let headers = self.0.headers(content_type, request, session)?;
        let body = match request.body {
            Some(source) => source.read().await?,
            None => Bytes::new(),
        };
        let answer = self.0.ask(headers, body).await?;
        for (name, value) in self.0.forwarded(&answer.headers) {
            session.headers.set(name, value);
        }
        Ok(())
    }

    fn needs_body(&self) -> bool {
        true
    }
}
