//! The front doors: the only module that knows Pingora. They translate in and out and decide nothing.

mod api;
mod arrival;
mod body;
mod chunks;
mod conn;
mod cors;
mod decisions;
#[cfg(test)]
pub(crate) mod described;
mod door;
mod explain;
mod ext_authz;
mod fields;
mod forward;
mod grpc;
mod handover;
mod head;
mod listening;
mod metrics;
mod observe;
mod proxy;
mod refusal;
mod replay;
mod reply;
mod rewind;
mod server;
mod streams;
mod tls;
mod translate;
mod turn;
mod upstream;

pub use api::{Shown, SigningRings};
pub use handover::{HandoverError, Listeners};
pub use server::{ListenError, serve};
pub use tls::TlsError;
