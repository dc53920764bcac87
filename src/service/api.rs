//! The API beside the decisions: health, version, rules, keys.

use crate::snapshot::Live;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::http::RequestHeader;
use std::sync::Arc;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const NO_ROUTE: &str =
    "The requested route does not exist. Make sure you are using the right path, domain, and port.";

/// Answers everything on the API listener that is no decision.
#[derive(Debug)]
pub(super) struct Api {
    live: Arc<Live>,
}

impl Api {
    pub(super) fn new(live: Arc<Live>) -> Api {
        Api { live }
    }

    /// Routes are exact: no other case, no trailing slash, no method but GET and HEAD.
    pub(super) fn answer(&self, request: &RequestHeader) -> Response<Bytes> {
        let target = request.raw_path();
        let path = target.split(|&b| b == b'?').next().unwrap_or_default();
        if request.method != Method::GET && request.method != Method::HEAD {
            return not_found(request);
        }
        match path {
            b"/health/alive" => json(StatusCode::OK, "{\"status\":\"ok\"}\n".into()),
            b"/health/ready" => self.ready(),
            b"/version" => json(
                StatusCode::OK,
                format!("{{\"version\":\"{}\"}}\n", env!("CARGO_PKG_VERSION")).into(),
            ),
            _ => not_found(request),
        }
    }

    fn ready(&self) -> Response<Bytes> {
        if self.live.load().rules.is_empty() {
            let body = "{\"error\":{\"code\":500,\"status\":\"Internal Server Error\",\"message\":\"The requested resource could not be found\"}}\n";
            return json(StatusCode::SERVICE_UNAVAILABLE, body.into());
        }
        json(StatusCode::OK, "{\"status\":\"ok\"}\n".into())
    }
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    typed(status, JSON, body)
}

fn typed(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// In the form that the client likes best: HTML, unless it asks for something else that there is.
fn not_found(request: &RequestHeader) -> Response<Bytes> {
    let accept = request
        .headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    let status = StatusCode::NOT_FOUND;
    match preferred(accept) {
        Form::Json => json(status, format!("{{\"error\":{{\"code\":404,\"message\":\"Not Found\",\"reason\":\"{NO_ROUTE}\"}}}}\n").into()),
        Form::Text => typed(status, HeaderValue::from_static("text/plain; charset=utf-8"), format!("404 Not Found: {NO_ROUTE}\n").into()),
        Form::Html => {
            let page = format!("<!DOCTYPE html>\n<html lang=\"en\"><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1><p>{NO_ROUTE}</p></body></html>\n");
            typed(status, HeaderValue::from_static("text/html; charset=utf-8"), page.into())
        }
    }
}

#[derive(Clone, Copy)]
enum Form {
    Html,
    Text,
    Json,
}

/// The heaviest of the forms that are named; HTML where none is.
fn preferred(accept: &str) -> Form {
    let mut best = (0.0, Form::Html);
    for entry in accept.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let form = match parts.next() {
            Some("application/json") => Form::Json,
            Some("text/plain") => Form::Text,
            Some("text/html") => Form::Html,
            _ => continue,
        };
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if weight > best.0 {
            best = (weight, form);
        }
    }
    best.1
}
