//! Answers with a JSON document, brief or with the reasons.

use crate::handlers::support::when::{self, When};
use crate::handlers::{Kind, settings};
use crate::pipeline::envelope::{self, REQUEST_ID};
use crate::pipeline::{Denial, ErrorHandler, RequestView, Verdict};
use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn ErrorHandler> = Kind {
    id: "json",
    example: r#"{ "verbose": true, "when": [{ "error": ["unauthorized"] }] }"#,
    build: |raw, _| {
        let settings: Settings = settings(raw)?;
        Ok(Arc::new(Json {
            words: if settings.verbose {
                Words::Verbose
            } else {
                Words::Brief
            },
            when: When::build(settings.when)?,
        }))
    },
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Settings {
    verbose: bool,
    when: when::Settings,
}

#[derive(Debug)]
struct Json {
    words: Words,
    when: When,
}

#[derive(Debug, Clone, Copy)]
enum Words {
    Brief,
    Verbose,
}

impl ErrorHandler for Json {
    fn applies(&self, request: &RequestView<'_>, denial: &Denial) -> Verdict {
        self.when.verdict(request, denial)
    }

    fn render(&self, request: &RequestView<'_>, denial: &Denial) -> Response<Bytes> {
        let id = request.header(&REQUEST_ID);
        let mut answer = match self.words {
            Words::Brief => envelope::brief(denial.status(), id),
            Words::Verbose => envelope::verbose(denial, id),
        };
        if let Some(limits) = &denial.rate_limits {
            for (name, value) in limits.iter() {
                answer.headers_mut().insert(name.clone(), value.clone());
            }
        }
        answer
    }
}
