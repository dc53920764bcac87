//! End-to-end tests: the real binary on free ports, spoken to in raw bytes. One test binary, so that it is linked once.
#![allow(
    unreachable_pub,
    reason = "modules of one test binary share what is public in them"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops where something is not as it should be"
)]

mod adopt;
mod calls;
mod docs;
mod doors;
mod edge_bodies;
mod edge_grpc;
mod edge_limits;
mod edge_streams;
mod edge_tls;
mod edge_upgrade;
mod edge_upstream;
mod edge_websocket;
mod errors;
mod explain;
mod ext_authz;
mod first_minute;
mod frame;
mod h2;
mod keys;
mod packaging;
#[path = "../conformance/ports.rs"]
mod ports;
mod providers_faults;
mod reload;
mod security_calls;
mod security_h1;
mod security_h2;
mod security_table;
mod stub;
mod support;
mod telemetry;
mod tower;
