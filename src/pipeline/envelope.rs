//! The JSON in which Doorward words errors, as the reference does: `{"error":{"code":404,"status":"Not Found",…}}`.
//!
//! Error handlers, the API and the doors' own refusals share it, so that a client sees one form. What a client that is told little
//! gets is made at build time: a flood of refusals must not cost more than the requests that are let through.

use super::{Denial, status_text};
use crate::value::{self, Escape, Value, encode, encode_string};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};

/// Echoed in the member `request`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the reference says where it won't say why.
pub const INTERNAL: &str =
    "An internal server error occurred, please contact the system administrator";

/// One error, member by member. Empty members are left out, but for `code` and `message`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Envelope<'a> {
    pub code: u16,
    pub status: &'a str,
    /// The client's `X-Request-ID`. Bytes that are not UTF-8 become U+FFFD.
    pub request: &'a [u8],
    pub reason: &'a str,
    pub details: Option<&'a serde_json::Map<String, serde_json::Value>>,
    pub message: &'a str,
}

impl Envelope<'_> {
    /// The body, with the newline that ends it. `<`, `>` and `&` are escaped, so that no browser takes it for markup.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(160 + self.request.len() + self.reason.len());
        out.extend_from_slice(b"{\"error\":{\"code\":");
        out.extend_from_slice(self.code.to_string().as_bytes());
        push_text(&mut out, "status", self.status.as_bytes());
        push_text(&mut out, "request", self.request);
        push_text(&mut out, "reason", self.reason.as_bytes());
        if let Some(details) = self.details.filter(|details| !details.is_empty()) {
            let details: value::Map = details
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(value)))
                .collect();
            out.extend_from_slice(b",\"details\":");
            encode(&mut out, &Value::Map(details), Escape::Html);
        }
        out.extend_from_slice(b",\"message\":");
        encode_string(&mut out, self.message.as_bytes(), Escape::Html);
        out.extend_from_slice(b"}}\n");
        out.into()
    }

    /// The answer with this body. Its status is mostly, not always, `code`.
    pub fn answer(&self, status: StatusCode) -> Response<Bytes> {
        json(status, self.to_bytes())
    }
}

