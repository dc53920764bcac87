//! Redirects, to a login page for example.

use crate::gourl::Url;
use crate::gourl::{absolute_location, location, redirect_url};
use crate::handlers::support::when::{self, When};
use crate::handlers::{BuildError, Kind, settings};
use crate::pipeline::envelope::{self, REQUEST_ID};
use crate::pipeline::{Denial, ErrorHandler, RequestView, Verdict, status_text};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn ErrorHandler> = Kind {
    id: "redirect",
    example: r#"{ "to": "https://login.example.org/", "code": 302, "return_to_query_param": "return_to" }"#,
    build: |raw, _| Ok(Arc::new(Redirect::build(settings(raw)?)?)),
};

const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    to: String,
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    return_to_query_param: String,
    #[serde(default)]
    when: when::Settings,
}

#[derive(Debug)]
struct Redirect {
    status: StatusCode,
    target: Target,
    when: When,
}

#[derive(Debug)]
enum Target {
    /// The same for every request.
    Fixed(Link),
    /// Depends on the request: relative to its path, or with its URL in a query parameter.
    Made {
        to: String,
        return_to_query_param: String,
    },
}

/// A `Location`, and the page that a browser shows if it doesn't follow.
#[derive(Debug, Clone)]
struct Link {
    location: HeaderValue,
    page: Bytes,
}

impl Redirect {
    fn build(settings: Settings) -> Result<Redirect, BuildError> {
        let status = match settings.code {
            None | Some(302) => StatusCode::FOUND,
            Some(301) => StatusCode::MOVED_PERMANENTLY,
            Some(other) => {
                return Err(BuildError::new(format!(
                    "code `{other}` is neither 301 nor 302"
                )));
            }
        };
        let to = settings.to;
        let fixed = settings.return_to_query_param.is_empty() && !depends_on_path(&to);
        let target = if fixed {
            let link = Link::new(&to, b"/", status)
                .ok_or_else(|| BuildError::new(format!("`{to}` can't be sent as a location")))?;
            Target::Fixed(link)
        } else {
            Target::Made {
                to,
                return_to_query_param: settings.return_to_query_param,
            }
        };
        Ok(Redirect {
            status,
            target,
            when: When::build(settings.when)?,
        })
    }

    fn link(&self, request: &RequestView<'_>) -> Option<Link> {
        match &self.target {
            Target::Fixed(link) => Some(link.clone()),
            Target::Made {
                to,
                return_to_query_param,
            } => {
                let url = redirect_url(to, return_to_query_param, &asked_for(request));
                Link::new(&url, &request.canonical.path_bytes(), self.status)
            }
        }
    }
}

fn depends_on_path(to: &str) -> bool {
    !to.starts_with('/') && Url::parse(to).is_ok_and(|url| !url.is_abs() && url.host.is_empty())
}

/// The URL that the client sees in its address bar, as far as a trusted peer tells: it may differ from what is decided on, and its
/// query with it. Untrusted forwarding headers are gone before a pipeline runs.
fn asked_for(request: &RequestView<'_>) -> Url {
    let mut url = request.canonical.url();
    let target = request
        .header_text(&FORWARDED_URI)
        .filter(|target| target.starts_with('/'))
        .and_then(|target| Url::parse_request_uri(target).ok());
    if let Some(target) = target {
        let decided = std::mem::replace(&mut url, target);
        if url.raw_query.is_empty() {
            url.raw_query = decided.raw_query;
        }
        url.scheme = decided.scheme;
        url.host = decided.host;
    }
    if let Some(host) = request
        .header_text(&FORWARDED_HOST)
        .filter(|host| is_host(host))
    {
        url.host = host.to_owned();
    }
    url
}

/// Whether a text can stand in a URL's place for the host and nowhere else.
fn is_host(text: &str) -> bool {
    let fits =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !text.is_empty() && text.bytes().all(fits)
}

impl Link {
    fn new(target: &str, request_path: &[u8], status: StatusCode) -> Option<Link> {
        let page = format!(
            "<a href=\"{}\">{}</a>.\n\n",
            escape_html(&absolute_location(target, request_path)),
            status_text(status)
        );
        Some(Link {
            location: HeaderValue::from_str(&location(target, request_path)).ok()?,
            page: page.into(),
        })
    }
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

impl ErrorHandler for Redirect {
    fn applies(&self, request: &RequestView<'_>, denial: &Denial) -> Verdict {
        self.when.verdict(request, denial)
    }

    fn render(&self, request: &RequestView<'_>, _: &Denial) -> Response<Bytes> {
        let Some(link) = self.link(request) else {
            // INVARIANT: `location` is printable ASCII. A miss would be a defect, and is still a refusal.
            return envelope::brief(
                StatusCode::INTERNAL_SERVER_ERROR,
                request.header(&REQUEST_ID),
            );
        };
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = self.status;
        answer.headers_mut().insert(LOCATION, link.location);
        match request.canonical.method() {
            "GET" => *answer.body_mut() = link.page,
            "HEAD" => {}
            _ => return answer,
        }
        answer.headers_mut().insert(CONTENT_TYPE, HTML);
        answer
    }
}
