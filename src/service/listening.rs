//! Waiting for doors to open. The API says that Doorward is ready, so it opens last: Pingora opens the listeners of each service on a
//! thread of its own and says nothing when it has done so.

use crate::config::ListenAddress;
use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::ServiceReadyNotifier;
use pingora_core::services::background::BackgroundService;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Between two looks at a door.
const PAUSE: Duration = Duration::from_millis(2);
/// A door that can't be reached from here (a firewall, an address that is not this machine's own) keeps the API waiting no longer.
const MOST: Duration = Duration::from_secs(3);

/// Is ready when somebody accepts connections at all of these addresses.
pub(super) struct Opened(Vec<(String, u16)>);

impl Opened {
    pub(super) fn new<'a>(addresses: impl IntoIterator<Item = &'a ListenAddress>) -> Opened {
        // Port 0 is a free one that only the system knows.
        let known = addresses.into_iter().filter(|address| address.port != 0);
        Opened(known.map(reached_at).collect())
    }
}

/// How a listener's address is reached from the machine itself.
fn reached_at(address: &ListenAddress) -> (String, u16) {
    let host = match address.host.trim_matches(['[', ']']) {
        "" | "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    (host.to_owned(), address.port)
}

#[async_trait]
impl BackgroundService for Opened {
    async fn start_with_ready_notifier(
        &self,
        mut shutdown: ShutdownWatch,
        ready: ServiceReadyNotifier,
    ) {
        let opened = async {
            for (host, port) in &self.0 {
                while TcpStream::connect((host.as_str(), *port)).await.is_err() {
                    sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            _ = timeout(MOST, opened) => ready.notify_ready(),
            _ = shutdown.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_at_all_addresses_is_reached_by_loopback() {
        for (host, reached) in [
            ("", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("[::]", "::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("door.internal", "door.internal"),
        ] {
            let address = ListenAddress {
                host: host.to_owned(),
                port: 4455,
            };
            assert_eq!(reached_at(&address), (reached.to_owned(), 4455));
        }
    }
}
