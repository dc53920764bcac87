//! Doorward's own answers on a client's connection.

use super::cors;
use crate::canonical::Rejection;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, VARY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use pingora::http::ResponseHeader;
use pingora_core::Result;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::date::get_cached_date;
use std::time::Duration;
use tokio::time::timeout;

/// How much of a body that nobody wants is read before the answer, and for how long.
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN: Duration = Duration::from_secs(1);

/// Answers the request at hand.
///
/// A body that is still on its way is read and thrown away within bounds, so that the connection can go on; beyond them the answer
/// goes out with `Connection: close`. Never is a rest of the body taken for the next request.
pub(super) async fn send(session: &mut ServerSession, answer: Response<Bytes>) -> Result<()> {
    // A client that waits for `100 Continue` sends nothing: there is nothing to drain and no telling what follows.
    let drained = session.is_body_done() || (!expects_continue(session) && drain(session).await);
    if !drained {
        session.set_keepalive(None);
    }
    write(
        session,
        answer,
        if drained {
            After::KeepOpen
        } else {
            After::Close
        },
    )
    .await?;
    if !drained {
        // Unread bytes would turn the close into a reset, which can overtake the answer.
        let _ = drain(session).await;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum After {
    KeepOpen,
    Close,
}

async fn write(session: &mut ServerSession, answer: Response<Bytes>, after: After) -> Result<()> {
    let (parts, body) = answer.into_parts();
    let bodiless = matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) || parts.status.is_informational();
    let is_head = session.req_header().method == Method::HEAD;
    let mut header = ResponseHeader::from(parts);
    if !bodiless {
        header.insert_header(CONTENT_LENGTH, body.len())?;
    }
    header.insert_header(DATE, get_cached_date())?;
    if let After::Close = after {
        header.insert_header(CONNECTION, "close")?;
    }
    session.write_response_header(Box::new(header)).await?;
    if bodiless || is_head || body.is_empty() {
        return session.finish_body().await;
    }
    session.write_response_body(body, true).await
}

fn expects_continue(session: &ServerSession) -> bool {
    session
        .req_header()
        .headers
        .contains_key(http::header::EXPECT)
}

/// Reads the rest of the body; `false` where it is too long, too late or broken.
async fn drain(session: &mut ServerSession) -> bool {
    let all = async {
        let mut left = DRAIN_BYTES;
        loop {
            match session.read_request_body().await {
                Ok(None) => return true,
                Ok(Some(part)) if part.len() <= left => left -= part.len(),
                Ok(Some(_)) | Err(_) => return false,
            }
        }
    };
    timeout(DRAIN, all).await.unwrap_or(false)
}

/// Sets what cross-origin requests need, in place of what an upstream said under the same names.
pub(super) fn add_cors(headers: &mut HeaderMap, cors: &HeaderMap) {
    for (name, value) in cors {
        if name == VARY {
            headers.append(VARY, value.clone());
        } else {
            headers.insert(name.clone(), value.clone());
        }
    }
}

pub(super) fn add_cors_to(response: &mut ResponseHeader, cors: &HeaderMap) -> Result<()> {
    for name in cors::MANAGED {
        if cors.contains_key(&name) {
            response.remove_header(&name);
        }
    }
    for (name, value) in cors {
        response.append_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// The answer to a preflight.
pub(super) fn no_content(headers: HeaderMap) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    *answer.headers_mut() = headers;
    answer
}

/// The answer to what is no request, or no single one.
pub(super) fn rejected(why: Rejection) -> Response<Bytes> {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    if status == StatusCode::OK {
        return Response::new(Bytes::new());
    }
    let phrase = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    let message = match status {
        StatusCode::NOT_FOUND => "Requested url does not match any rules",
        StatusCode::METHOD_NOT_ALLOWED => "The request method is not supported",
        StatusCode::URI_TOO_LONG => "The request target is too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "The request headers are too large",
        _ => "The request was malformed or contained invalid parameters",
    };
    let body = format!(
        "{{\"error\":{{\"code\":{code},\"status\":\"{phrase}\",\"message\":\"{message}\"}}}}\n"
    );
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
