//! Refusals for gRPC callers, who read a status of their own and not HTTP's.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderValue, Response, StatusCode};
use pingora::http::ResponseHeader;
use pingora_core::Result;
use pingora_core::protocols::http::{HttpTask, ServerSession};

/// Sends the gRPC form of an answer: headers alone, with the status in them ("Trailers-Only" of the gRPC protocol over HTTP/2).
///
/// The rest of the call is not read: a client that streams may wait for this answer before it ends.
pub(super) async fn send(session: &mut ServerSession, answer: &Response<Bytes>) -> Result<()> {
    session.set_keepalive(None);
    let header = trailers_only(answer)?;
    let only = HttpTask::Header(Box::new(header), true);
    session.response_duplex_vec(vec![only]).await?;
    Ok(())
}

fn trailers_only(answer: &Response<Bytes>) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build(StatusCode::OK, None)?;
    for (name, value) in answer.headers() {
        if !matches!(*name, CONTENT_TYPE | CONTENT_LENGTH | TRANSFER_ENCODING) {
            header.append_header(name.clone(), value.clone())?;
        }
    }
    let status = answer.status();
    header.insert_header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))?;
    header.insert_header("grpc-status", HeaderValue::from(code(status)))?;
    // Plain words in ASCII: nothing to be encoded.
    let message = status.canonical_reason().unwrap_or("refused");
    header.insert_header("grpc-message", HeaderValue::from_static(message))?;
    Ok(header)
}

/// The gRPC code that says what the HTTP status says.
fn code(status: StatusCode) -> u16 {
    const CANCELLED: u16 = 1;
    const INVALID_ARGUMENT: u16 = 3;
    const DEADLINE_EXCEEDED: u16 = 4;
    const NOT_FOUND: u16 = 5;
    const PERMISSION_DENIED: u16 = 7;
    const RESOURCE_EXHAUSTED: u16 = 8;
    const UNIMPLEMENTED: u16 = 12;
    const INTERNAL: u16 = 13;
    const UNAVAILABLE: u16 = 14;
    const UNAUTHENTICATED: u16 = 16;
    match status.as_u16() {
        // A redirect is the way to a login.
        300..=399 | 401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => NOT_FOUND,
        405 | 501 => UNIMPLEMENTED,
        408 | 504 => DEADLINE_EXCEEDED,
        413 | 429 | 431 => RESOURCE_EXHAUSTED,
        499 => CANCELLED,
        400..=498 => INVALID_ARGUMENT,
        502 | 503 => UNAVAILABLE,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::WWW_AUTHENTICATE;

    #[test]
    fn a_refusal_is_a_status_and_keeps_its_other_headers() {
        let mut answer = Response::new(Bytes::from_static(b"{}"));
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("2"));
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        let header = trailers_only(&answer).unwrap();
        assert_eq!(header.status, 200);
        assert_eq!(header.headers.len(), 4);
        assert_eq!(header.headers["grpc-status"], "16");
        assert_eq!(header.headers[CONTENT_TYPE], "application/grpc");
        assert_eq!(header.headers[WWW_AUTHENTICATE], "Basic");
    }

    #[test]
    fn no_refusal_is_a_success() {
        for status in 300..600 {
            let status = StatusCode::from_u16(status).unwrap();
            assert_ne!(code(status), 0, "{status}");
        }
    }
}
