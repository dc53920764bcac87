//! Ports for servers that are told where to listen, for the end-to-end tests too.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nothing listens on and that this run gives out once. It lies below those that systems give to
/// connections by themselves, so that none of theirs takes it before the process that it is meant for.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const NUMBER: u16 = 12_000;
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Runs side by side begin far from each other.
    let offset = (std::process::id() * 997 % u32::from(NUMBER)) as u16;
    loop {
        let next = GIVEN.fetch_add(1, Ordering::Relaxed) % NUMBER;
        let port = FIRST + (offset + next) % NUMBER;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
