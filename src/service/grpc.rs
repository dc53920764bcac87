//! Refusals for gRPC callers, who read a status of their own and not HTTP's.

use crate::rpc::Dialect;
use bytes::Bytes;
use http::Response;
use pingora::http::ResponseHeader;
use pingora_core::Result;
use pingora_core::protocols::http::{HttpTask, ServerSession};

/// Sends the gRPC form of an answer: headers alone, with the status in them.
///
/// The rest of the call is not read: a client that streams may wait for this answer before it ends.
pub(super) async fn send(session: &mut ServerSession, answer: &Response<Bytes>) -> Result<()> {
    session.set_keepalive(None);
    let (head, _) = Dialect::Grpc.refusal(answer).into_parts();
    let only = HttpTask::Header(Box::new(ResponseHeader::from(head)), true);
    session.response_duplex_vec(vec![only]).await?;
    Ok(())
}
