//! A body without an announced length that was read for the decision, put back in front of Pingora.
//!
//! Pingora hands a body that was read in advance to the upstream only out of its retry buffer, which holds 64 KiB (design:
//! pingora.md, P03). The connection of an HTTP/1 request is the door's own, though: it takes the body back and lets a new session read
//! it. A stream of HTTP/2 gets a larger buffer around it. Now the body has a length; the client notices nothing, and the upstream gets
//! every byte.

use super::body::read_whole;
use super::conn::Conn;
use super::replay::Replayed;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v1::server::HttpSession;
use pingora_core::{Error, ErrorType, Result};
use std::time::Duration;

/// From memory: the limit is a formality.
const REREAD: Duration = Duration::from_secs(1);

/// All that the new session needs to be one; the true head takes its place at once.
fn stand_in(length: usize) -> BytesMut {
    let head = format!("POST / HTTP/1.1\r\nHost: -\r\nContent-Length: {length}\r\n\r\n");
    BytesMut::from(head.as_bytes())
}

/// Makes a session whose body was read to its end one whose body is still to come.
///
/// What is read of it later is to be replaced by the whole of it, as with any body that was read for the decision.
pub(super) async fn rewind(session: &mut ServerSession, body: Bytes) -> Result<()> {
    session
        .req_header_mut()
        .insert_header(CONTENT_LENGTH, body.len())?;
    let gone = ServerSession::new_custom(Box::new(()));
    *session = match std::mem::replace(session, gone) {
        ServerSession::H1(old) => reread(old, &body).await?,
        ServerSession::H2(stream) => {
            ServerSession::new_custom(Box::new(Replayed::new(stream, body)))
        }
        ServerSession::Subrequest(_) | ServerSession::Custom(_) => return Err(lost()),
    };
    Ok(())
}

async fn reread(old: HttpSession, body: &[u8]) -> Result<ServerSession> {
    let header = old.req_header().clone();
    let keepalive = old.get_keepalive_timeout();
    let reuses = old.get_keepalive_reuses_remaining();
    let timeouts = (old.get_read_timeout(), old.get_write_timeout());
    let mut conn = old
        .into_inner()
        .into_any()
        .downcast::<Conn>()
        .map_err(|_| lost())?;
    conn.put_back(body);
    let mut new = ServerSession::new_http1(conn);
    new.set_pipelined_prefix(stand_in(body.len()));
    if !new.read_request().await? {
        return Err(lost());
    }
    *new.req_header_mut() = header;
    // Settles the framing, by the length.
    new.is_body_done();
    new.set_keepalive(keepalive);
    new.set_keepalive_reuses_remaining(reuses);
    new.set_read_timeout(timeouts.0);
    new.set_write_timeout(timeouts.1);
    // Through Pingora's buffer, which keeps its end: so it can be sent again, too.
    read_whole(&mut new, body.len(), REREAD)
        .await
        .map_err(|_| lost())?;
    Ok(new)
}

fn lost() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "a session that can't be rewound")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::head::Framing;
    use tokio::io::{AsyncWriteExt, duplex};

    async fn whole(session: &mut ServerSession) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(part) = session.read_request_body().await.unwrap() {
            whole.extend_from_slice(&part);
        }
        whole
    }

    #[tokio::test]
    async fn a_body_is_read_again_and_what_follows_stays_behind_it() {
        let (mut client, server) = duplex(1 << 20);
        let head = "POST /true HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n";
        let sent = vec![b'x'; 300_000];
        let next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        for part in sent.chunks(70_000) {
            let size = format!("{:x}\r\n", part.len());
            client.write_all(size.as_bytes()).await.unwrap();
            client.write_all(part).await.unwrap();
            client.write_all(b"\r\n").await.unwrap();
        }
        client
            .write_all(format!("0\r\n\r\n{next}").as_bytes())
            .await
            .unwrap();

        let mut conn = Box::new(Conn::new(Box::new(server)));
        while conn.ahead().len() < head.len() {
            conn.read_ahead().await.unwrap();
        }
        let head = conn.begin(head.len(), Framing::Chunked);
        let mut session = ServerSession::new_http1(conn);
        session.set_pipelined_prefix(head);
        assert!(session.read_request().await.unwrap());
        session.set_keepalive(Some(7));
        session.is_body_done();
        session.req_header_mut().remove_header("transfer-encoding");
        let body = whole(&mut session).await;
        assert_eq!(body, sent);

        rewind(&mut session, Bytes::from(body)).await.unwrap();
        assert_eq!(session.req_header().raw_path(), b"/true");
        assert_eq!(session.req_header().headers["x-a"], "b");
        assert_eq!(session.req_header().headers[CONTENT_LENGTH], "300000");
        assert_eq!(session.get_keepalive(), Some(7));
        assert!(session.is_body_done());
        assert!(!session.retry_buffer_truncated());
        let end = session.get_retry_buffer().unwrap();
        assert!(sent.ends_with(&end));

        let ServerSession::H1(session) = session else {
            panic!("HTTP/1");
        };
        let mut conn = session.into_inner().into_any().downcast::<Conn>().unwrap();
        while conn.ahead().len() < next.len() {
            conn.read_ahead().await.unwrap();
        }
        assert_eq!(conn.ahead(), next.as_bytes());
    }
}
