//! One unary gRPC call on an HTTP/2 stream (gRPC over HTTP/2, "Requests" and "Responses").

use crate::rpc::Code;
use crate::service::body::read_part;
use crate::service::translate::Settings;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use pingora::http::ResponseHeader;
use pingora_core::Result;
use pingora_core::protocols::http::ServerSession;
use prost::Message;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The compressed flag and the length in front of a message.
const PREFIX: usize = 5;
/// What a description of a request needs besides its body: headers, metadata.
const DESCRIPTION: usize = 1024 * 1024;

/// Why a call has no message for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InvalidArgument,
    ResourceExhausted,
    Unimplemented,
}

impl Status {
    fn code(self) -> Code {
        match self {
            Status::InvalidArgument => Code::InvalidArgument,
            Status::ResourceExhausted => Code::ResourceExhausted,
            Status::Unimplemented => Code::Unimplemented,
        }
    }

    fn message(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Status::InvalidArgument => "not one message of the expected type",
            Status::ResourceExhausted => "the message is too large",
            Status::Unimplemented => {
                "only envoy.service.auth.v3.Authorization/Check, without compression, is served here"
            }
        })
    }
}

/// The call's one message.
pub(super) async fn read<M: Message + Default>(
    session: &mut ServerSession,
    settings: &Settings,
) -> Result<M, Status> {
    let header = session.req_header();
    let is_grpc = header
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()));
    if header.version != Version::HTTP_2 || header.method != Method::POST || !is_grpc {
        return Err(Status::Unimplemented);
    }
    let limit = settings.body_for_decision.saturating_add(DESCRIPTION);
    let mut bytes = BytesMut::new();
    while let Some(part) = read_part(session, settings.body_idle)
        .await
        .map_err(|_| Status::InvalidArgument)?
    {
        if bytes.len() + part.len() > limit {
            return Err(Status::ResourceExhausted);
        }
        bytes.extend_from_slice(&part);
    }
    let Some((&[compressed, a, b, c, d], message)) = bytes.split_first_chunk::<PREFIX>() else {
        return Err(Status::InvalidArgument);
    };
    if compressed != 0 {
        return Err(Status::Unimplemented);
    }
    if u32::from_be_bytes([a, b, c, d]) as usize != message.len() {
        return Err(Status::InvalidArgument);
    }
    M::decode(message).map_err(|_| Status::InvalidArgument)
}

/// Answers with a message, or with trailers alone.
pub(super) async fn write<M: Message>(
    session: &mut ServerSession,
    answer: Result<M, Status>,
) -> Result<()> {
    let mut header = ResponseHeader::build_no_case(200, Some(3))?;
    header.insert_header(CONTENT_TYPE, GRPC)?;
    match answer {
        Ok(message) => {
            session.write_response_header(Box::new(header)).await?;
            session.write_response_body(frame(&message), false).await?;
            let mut trailers = HeaderMap::with_capacity(1);
            trailers.insert(STATUS, HeaderValue::from_static("0"));
            session.write_response_trailers(trailers).await
        }
        Err(status) => {
            header.insert_header(STATUS, HeaderValue::from(status.code().number()))?;
            header.insert_header(MESSAGE, status.message())?;
            session.write_response_header(Box::new(header)).await?;
            session.write_response_body(Bytes::new(), true).await
        }
    }
}

fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // INVARIANT: the buffer has the room that the message said it needs, and grows where not.
    let _ = message.encode(&mut bytes);
    bytes.freeze()
}
