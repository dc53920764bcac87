//! What gRPC and Connect callers expect of a refusal: a code and a form of their own.
//!
//! Sources: "gRPC over HTTP2" and "gRPC-Web" in the gRPC repository, and the Connect protocol reference.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Why a call failed, in the words that gRPC and Connect share. None of them is a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Canceled,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unimplemented,
    Internal,
    Unavailable,
    Unauthenticated,
}

impl Code {
    /// The code that says what the HTTP status of a refusal says.
    pub fn of(status: StatusCode) -> Code {
        match status.as_u16() {
            // A redirect is the way to a login.
            300..=399 | 401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::NotFound,
            405 | 501 => Code::Unimplemented,
            408 | 504 => Code::DeadlineExceeded,
            413 | 429 | 431 => Code::ResourceExhausted,
            499 => Code::Canceled,
            400..=498 => Code::InvalidArgument,
            502 | 503 => Code::Unavailable,
            _ => Code::Internal,
        }
    }

    /// The number in `grpc-status`.
    pub fn number(self) -> u16 {
        match self {
            Code::Canceled => 1,
            Code::InvalidArgument => 3,
            Code::DeadlineExceeded => 4,
            Code::NotFound => 5,
            Code::PermissionDenied => 7,
            Code::ResourceExhausted => 8,
            Code::Unimplemented => 12,
            Code::Internal => 13,
            Code::Unavailable => 14,
            Code::Unauthenticated => 16,
        }
    }

    /// Connect's name of the code.
    pub fn name(self) -> &'static str {
        match self {
            Code::Canceled => "canceled",
            Code::InvalidArgument => "invalid_argument",
            Code::DeadlineExceeded => "deadline_exceeded",
            Code::NotFound => "not_found",
            Code::PermissionDenied => "permission_denied",
            Code::ResourceExhausted => "resource_exhausted",
            Code::Unimplemented => "unimplemented",
            Code::Internal => "internal",
            Code::Unavailable => "unavailable",
            Code::Unauthenticated => "unauthenticated",
        }
    }

    /// The HTTP status that a unary Connect call fails with.
    pub fn connect_status(self) -> StatusCode {
        match self {
            Code::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        }
    }
}

/// How a caller speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    Grpc,
    /// With the content type of the request.
    GrpcWeb(HeaderValue),
    /// A Connect stream, with the content type of the request.
    ConnectStream(HeaderValue),
    /// A unary Connect call, or a request that is no call at all: both understand a status and JSON.
    ConnectUnary,
}

impl Dialect {
    /// Told by the content type.
    pub fn of(headers: &HeaderMap) -> Dialect {
        let Some(kind) = headers.get(CONTENT_TYPE) else {
            return Dialect::ConnectUnary;
        };
        let bytes = kind.as_bytes();
        let is = |name: &[u8]| {
            matches!(
                bytes.strip_prefix(name),
                Some([] | [b'+' | b';' | b' ', ..])
            )
        };
        if is(b"application/grpc") {
            Dialect::Grpc
        } else if is(b"application/grpc-web") || is(b"application/grpc-web-text") {
            Dialect::GrpcWeb(kind.clone())
        } else if bytes.starts_with(b"application/connect+") {
            Dialect::ConnectStream(kind.clone())
        } else {
            Dialect::ConnectUnary
        }
    }

