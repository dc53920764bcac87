//! `/rules`: the valid rules, page by page, without what is secret in them.

use super::json;
use crate::config::{self, HandlerKind};
use crate::pipeline::envelope;
use crate::rules::raw::{Rule, Uses};
use crate::rules::status::Report;
use bytes::Bytes;
use http::{Response, StatusCode};
use percent_encoding::percent_decode;
use pingora::http::RequestHeader;
use std::borrow::Cow;
use std::sync::Arc;

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 500;

/// `limit` (50 where absent or no number, 500 at most) rules from `offset` on.
pub(super) fn list(report: &Report, query: &[u8]) -> Response<Bytes> {
    let limit = number(query, "limit").unwrap_or(PAGE).min(LARGEST_PAGE);
    let offset = number(query, "offset").unwrap_or(0);
    let page: Vec<Rule> = report
        .rules
        .iter()
        .skip(offset)
        .take(limit)
        .map(|rule| redacted(rule))
        .collect();
    answer(serde_json::to_string(&page))
}

/// The first rule with an id, which may be percent-encoded.
pub(super) fn one(report: &Report, id: &[u8], request: &RequestHeader) -> Response<Bytes> {
    let id: Cow<'_, [u8]> = percent_decode(id).into();
    let rule = std::str::from_utf8(&id).ok().and_then(|id| report.rule(id));
    match rule {
        Some(rule) => answer(serde_json::to_string(&redacted(rule))),
        None => envelope::brief(StatusCode::NOT_FOUND, request.headers.get("x-request-id")),
    }
}

/// The first parameter of that name as Go's `Atoi` reads it; negative numbers count as 0.
fn number(query: &[u8], name: &str) -> Option<usize> {
    let mut parameters = url::form_urlencoded::parse(query);
    let (_, text) = parameters.find(|(found, _)| found == name)?;
    let number: i64 = text.parse().ok()?;
    Some(usize::try_from(number).unwrap_or(0))
}

/// As Go encodes JSON: nothing in it can end a script element.
fn answer(text: serde_json::Result<String>) -> Response<Bytes> {
    match text {
        Ok(text) => {
            let safe = text
                .replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026")
                .replace('\u{2028}', "\\u2028")
                .replace('\u{2029}', "\\u2029");
            json(StatusCode::OK, format!("{safe}\n").into())
        }
        Err(_) => envelope::brief(StatusCode::INTERNAL_SERVER_ERROR, None),
    }
}

fn redacted(rule: &Rule) -> Rule {
    let mut shown = rule.clone();
    let hide = |kind, uses: &mut Option<Uses>| {
        for used in uses.iter_mut().flat_map(Arc::make_mut) {
            used.config = config::redacted(kind, &used.handler, &used.config);
        }
    };
    hide(HandlerKind::Authenticator, &mut shown.authenticators);
    hide(HandlerKind::Mutator, &mut shown.mutators);
    hide(HandlerKind::Error, &mut shown.errors);
    let used = Arc::make_mut(&mut shown.authorizer);
    used.config = config::redacted(HandlerKind::Authorizer, &used.handler, &used.config);
    let upstream = Arc::make_mut(&mut shown.upstream);
    upstream.url = config::without_password(&upstream.url);
    for value in upstream.own.values_mut() {
        config::redact_by_name(value);
    }
    shown
}
