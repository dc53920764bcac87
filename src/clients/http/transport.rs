//! Connections: direct, or through the proxy that the environment names (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`).
//!
//! On hyper itself: what goes over the wire is what the caller put into the request, and nothing that a library finds useful.

use super::tls::Tls;
use super::{Settings, Timeouts};
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Dialing<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// Kept connections to all servers.
pub(super) type Pool = Client<Connector, Full<Bytes>>;

/// A pool whose connections are made within `timeouts.connect`.
pub(super) fn pool(settings: &Settings, tls: &Tls, timeouts: Timeouts) -> Pool {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let dial = Dial {
        tcp,
        proxies: Arc::new(Matcher::from_env()),
    };
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls.config())
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(dial);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(settings.idle_timeout)
        .pool_max_idle_per_host(settings.idle_per_host)
        .build(Connector {
            https,
            patience: timeouts.connect,
        })
}

/// Name, connection and TLS handshake within one time limit.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Dial>,
    patience: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Dialed>;
    type Error = Failure;
    type Future = Dialing<MaybeHttpsStream<Dialed>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.https.call(to);
        let patience = self.patience;
        Box::pin(async move { tokio::time::timeout(patience, connecting).await? })
    }
}

/// Connects to the server or to the proxy before it.
#[derive(Clone)]
pub(super) struct Dial {
    tcp: HttpConnector,
    proxies: Arc<Matcher>,
}

impl Service<Uri> for Dial {
    type Response = Dialed;
    type Error = Failure;
    type Future = Dialing<Dialed>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let mut tcp = self.tcp.clone();
        let Some(proxy) = self.proxies.intercept(&to) else {
            return Box::pin(async move { Ok(Dialed::new(tcp.call(to).await?, Via::Nothing)) });
        };
        if proxy.uri().scheme_str() != Some("http") {
            let error = io::Error::other("only http:// proxies are supported");
            return Box::pin(async move { Err(error.into()) });
        }
        let (address, auth) = (proxy.uri().clone(), proxy.basic_auth().cloned());
        if to.scheme_str() == Some("https") {
            let mut tunnel = Tunnel::new(address, tcp);
            if let Some(auth) = auth {
                tunnel = tunnel.with_auth(auth);
            }
            return Box::pin(async move { Ok(Dialed::new(tunnel.call(to).await?, Via::Nothing)) });
        }
        Box::pin(async move { Ok(Dialed::new(tcp.call(address).await?, Via::Proxy)) })
    }
}

/// Whether requests name the server in their first line, since a proxy reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    Nothing,
    Proxy,
}

/// A connection that knows what is at its other end.
pub(super) struct Dialed {
    stream: TokioIo<TcpStream>,
    via: Via,
}

impl Dialed {
    fn new(stream: TokioIo<TcpStream>, via: Via) -> Dialed {
        Dialed { stream, via }
    }
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.via == Via::Proxy)
    }
}

impl Read for Dialed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Dialed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}
