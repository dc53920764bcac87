//! A request's turn on a connection: its beginning and its end, for applications that answer themselves.

use super::arrival;
use pingora_core::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

/// Takes the next request's head. `None` where there is none to answer.
pub(super) async fn begin(session: &mut ServerSession, shutdown: &ShutdownWatch) -> Option<()> {
    // The door handed over a complete head; only HTTP/2 streams can still fail here.
    match session.read_request().await {
        Ok(true) => {}
        Ok(false) => return None,
        Err(_) => {
            // Pingora has objections of its own, such as an absolute target that disagrees with Host. The door answers in its place.
            let _closed_anyway = session.respond_error(400).await;
            return None;
        }
    }
    arrival::note(session);
    if *shutdown.borrow() {
        session.set_keepalive(None);
    }
    Some(())
}

/// Hands the connection back for the next request, where it can carry one.
pub(super) async fn end(session: ServerSession) -> Option<ReusedHttpStream> {
    let settings = HttpPersistentSettings::for_session(&session);
    let reusable = session.finish().await.ok().flatten()?;
    Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
}
