//! What answers where the API has no route: a page, a line or a document, as the client likes best.

use super::{json, typed};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Response, StatusCode};
use pingora::http::RequestHeader;

const NO_ROUTE: &str =
    "The requested route does not exist. Make sure you are using the right path, domain, and port.";

/// In the form that the client likes best: HTML, unless it asks for something else that there is.
pub(super) fn not_found(request: &RequestHeader) -> Response<Bytes> {
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
