//! The entrance of every HTTP listener: connections become requests here, under deadlines and limits.
//!
//! Pingora's own loop has no deadline for a whole head, waits without any for an HTTP/2 preface, and answers what it refuses without a
//! trace in logs or metrics. So the door reads and checks each HTTP/1 head itself and hands it to the application already complete.

use super::conn::Conn;
use super::head::{self, HeadLimits};
use super::refusal::Refused;
use super::reply;
use super::streams::Streams;
use super::tls::{NoHandshake, Tls};
use crate::canonical::Rejection;
use async_trait::async_trait;
use http::Method;
use pingora_core::apps::{
    HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp,
};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::protocols::{ALPN, GetSocketDigest, Ssl, Stream};
use pingora_core::server::ShutdownWatch;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// For a client whose request crosses the end of the service.
const LAST_CALL: Duration = Duration::from_millis(300);
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
    /// Of one connection; `None`: no limit.
    pub requests: Option<u32>,
    /// Of one HTTP/2 connection at a time.
    pub streams: u32,
}

impl Allowance {
    /// Pingora's own bounds for HTTP/2, with the listener's where it has some.
    fn http2(&self) -> H2Options {
        let mut options = default_h2_options();
        options.max_concurrent_streams(self.streams);
        let header_bytes = u32::try_from(self.head.bytes).unwrap_or(u32::MAX);
        options.max_header_list_size(header_bytes);
        options
    }

    /// How Pingora's loop treats an HTTP/2 connection.
    fn connection(&self) -> HttpServerOptions {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.h2_idle_timeout = Some(self.keepalive);
        options
    }
}

/// Told of what never became a request.
pub(super) trait Watcher: Send + Sync + 'static {
    fn refused(&self, peer: Option<SocketAddr>, why: Refused);
    fn not_encrypted(&self, peer: Option<SocketAddr>, why: NoHandshake);
    /// So many streams of an HTTP/2 connection that has ended never became requests.
    fn streams_refused(&self, peer: Option<SocketAddr>, count: u64);
    fn opened(&self);
    fn closed(&self);
}

pub(super) struct Door<A, W> {
    app: Arc<A>,
    tls: Option<Arc<Tls>>,
    watcher: Arc<W>,
    allowance: Allowance,
    open: AtomicUsize,
}

