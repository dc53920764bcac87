//! Whose forwarding headers count, and who the client is behind them.

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// Whether forwarding headers of trusted peers count at all (`trust_forwarded_headers`; always at the decision API).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    Ignored,
    Honoured,
}

/// Whose forwarding headers count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    pub proxies: Vec<IpNet>,
    pub forwarded: Forwarded,
}

impl Trust {
    /// Loopback, private, link-local and unique-local ranges.
    pub fn default_proxies() -> Vec<IpNet> {
        const RANGES: [&str; 8] = [
            "127.0.0.0/8",
            "::1/128",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "fe80::/10",
            "fc00::/7",
        ];
        RANGES
            .iter()
            .filter_map(|range| range.parse().ok())
            .collect()
    }

    /// Whether that peer may say who and what it forwards for.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.forwarded == Forwarded::Honoured && self.is_proxy(peer)
    }

    /// Whether that address is one of the trusted proxies, whatever their headers count.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|range| range.contains(&address))
    }
}

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client: the peer or, behind trusted proxies, the right-most address in `X-Forwarded-For` that is not one of them. An entry
/// that is no address ends the chain; whoever wrote it counts as the client then.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trust: &Trust) -> IpAddr {
    let mut client = peer.to_canonical();
    if trust.forwarded == Forwarded::Ignored {
        return client;
    }
    let lines = headers.get_all(&FORWARDED_FOR).into_iter().rev();
    for entry in lines.flat_map(|line| line.as_bytes().rsplit(|&b| b == b',')) {
        if !trust.is_proxy(client) {
            return client;
        }
        match parse_hop(entry) {
            Some(address) => client = address,
            None => return client,
        }
    }
    client
}

/// An address, perhaps with a port behind it.
fn parse_hop(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn trust(forwarded: Forwarded) -> Trust {
        Trust {
            proxies: Trust::default_proxies(),
            forwarded,
        }
    }

    fn client(peer: &str, lines: &[&str], forwarded: Forwarded) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                "x-forwarded-for",
                HeaderValue::from_str(line).expect("a value"),
            );
        }
        client_address(
            peer.parse().expect("an address"),
            &headers,
            &trust(forwarded),
        )
        .to_string()
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(
            client("8.8.8.8", &["10.0.0.1"], Forwarded::Honoured),
            "8.8.8.8"
        );
        assert_eq!(
            client("10.0.0.9", &["1.2.3.4"], Forwarded::Ignored),
            "10.0.0.9"
        );
        assert!(!trust(Forwarded::Ignored).trusts("127.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn the_client_is_the_right_most_hop_that_is_not_trusted() {
        for (lines, expected) in [
            (&["1.2.3.4"][..], "1.2.3.4"),
            (&["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            (&["6.6.6.6", "1.2.3.4", "10.0.0.2"], "1.2.3.4"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["1.2.3.4:5678"], "1.2.3.4"),
            (&["[2001:db8::1]:80, ::ffff:10.0.0.2"], "2001:db8::1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(
                client("10.0.0.1", lines, Forwarded::Honoured),
                expected,
                "{lines:?}"
            );
            assert_eq!(
                client("::ffff:10.0.0.1", lines, Forwarded::Honoured),
                expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_chain() {
        for lines in [
            &["unknown"][..],
            &["1.2.3.4, unknown"],
            &["1.2.3.4<script>"],
            &["1.2.3.4, "],
            &["_hidden"],
            &["999.1.1.1"],
        ] {
            assert_eq!(
                client("10.0.0.1", lines, Forwarded::Honoured),
                "10.0.0.1",
                "{lines:?}"
            );
        }
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4, bad, 10.0.0.7"], Forwarded::Honoured),
            "10.0.0.7"
        );
    }
}
