//! `bare-proxy PORT UPSTREAM_PORT [BUFFER]`: a Pingora proxy that forwards everything, with Pingora's defaults, or with socket buffers
//! of so many bytes.

use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Forward {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Forward {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(
            &*self.upstream,
            false,
            String::new(),
        )))
    }
}

fn main() {
    let ports: Vec<String> = std::env::args().skip(1).collect();
    let (port, upstream, buffer) = match &ports[..] {
        [port, upstream] => (port, upstream, None),
        [port, upstream, buffer] => (port, upstream, Some(buffer.parse().expect("a number"))),
        _ => panic!("usage: bare-proxy PORT UPSTREAM_PORT [BUFFER]"),
    };
    let mut server = Server::new_with_opt_and_conf(None, ServerConf::default());
    server.bootstrap();
    let mut service = http_proxy_service(
        &server.configuration,
        Forward {
            upstream: format!("127.0.0.1:{upstream}"),
        },
    );
    let mut endpoint = ListenerConfig::tcp(format!("127.0.0.1:{port}"));
    if buffer.is_some() {
        endpoint = endpoint.l4_buffer(L4BufferSettings {
            read: buffer,
            write: buffer,
        });
    }
    service.add_listener(endpoint);
    server.add_service(service);
    server.run_forever();
}