impl<A, W> Door<A, W> {
    pub(super) fn new(
        app: A,
        tls: Option<Arc<Tls>>,
        watcher: W,
        allowance: Allowance,
    ) -> Door<A, W> {
        Door {
            app: Arc::new(app),
            tls,
            watcher: Arc::new(watcher),
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

/// Whether a connection fits below the listener's limit.
enum Room {
    Free,
    /// For the word that there is none.
    ForAnAnswer,
    None,
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
    pub(super) fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    /// Counts a connection in, and says whether there is room for it.
    fn admit(&self) -> (Counted<'_, A, W>, Room) {
        self.watcher.opened();
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let most = self.allowance.connections;
        let room = if before < most {
            Room::Free
        } else if before < most.saturating_add(most / 8 + 8) {
            Room::ForAnAnswer
        } else {
            Room::None
        };
        (Counted(self), room)
    }

    /// The connection as requests are read from it.
    async fn enter(&self, io: Stream) -> Option<Stream> {
        let Some(tls) = &self.tls else {
            return Some(io);
        };
        let peer = peer(&*io);
        match tls.accept(io, self.allowance.header).await {
            Ok(io) => Some(io),
            Err(why) => {
                self.watcher.not_encrypted(peer, why);
                None
            }
        }
    }

    async fn serve(&self, io: Stream, shutdown: &ShutdownWatch) {
        let mut ending = shutdown.clone();
        let mut conn = Box::new(Conn::new(io));
        let given_back = conn.given_back();
        let mut settings = None;
        let mut first = true;
        loop {
            let idle = if std::mem::take(&mut first) {
                self.allowance.header
            } else {
                self.allowance.keepalive
            };
            let head = match (
                self.next(&mut conn, &mut ending, idle).await,
                protocol(&conn),
            ) {
                (Next::Request { head }, Protocol::Any | Protocol::Http1) => head,
                (Next::Http2, Protocol::Any | Protocol::Http2) => {
                    return Box::pin(self.serve_h2(conn, shutdown)).await;
                }
                // The handshake settled on one protocol, and the client speaks the other.
                (Next::Http2, Protocol::Http1) => {
                    return Box::pin(self.refuse(conn, Refused::Malformed)).await;
                }
                (Next::End, _) => return,
                (Next::Request { .. } | Next::Refuse(_), Protocol::Http2) => {
                    return self.watcher.refused(peer(&*conn), Refused::Malformed);
                }
                (Next::Refuse(why), _) => return Box::pin(self.refuse(conn, why)).await,
            };
            let framing = match head::check(
                conn.ahead().get(..head).unwrap_or_default(),
                self.allowance.head,
            ) {
                Ok(framing) => framing,
                Err(why) => return Box::pin(self.refuse(conn, why)).await,
            };
            let head = conn.begin(head, framing);
            let head = head::escaped(&head).unwrap_or(head);
            let mut session = ServerSession::new_http1(conn);
            match settings.take() {
                Some(settings) => HttpPersistentSettings::apply_to_session(settings, &mut session),
                None => {
                    session.set_keepalive(Some(self.allowance.keepalive.as_secs()));
                    let reuses = self.allowance.requests.map(|most| most.saturating_sub(1));
                    session.set_keepalive_reuses_remaining(reuses);
                }
            }
            session.set_pipelined_prefix(head);
            session.set_read_timeout(Some(self.allowance.body_idle));
            session.set_write_timeout(Some(self.allowance.write_idle));
            let Some(reused) = self.app.process_new_http(session, shutdown).await else {
                if let Some(io) = given_back.take() {
                    let conn = Box::new(Conn::new(io));
                    Box::pin(self.refuse(conn, Refused::Malformed)).await;
                }
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
            // A request may be under way to a connection that looks idle when the end comes: it is waited for and answered.
            let ends = *ending.borrow_and_update();
            let idle = if ends { idle.min(LAST_CALL) } else { idle };
            let read = tokio::select! {
                read = timeout(idle, conn.read_ahead()) => read,
                _ = ending.changed(), if !ends => timeout(LAST_CALL, conn.read_ahead()).await,
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
            } else if head::has_bare_line_feed(conn.ahead(), from) {
                return Next::Refuse(Refused::Malformed);
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
        self.watcher.refused(peer(&*conn), why);
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
        let opened = Arc::new(AtomicU64::new(0));
        conn.open_http2(Streams::new(opened.clone()));
        let (end, ends) = watch::channel(*shutdown.borrow());
        let tally = Arc::new(Tally {
            app: self.app.clone(),
            watcher: self.watcher.clone(),
            peer: peer(&*conn),
            opened,
            served: AtomicU64::new(0),
            most: self.allowance.requests.map_or(u64::MAX, u64::from),
            under_way: u64::from(self.allowance.streams),
            write_idle: self.allowance.write_idle,
            http2: self.allowance.http2(),
            connection: self.allowance.connection(),
            end,
        });
        let mut stopping = shutdown.clone();
        let mut served = ServerApp::process_new(&tally, conn, &ends);
        tokio::select! {
            _ = &mut served => return,
            // The sender outlives every service; where it does not, that is an end, too.
            _ = stopping.wait_for(|stops| *stops) => {}
        }
        tally.end.send_replace(true);
        served.await;
    }
}

/// The application of one HTTP/2 connection, which counts its requests.
///
/// It is dropped with the last of them, and what the client opened beyond them was refused.
struct Tally<A, W: Watcher> {
    app: Arc<A>,
    watcher: Arc<W>,
    peer: Option<SocketAddr>,
    opened: Arc<AtomicU64>,
    served: AtomicU64,
    most: u64,
    under_way: u64,
    write_idle: Duration,
    http2: H2Options,
    connection: HttpServerOptions,
    /// Tells Pingora's loop to take no more streams and to close when the last one is done.
    end: watch::Sender<bool>,
}

#[async_trait]
impl<A, W> HttpServerApp for Tally<A, W>
where
    A: HttpServerApp + Send + Sync + 'static,
    W: Watcher,
{
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let number = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        if number >= self.most {
            self.end.send_replace(true);
        }
        // What was under way when the client was told is served; a client that doesn't listen is not.
        if number > self.most.saturating_add(self.under_way) {
            return None;
        }
        session.set_write_timeout(Some(self.write_idle));
        if session.req_header().method == Method::CONNECT {
            self.watcher.refused(self.peer, Refused::Connect);
            // The client may be gone; there is nobody else to tell.
            let _ = reply::send(&mut session, reply::rejected(Rejection::Connect)).await;
            return None;
        }
        self.app.process_new_http(session, shutdown).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.http2.clone())
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.connection)
    }
}

impl<A, W: Watcher> Drop for Tally<A, W> {
    fn drop(&mut self) {
        let opened = self.opened.load(Ordering::Relaxed);
        let refused = opened.saturating_sub(self.served.load(Ordering::Relaxed));
        if refused > 0 {
            self.watcher.streams_refused(self.peer, refused);
        }
    }
}

/// What a connection's handshake settled on.
enum Protocol {
    Any,
    Http1,
    Http2,
}

fn protocol(conn: &Conn) -> Protocol {
    match (conn.get_ssl_digest(), conn.selected_alpn_proto()) {
        (None, _) => Protocol::Any,
        (Some(_), Some(ALPN::H2)) => Protocol::Http2,
        (Some(_), _) => Protocol::Http1,
    }
}

fn peer(io: &(impl GetSocketDigest + ?Sized)) -> Option<SocketAddr> {
    io.get_socket_digest()
        .and_then(|digest| digest.peer_addr().and_then(|addr| addr.as_inet().copied()))
}

#[async_trait]
impl<A, W> ServerApp for Door<A, W>
where
    A: HttpServerApp + Send + Sync + 'static,
    W: Watcher,
{
    async fn process_new(self: &Arc<Self>, io: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let (_counted, room) = self.admit();
        match room {
            Room::Free => {
                // Boxed as `refuse` is: a connection holds the largest of its steps as long as it lives.
                if let Some(io) = Box::pin(self.enter(io)).await {
                    self.serve(io, shutdown).await;
                }
            }
            Room::ForAnAnswer if self.tls.is_none() => {
                let conn = Box::new(Conn::new(io));
                Box::pin(self.refuse(conn, Refused::TooManyConnections)).await;
            }
            Room::ForAnAnswer | Room::None => {
                self.watcher
                    .refused(peer(&*io), Refused::TooManyConnections);
            }
        }
        None
    }

    async fn cleanup(&self) {
        self.app.http_cleanup().await;
    }
}
