//! `bare-serve PORT`: a Pingora `ServeHttp` that answers everything with an empty 200, with Pingora's defaults.

use async_trait::async_trait;
use http::Response;
use http::header::CONTENT_LENGTH;
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::listening::Service;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Empty;

#[async_trait]
impl ServeHttp for Empty {
    async fn response(&self, _: &mut ServerSession) -> Response<Vec<u8>> {
        Response::builder()
            .header(CONTENT_LENGTH, 0)
            .body(Vec::new())
            .expect("a constant answer")
    }
}

fn main() {
    let port = std::env::args().nth(1).expect("usage: bare-serve PORT");
    let mut server = Server::new_with_opt_and_conf(None, ServerConf::default());
    server.bootstrap();
    let mut service = Service::new("bare".to_owned(), Empty);
    service.add_tcp(&format!("127.0.0.1:{port}"));
    server.add_service(service);
    server.run_forever();
}