fn push_text(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    if !text.is_empty() {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        encode_string(out, text, Escape::Html);
    }
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// An answer that tells the status and nothing else.
pub fn brief(status: StatusCode, request_id: Option<&HeaderValue>) -> Response<Bytes> {
    json(status, brief_body(status, request_id))
}

/// The body of [`brief`].
pub fn brief_body(status: StatusCode, request_id: Option<&HeaderValue>) -> Bytes {
    let request = request_id.map_or(&b""[..], HeaderValue::as_bytes);
    match prebuilt(status) {
        Some((_, body)) if request.is_empty() => Bytes::from_static(body.as_bytes()),
        known => Envelope {
            code: status.as_u16(),
            status: status_text(status),
            request,
            message: known.map_or("The request could not be processed", |(message, _)| message),
            ..Envelope::default()
        }
        .to_bytes(),
    }
}

/// An answer that says why.
pub fn verbose(denial: &Denial, request_id: Option<&HeaderValue>) -> Response<Bytes> {
    let status = denial.status();
    Envelope {
        code: status.as_u16(),
        status: status_text(status),
        request: request_id.map_or(&b""[..], HeaderValue::as_bytes),
        reason: denial.explanation.as_deref().unwrap_or_default(),
        details: denial.details.as_ref(),
        message: &denial.message,
    }
    .answer(status)
}

/// 500 where no error handler can answer. Not subject to `verbose`: the words are Doorward's own and fixed.
pub(super) fn no_handler(
    message: &str,
    reason: &str,
    request_id: Option<&HeaderValue>,
) -> Response<Bytes> {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Envelope {
        code: status.as_u16(),
        status: status_text(status),
        request: request_id.map_or(&b""[..], HeaderValue::as_bytes),
        reason,
        message,
        ..Envelope::default()
    }
    .answer(status)
}

/// 503 of the readiness check, whose inner code is another one in the reference. `details` say what is missing.
pub fn not_ready(
    details: Option<&serde_json::Map<String, serde_json::Value>>,
    request_id: Option<&HeaderValue>,
) -> Response<Bytes> {
    Envelope {
        code: 500,
        status: "Internal Server Error",
        request: request_id.map_or(&b""[..], HeaderValue::as_bytes),
        details,
        message: "The requested resource could not be found",
        ..Envelope::default()
    }
    .answer(StatusCode::SERVICE_UNAVAILABLE)
}

/// Message and body for the statuses that have words of their own.
macro_rules! bodies {
    ($($code:literal, $status:literal, $message:expr;)*) => {
        fn prebuilt(status: StatusCode) -> Option<(&'static str, &'static str)> {
            match status.as_u16() {
                $($code => Some(($message, concat!(
                    "{\"error\":{\"code\":", $code, ",\"status\":\"", $status, "\",\"message\":\"", $message, "\"}}\n"
                ))),)*
                _ => None,
            }
        }
    };
}

// Up to 500 in the words of the reference, where it has any. Of other servers it repeats the words unasked, which is not copied.
bodies! {
    400, "Bad Request", "The request was malformed or contained invalid parameters";
    401, "Unauthorized", "The request could not be authorized";
    403, "Forbidden", "The requested action was forbidden";
    404, "Not Found", "The requested resource could not be found";
    405, "Method Not Allowed", "The request method is not supported";
    408, "Request Timeout", "The request took too long to arrive";
    409, "Conflict", "The resource could not be created due to a conflict";
    413, "Request Entity Too Large", "The request body is too large";
    414, "Request URI Too Long", "The request target is too long";
    415, "Unsupported Media Type", "The request is using an unknown content type";
    429, "Too Many Requests", "Too many requests";
    431, "Request Header Fields Too Large", "The request headers are too large";
    500, "Internal Server Error", "An internal server error occurred, please contact the system administrator";
    502, "Bad Gateway", "Another server that is needed to process the request gave no usable answer";
    503, "Service Unavailable", "The request can not be processed at the moment";
    504, "Gateway Timeout", "Another server that is needed to process the request did not answer in time";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Reason;

    fn text(answer: &Response<Bytes>) -> &str {
        std::str::from_utf8(answer.body()).expect("text")
    }

    #[test]
    fn a_brief_answer_says_the_status_in_the_words_of_the_reference() {
        let answer = brief(StatusCode::UNAUTHORIZED, None);
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(
            text(&answer),
            "{\"error\":{\"code\":401,\"status\":\"Unauthorized\",\"message\":\"The request could not be authorized\"}}\n"
        );
    }

    #[test]
    fn prebuilt_bodies_are_what_would_be_composed() {
        for code in 400..600 {
            let status = StatusCode::from_u16(code).expect("a status");
            if let Some((message, body)) = prebuilt(status) {
                let composed = Envelope {
                    code,
                    status: status_text(status),
                    message,
                    ..Envelope::default()
                };
                assert_eq!(composed.to_bytes(), body.as_bytes());
            }
        }
        assert_eq!(
            prebuilt(StatusCode::INTERNAL_SERVER_ERROR).map(|(message, _)| message),
            Some(INTERNAL)
        );
    }

    #[test]
    fn the_request_id_is_echoed_and_cannot_break_out() {
        let id = HeaderValue::from_bytes(b"a<b>&\"c\"\xff").expect("a value");
        let answer = brief(StatusCode::NOT_FOUND, Some(&id));
        assert_eq!(
            text(&answer),
            "{\"error\":{\"code\":404,\"status\":\"Not Found\",\"request\":\"a\\u003cb\\u003e\\u0026\\\"c\\\"\\ufffd\",\
             \"message\":\"The requested resource could not be found\"}}\n"
        );
    }

    #[test]
    fn a_verbose_answer_has_its_members_in_order() {
        let mut denial = Denial::new(Reason::Forbidden).because("Scope x was not granted");
        denial.details =
            serde_json::from_str(r#"{"z":1,"a":{"y":true,"b":[null]}}"#).expect("an object");
        assert_eq!(
            text(&verbose(&denial, Some(&HeaderValue::from_static("r")))),
            "{\"error\":{\"code\":403,\"status\":\"Forbidden\",\"request\":\"r\",\"reason\":\"Scope x was not granted\",\
             \"details\":{\"a\":{\"b\":[null],\"y\":true},\"z\":1},\
             \"message\":\"Access credentials are not sufficient to access this resource\"}}\n"
        );
    }

    #[test]
    fn readiness_has_another_code_inside() {
        let answer = not_ready(None, None);
        assert_eq!(answer.status(), 503);
        assert!(text(&answer).starts_with("{\"error\":{\"code\":500,"));
    }
}