    /// The form of a refusal that this caller understands: its status as a code, and its other headers. Its body is left out, and
    /// nothing of the call needs to be read for it.
    pub fn refusal(&self, answer: &Response<Bytes>) -> Response<Bytes> {
        let status = answer.status();
        let code = Code::of(status);
        // Plain words in ASCII: nothing to be encoded.
        let words = status.canonical_reason().unwrap_or("refused");
        let error = format!(r#"{{"code":"{}","message":"{words}"}}"#, code.name());
        let (status, kind, body) = match self {
            // "Trailers-Only": the status is among the headers.
            Dialect::Grpc => (StatusCode::OK, GRPC, Bytes::new()),
            Dialect::GrpcWeb(kind) => (StatusCode::OK, kind.clone(), Bytes::new()),
            Dialect::ConnectStream(kind) => {
                let end = end_of_stream(&format!(r#"{{"error":{error}}}"#));
                (StatusCode::OK, kind.clone(), end)
            }
            Dialect::ConnectUnary => (code.connect_status(), JSON, error.into()),
        };
        let mut refusal = Response::new(body);
        *refusal.status_mut() = status;
        let headers = refusal.headers_mut();
        for (name, value) in answer.headers() {
            if !matches!(*name, CONTENT_TYPE | CONTENT_LENGTH | TRANSFER_ENCODING) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers.insert(CONTENT_TYPE, kind);
        if matches!(self, Dialect::Grpc | Dialect::GrpcWeb(_)) {
            headers.insert(GRPC_STATUS, HeaderValue::from(code.number()));
            headers.insert(GRPC_MESSAGE, HeaderValue::from_static(words));
        }
        refusal
    }
}

/// The last message of a Connect stream: a flag, a length, and JSON.
fn end_of_stream(json: &str) -> Bytes {
    const END: u8 = 0b10;
    let mut bytes = BytesMut::with_capacity(5 + json.len());
    bytes.put_u8(END);
    bytes.put_u32(u32::try_from(json.len()).unwrap_or(u32::MAX));
    bytes.put_slice(json.as_bytes());
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::WWW_AUTHENTICATE;

    fn spoken(kind: &'static str) -> Dialect {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Dialect::of(&headers)
    }

    fn denied() -> Response<Bytes> {
        let mut answer = Response::new(Bytes::from_static(b"{}"));
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("2"));
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        answer
    }

    #[test]
    fn callers_are_told_apart_by_their_content_type() {
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;x=y",
        ] {
            assert_eq!(spoken(kind), Dialect::Grpc, "{kind}");
        }
        for kind in ["application/grpc-web", "application/grpc-web-text+proto"] {
            assert_eq!(
                spoken(kind),
                Dialect::GrpcWeb(HeaderValue::from_static(kind))
            );
        }
        let stream = "application/connect+json";
        assert_eq!(
            spoken(stream),
            Dialect::ConnectStream(HeaderValue::from_static(stream))
        );
        for kind in [
            "application/json",
            "application/proto",
            "application/grpcx",
            "text/html",
        ] {
            assert_eq!(spoken(kind), Dialect::ConnectUnary, "{kind}");
        }
        assert_eq!(Dialect::of(&HeaderMap::new()), Dialect::ConnectUnary);
    }

    #[test]
    fn a_refusal_of_grpc_is_a_status_and_keeps_its_other_headers() {
        let refusal = Dialect::Grpc.refusal(&denied());
        assert_eq!(refusal.status(), 200);
        assert_eq!(refusal.headers().len(), 4);
        assert_eq!(refusal.headers()["grpc-status"], "16");
        assert_eq!(refusal.headers()["grpc-message"], "Unauthorized");
        assert_eq!(refusal.headers()[CONTENT_TYPE], "application/grpc");
        assert_eq!(refusal.headers()[WWW_AUTHENTICATE], "Basic");
        assert!(refusal.body().is_empty());
    }

    #[test]
    fn a_refusal_of_connect_is_json_behind_a_status_or_at_the_end_of_a_stream() {
        let json = br#"{"code":"unauthenticated","message":"Unauthorized"}"#;
        let refusal = Dialect::ConnectUnary.refusal(&denied());
        assert_eq!(refusal.status(), 401);
        assert_eq!(refusal.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(&refusal.body()[..], json);

        let refusal = spoken("application/connect+proto").refusal(&denied());
        assert_eq!(refusal.status(), 200);
        assert_eq!(refusal.headers()[CONTENT_TYPE], "application/connect+proto");
        let length = u8::try_from(json.len() + br#"{"error":}"#.len()).unwrap();
        assert_eq!(refusal.body()[..5], [2, 0, 0, 0, length]);
        assert_eq!(
            refusal.body()[5..],
            [&br#"{"error":"#[..], json, b"}"].concat()
        );
    }

    #[test]
    fn no_refusal_is_a_success_in_any_dialect() {
        for status in 300..600 {
            let code = Code::of(StatusCode::from_u16(status).unwrap());
            assert_ne!(code.number(), 0, "{status}");
            assert!(code.connect_status().as_u16() >= 400, "{status}");
        }
    }
}
