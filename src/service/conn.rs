//! A client's connection that hands out no byte of the next request with the one at hand.
//!
//! Pingora reads as much as there is and finds the end of a request afterwards. Here the door has read the head and knows how the body
//! is framed, so the connection ends where the request ends: what follows waits, is checked by the door in its turn, and can never be
//! taken for a part of this request, nor this request's rest for a request of its own (security.md S-J01, S-J02, S-J03).

use super::arrival::GivenBack;
use super::chunks::Chunks;
use super::head::Framing;
use super::streams::Streams;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of what follows is read while a request is served: enough to notice that the client left.
const AHEAD_WHILE_SERVING: usize = 4096;
/// Bytes read at a time in front of a request.
const READ: usize = 4096;

#[derive(Debug)]
enum Body {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunks),
    /// Nothing until a 101 goes out, everything after.
    Upgrade,
    /// Not HTTP/1 requests any more: an upgraded protocol, or whatever a refused client still sends.
    Open,
    /// Frames.
    Http2(Streams),
}

#[derive(Debug)]
pub(super) struct Conn {
    io: Stream,
    ahead: BytesMut,
    body: Body,
    /// Whether an application has seen the request at hand. What Pingora writes before that is an answer of its own.
    arrived: AtomicBool,
    given_back: GivenBack,
}

impl Conn {
    pub(super) fn new(io: Stream) -> Conn {
        Conn {
            io,
            ahead: BytesMut::new(),
            body: Body::Length(0),
            arrived: AtomicBool::new(true),
            given_back: GivenBack::default(),
        }
    }

    /// Where the client's connection is once Pingora has answered a request by itself.
    pub(super) fn given_back(&self) -> GivenBack {
        self.given_back.clone()
    }

    /// An application has seen the request at hand.
    pub(super) fn arrived(&self) {
        self.arrived.store(true, Ordering::Relaxed);
    }

    /// What was read and belongs to no request yet.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Reads more of the next request; 0 at the end of the connection. Holds no buffer while it waits: most connections of an edge are
    /// idle.
    pub(super) async fn read_ahead(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_ahead(cx)).await
    }

    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut buf = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
        self.ahead.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Takes a head of so many bytes off, and opens the connection as far as its body goes.
    pub(super) fn begin(&mut self, head: usize, framing: Framing) -> BytesMut {
        self.body = match framing {
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunks::new()),
            Framing::Upgrade => Body::Upgrade,
        };
        *self.arrived.get_mut() = false;
        if head >= self.ahead.len() {
            return std::mem::take(&mut self.ahead);
        }
        self.ahead.split_to(head)
    }

    /// Takes a body back that was read off, as one of a known length; what follows the request stays behind it.
    pub(super) fn put_back(&mut self, body: &[u8]) {
        let mut ahead = BytesMut::with_capacity(body.len() + self.ahead.len());
        ahead.extend_from_slice(body);
        ahead.extend_from_slice(&self.ahead);
        self.ahead = ahead;
        self.body = Body::Length(body.len() as u64);
    }

    /// No more requests: everything passes.
    pub(super) fn open(&mut self) {
        self.body = Body::Open;
    }

    /// HTTP/2 from here on. The streams that the client opens are counted.
    pub(super) fn open_http2(&mut self, streams: Streams) {
        self.body = Body::Http2(streams);
    }

    /// Reads behind the request's end, only to notice that the client closed.
    fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ahead.len() < AHEAD_WHILE_SERVING {
            let mut space = [0; 512];
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.ahead.extend_from_slice(buf.filled());
        }
        Poll::Pending
    }

    /// Makes sure that something is ahead; `false` at the end of the connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.poll_ahead(cx).map_ok(|read| read > 0)
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>, most: usize) -> usize {
        let take = most.min(self.ahead.len()).min(buf.remaining());
        buf.put_slice(self.ahead.get(..take).unwrap_or_default());
        self.ahead.advance(take);
        take
    }

    fn poll_open(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        self.give(buf, usize::MAX);
        Poll::Ready(Ok(()))
    }

    fn poll_frames(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.poll_open(cx, buf))?;
        if let Body::Http2(streams) = &mut self.body {
            streams.advance(buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_length(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        left: u64,
    ) -> Poll<io::Result<()>> {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let taken = if self.ahead.is_empty() {
            let room = buf.remaining().min(most);
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut part))?;
            let taken = part.filled().len();
            buf.advance(taken);
            taken
        } else {
            self.give(buf, most)
        };
        self.body = Body::Length(left - taken as u64);
        Poll::Ready(Ok(()))
    }

    fn poll_chunked(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        mut chunks: Chunks,
    ) -> Poll<io::Result<()>> {
        if !ready!(self.poll_fill(cx))? {
            return Poll::Ready(Ok(()));
        }
        let most = buf.remaining().min(self.ahead.len());
        let part = self.ahead.get(..most).unwrap_or_default();
        let belongs = chunks
            .advance(part)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        self.give(buf, belongs);
        self.body = Body::Chunked(chunks);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let conn = &mut *self;
        if let Body::Http2(_) = conn.body {
            return conn.poll_frames(cx, buf);
        }
        match conn.body {
            Body::Length(0) | Body::Upgrade => conn.poll_behind(cx),
            Body::Length(left) => conn.poll_length(cx, buf, left),
            Body::Chunked(chunks) if chunks.done() => conn.poll_behind(cx),
            Body::Chunked(chunks) => conn.poll_chunked(cx, buf, chunks),
            Body::Open | Body::Http2(_) => conn.poll_open(cx, buf),
        }
    }
}

impl Conn {
    /// Nothing goes out before the request has arrived. The first answer that is final settles whether the client's next bytes are of
    /// another protocol.
    fn note_answer(&mut self, bytes: &[u8]) {
        let arrived = self.arrived.get_mut();
        if !*arrived {
            *arrived = true;
            self.given_back.put(&mut self.io);
        }
        if matches!(self.body, Body::Upgrade) {
            match bytes.get(..12) {
                Some(b"HTTP/1.1 101") => self.body = Body::Open,
                Some(status) if status.starts_with(b"HTTP/1.1 1") => {}
                _ => self.body = Body::Length(0),
            }
        }
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.note_answer(buf);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.note_answer(bufs.first().map(|part| &**part).unwrap_or_default());
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Conn {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut *self.io).await;
    }
}

impl UniqueID for Conn {
    fn id(&self) -> UniqueIDType {
        self.io.id()
    }
}

impl Ssl for Conn {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.io.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.io.selected_alpn_proto()
    }
}

impl GetTimingDigest for Conn {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.io.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.io.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.io.get_write_pending_time()
    }
}

impl GetProxyDigest for Conn {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.io.get_proxy_digest()
    }
}

impl GetSocketDigest for Conn {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.io.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Conn {
    /// Answers from what was read already: the door hands on HTTP/2 connections with their preface ahead.
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        match self.ahead.get(..buf.len()) {
            Some(ahead) => {
                buf.copy_from_slice(ahead);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}
