//! A request's body for the handler that wants it, kept for the upstream.

use super::translate::Settings;
use crate::pipeline::{BodySource, Denial, Reason};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use pingora_core::protocols::http::ServerSession;
use pingora_core::{BError, Error, ErrorType};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What Pingora keeps for a second try. Beyond it nothing read in advance reaches the upstream by itself: a body whose length was not
/// announced is rewound then.
const RETRY_BUFFER: usize = 64 * 1024;

/// Reads a session's body once, on demand, within a limit.
pub(super) struct SessionBody<'a> {
    limit: usize,
    idle: Duration,
    announced: bool,
    state: Mutex<State<'a>>,
}

/// A body that was read, and how it gets to the upstream.
#[derive(Debug)]
pub(super) enum Kept {
    /// In place of the end of it that Pingora's retry buffer holds.
    InBuffer(Bytes),
    /// From the connection or the stream, which takes it back.
    ToRewind(Bytes),
}

enum State<'a> {
    Unread(&'a mut ServerSession),
    Read(Bytes),
    Broken(Denial),
}

impl<'a> SessionBody<'a> {
    pub(super) fn new(session: &'a mut ServerSession, settings: &Settings) -> SessionBody<'a> {
        SessionBody {
            limit: settings.body_for_decision,
            idle: settings.body_idle,
            announced: announced_length(session).is_some(),
            state: Mutex::new(State::Unread(session)),
        }
    }

    /// The body, if somebody read it: what the upstream must get.
    pub(super) fn kept(self) -> Option<Kept> {
        match self.state.into_inner() {
            State::Read(bytes) if bytes.len() > RETRY_BUFFER && !self.announced => {
                Some(Kept::ToRewind(bytes))
            }
            State::Read(bytes) => Some(Kept::InBuffer(bytes)),
            State::Unread(_) | State::Broken(_) => None,
        }
    }
}

#[async_trait]
impl BodySource for SessionBody<'_> {
    async fn read(&self) -> Result<Bytes, Denial> {
        let mut state = self.state.lock().await;
        if let State::Unread(session) = &mut *state {
            *state = match read_whole(session, self.limit, self.idle).await {
                Ok(body) => State::Read(body),
                Err(denial) => State::Broken(denial),
            };
        }
        match &*state {
            State::Read(body) => Ok(body.clone()),
            State::Broken(denial) => Err(denial.clone()),
            State::Unread(_) => Err(Denial::new(Reason::Panicked)),
        }
    }
}

pub(super) async fn read_whole(
    session: &mut ServerSession,
    limit: usize,
    idle: Duration,
) -> Result<Bytes, Denial> {
    let broken = |_| Denial::new(Reason::BadRequest).because("the request body broke off");
    if session.is_body_done() {
        return Ok(Bytes::new());
    }
    let announced = announced_length(session);
    if announced.is_some_and(|length| length > limit) {
        return Err(Denial::new(Reason::BodyTooLarge));
    }
    if session
        .req_header()
        .headers
        .contains_key(http::header::EXPECT)
    {
        session.write_continue_response().await.map_err(broken)?;
        session
            .req_header_mut()
            .remove_header(&http::header::EXPECT);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0));
    loop {
        // Pingora hands a body that was read in advance to the upstream only out of its retry buffer, which holds 64 KiB. It is
        // turned on for the last stretch, and the door puts the whole body in its place (design: pingora.md, P03).
        if announced.is_none_or(|length| length - body.len().min(length) <= RETRY_BUFFER) {
            session.enable_retry_buffering();
        }
        match read_part(session, idle).await.map_err(broken)? {
            Some(part) if body.len() + part.len() > limit => {
                return Err(Denial::new(Reason::BodyTooLarge));
            }
            Some(part) => body.extend_from_slice(&part),
            None => return Ok(body.freeze()),
        }
    }
}

/// The next piece of the body; an error where none comes in time. Pingora knows such a limit for HTTP/1 only.
pub(super) async fn read_part(
    session: &mut ServerSession,
    idle: Duration,
) -> Result<Option<Bytes>, BError> {
    match timeout(idle, session.read_request_body()).await {
        Ok(read) => read,
        Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "the request body").into_down()),
    }
}

fn announced_length(session: &ServerSession) -> Option<usize> {
    let value = session.req_header().headers.get(CONTENT_LENGTH)?;
    std::str::from_utf8(value.as_bytes())
        .ok()?
        .trim()
        .parse()
        .ok()
}
