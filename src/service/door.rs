//! The entrance of every HTTP listener: connections become requests here, under deadlines and limits.
//!
//! Pingora's own loop has no deadline for a whole head, waits without any for an HTTP/2 preface, and answers what it refuses without a
//! trace in logs or metrics. So the door reads and checks each HTTP/1 head itself and hands it to the application already complete.

use super::conn::Conn;
use super::head::{self, HeadLimits};
use super::refusal::Refused;
use async_trait::async_trait;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::{GetSocketDigest, Stream};
use pingora_core::server::ShutdownWatch;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long and how much of a refused client's bytes are read, so that the answer isn't lost in a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

/// What a listener allows its clients.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    pub head: HeadLimits,
    /// From the first byte of a head to its last.
    pub header: Duration,
    pub keepalive: Duration,
    pub body_idle: Duration,
    pub write_idle: Duration,
    pub connections: usize,
}

/// Told of what never became a request.
pub(super) trait Watcher: Send + Sync + 'static {
    fn refused(&self, peer: Option<SocketAddr>, why: Refused);
    fn opened(&self);
    fn closed(&self);
}

pub(super) struct Door<A, W> {
    app: Arc<A>,
    watcher: W,
    allowance: Allowance,
    open: AtomicUsize,
}

impl<A, W> Door<A, W> {
    pub(super) fn new(app: A, watcher: W, allowance: Allowance) -> Door<A, W> {
        Door {
            app: Arc::new(app),
            watcher,
            allowance,
            open: AtomicUsize::new(0),
        }
    }
}

/// Counts a connection for as long as it lives.
struct Counted<'a, A, W: Watcher>(&'a Door<A, W>);

impl<A, W: Watcher> Drop for Counted<'_, A, W> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.watcher.closed();
    }
}

enum Next {
    Request {
        head: usize,
    },
    Http2,
    Refuse(Refused),
    /// Closed, broken, idle for too long, or the service ends.
    End,
}

impl<A, W> Door<A, W>
where
    A: HttpServerApp + Send + Sync + 'static,
    W: Watcher,
{
    fn admit(&self) -> Option<Counted<'_, A, W>> {
        self.watcher.opened();
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self);
        (before < self.allowance.connections).then_some(counted)
    }

    async fn serve(&self, io: Stream, shutdown: &ShutdownWatch) {
        let mut ending = shutdown.clone();
        let mut conn = Box::new(Conn::new(io));
        let mut settings = None;
        let mut first = true;
        loop {
            let idle = if std::mem::take(&mut first) {
                self.allowance.header
            } else {
                self.allowance.keepalive
            };
            let head = match self.next(&mut conn, &mut ending, idle).await {
                Next::Request { head } => head,
                Next::Http2 => return self.serve_h2(conn, shutdown).await,
                Next::Refuse(why) => return self.refuse(conn, why).await,
                Next::End => return,
            };
            let framing = match head::check(
                conn.ahead().get(..head).unwrap_or_default(),
                self.allowance.head,
            ) {
                Ok(framing) => framing,
                Err(why) => return self.refuse(conn, why).await,
            };
            let head = conn.begin(head, framing);
            let mut session = ServerSession::new_http1(conn);
            match settings.take() {
                Some(settings) => HttpPersistentSettings::apply_to_session(settings, &mut session),
                None => session.set_keepalive(Some(self.allowance.keepalive.as_secs())),
            }
            session.set_pipelined_prefix(head);
            session.set_read_timeout(Some(self.allowance.body_idle));
            session.set_write_timeout(Some(self.allowance.write_idle));
            let Some(reused) = self.app.process_new_http(session, shutdown).await else {
                return;
            };
            let (stream, kept) = reused.consume();
            let Ok(same) = stream.into_any().downcast::<Conn>() else {
                return;
            };
            conn = same;
            settings = kept;
        }
    }

    /// Waits for the next request's head.
    async fn next(&self, conn: &mut Conn, ending: &mut ShutdownWatch, idle: Duration) -> Next {
        if conn.ahead().is_empty() {
            if *ending.borrow() {
                return Next::End;
            }
            let read = tokio::select! {
                read = timeout(idle, conn.read_ahead()) => read,
                _ = ending.changed() => return Next::End,
            };
            if !matches!(read, Ok(Ok(1..))) {
                return Next::End;
            }
        }
        let deadline = Instant::now() + self.allowance.header;
        let mut from = 0;
        loop {
            let seen = conn.ahead().len();
            if PREFACE.starts_with(
                conn.ahead()
                    .get(..seen.min(PREFACE.len()))
                    .unwrap_or_default(),
            ) {
                if seen >= PREFACE.len() {
                    return Next::Http2;
                }
            } else if let Some(head) = head::end(conn.ahead(), from) {
                if head > self.allowance.head.bytes {
                    return Next::Refuse(Refused::HeadersTooLarge);
                }
                return Next::Request { head };
            } else if seen > self.allowance.head.bytes {
                return Next::Refuse(Refused::HeadersTooLarge);
            }
            from = seen;
            match timeout_at(deadline, conn.read_ahead()).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return Next::End,
                Err(_) => return Next::Refuse(Refused::TooSlow),
            }
        }
    }

    async fn refuse(&self, mut conn: Box<Conn>, why: Refused) {
        self.watcher.refused(peer(&conn), why);
        let answer = async {
            conn.write_all(&why.answer()).await?;
            conn.flush().await?;
            AsyncWriteExt::shutdown(&mut conn).await?;
            conn.open();
            let mut sink = [0; 4096];
            let mut left = LINGER_BYTES;
            while left > 0 {
                match conn.read(&mut sink).await? {
                    0 => break,
                    n => left = left.saturating_sub(n),
                }
            }
            io::Result::Ok(())
        };
        // Late, broken or done: the connection ends in any case.
        let _ = timeout(LINGER, answer).await;
    }

    /// Hands the connection to Pingora's HTTP/2 loop, preface and all.
    async fn serve_h2(&self, mut conn: Box<Conn>, shutdown: &ShutdownWatch) {
        conn.open();
        ServerApp::process_new(&self.app, conn, shutdown).await;
    }
}

fn peer(conn: &Conn) -> Option<SocketAddr> {
    conn.get_socket_digest()
        .and_then(|digest| digest.peer_addr().and_then(|addr| addr.as_inet().copied()))
}

#[async_trait]
impl<A, W> ServerApp for Door<A, W>
where
    A: HttpServerApp + Send + Sync + 'static,
    W: Watcher,
{
    async fn process_new(self: &Arc<Self>, io: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        if let Some(_counted) = self.admit() {
            self.serve(io, shutdown).await;
        }
        None
    }

    async fn cleanup(&self) {
        self.app.http_cleanup().await;
    }
}
