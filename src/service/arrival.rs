//! Requests that Pingora answers by itself, before any application sees them: targets and hosts that it does not accept.
//!
//! It does so without a trace in logs or metrics and under its own name. So an application notes each request that arrives; what is
//! written to a connection before that is Pingora's own answer. None of it goes out: the client's connection is taken away from Pingora
//! and given back to the door, which answers as it answers whatever else it refuses.

use super::conn::Conn;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::{IO, Stream};
use std::io::Cursor;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

/// Notes that the request at hand has come to an application, whose answer may go out.
pub(super) fn note(session: &ServerSession) {
    if let ServerSession::H1(session) = session
        && let Some(conn) = IO::as_any(&**session.stream()).downcast_ref::<Conn>()
    {
        conn.arrived();
    }
}

/// Where a client's connection waits for the door, once it was taken away from Pingora.
#[derive(Debug, Clone, Default)]
pub(super) struct GivenBack(Arc<Mutex<Option<Stream>>>);

impl GivenBack {
    /// Leaves a connection in its place that has ended and takes whatever is written.
    pub(super) fn put(&self, client: &mut Stream) {
        let client = mem::replace(client, Box::new(Cursor::new(Vec::<u8>::new())));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
    }

    pub(super) fn take(&self) -> Option<Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::head::Framing;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    /// A session in front of a request as the door hands it over.
    async fn session(head: &str) -> (DuplexStream, GivenBack, ServerSession) {
        let (mut client, server) = duplex(1 << 16);
        client.write_all(head.as_bytes()).await.unwrap();
        let mut conn = Box::new(Conn::new(Box::new(server)));
        let given_back = conn.given_back();
        while conn.ahead().len() < head.len() {
            conn.read_ahead().await.unwrap();
        }
        let head = conn.begin(head.len(), Framing::Length(0));
        let mut session = ServerSession::new_http1(conn);
        session.set_pipelined_prefix(head);
        (client, given_back, session)
    }

    #[tokio::test]
    async fn an_answer_that_no_application_wrote_stays_here() {
        let (mut client, given_back, mut session) =
            session("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n").await;
        assert!(session.read_request().await.is_err());
        session.respond_error(400).await.unwrap();
        session.shutdown().await;
        drop(session);
        let mut io = given_back.take().unwrap();
        io.write_all(b"the door's").await.unwrap();
        drop(io);
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "the door's");
    }

    #[tokio::test]
    async fn an_answer_to_a_request_that_arrived_goes_out() {
        let (mut client, given_back, mut session) =
            session("GET / HTTP/1.1\r\nHost: b\r\n\r\n").await;
        assert!(session.read_request().await.unwrap());
        note(&session);
        session.respond_error(404).await.unwrap();
        drop(session);
        assert!(given_back.take().is_none());
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        assert!(got.starts_with("HTTP/1.1 404 "), "{got}");
    }

    #[tokio::test]
    async fn each_request_of_a_connection_has_to_arrive_anew() {
        let (_client, server) = duplex(1 << 16);
        let mut conn = Conn::new(Box::new(server));
        let given_back = conn.given_back();
        conn.begin(0, Framing::Length(0));
        conn.arrived();
        conn.write_all(b"an answer").await.unwrap();
        assert!(given_back.take().is_none());
        conn.begin(0, Framing::Length(0));
        conn.write_all(b"Pingora's").await.unwrap();
        assert!(given_back.take().is_some());
    }
}
