//! `bare-ext-authz PORT`: a tonic server that allows everything, on one thread, with the allocator that Doorward uses.

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{
    Authorization, AuthorizationServer,
};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse, OkHttpResponse};
use envoy_types::pb::google::rpc;
use std::net::SocketAddr;
use tonic::{Request, Response, Status};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct AllowAll;

#[tonic::async_trait]
impl Authorization for AllowAll {
    /// Sets one header, as Doorward does for the rule that is measured.
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let user = HeaderValueOption {
            header: Some(HeaderValue {
                key: "x-user".to_owned(),
                value: "anonymous".to_owned(),
                ..HeaderValue::default()
            }),
            append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
            ..HeaderValueOption::default()
        };
        let granted = OkHttpResponse {
            headers: vec![user],
            ..OkHttpResponse::default()
        };
        Ok(Response::new(CheckResponse {
            status: Some(rpc::Status::default()),
            http_response: Some(HttpResponse::OkResponse(granted)),
            ..CheckResponse::default()
        }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port: u16 = port.expect("usage: bare-ext-authz PORT");
    let served = tonic::transport::Server::builder()
        .add_service(AuthorizationServer::new(AllowAll))
        .serve(SocketAddr::from(([127, 0, 0, 1], port)));
    served.await.expect("a free port");
}
