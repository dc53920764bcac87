//! How a listener's configuration says requests are to be read. Whoever judges requests without a listener reads them the same way.

use crate::canonical::headers::{self, Fields, Peer, UnderscoreHeaders, Upgrade};
use crate::canonical::{Forwarded, PathPolicy, TrailingSlash, Trust};
use crate::config::{self, Config, Listener, TrustForwarded};
use std::net::IpAddr;

/// How requests are read at one door.
#[derive(Debug)]
pub struct Policy {
    pub trust: Trust,
    pub paths: PathPolicy,
    pub underscores: UnderscoreHeaders,
}

impl Policy {
    /// Of the reverse proxy, where forwarding headers count only if the configuration says so.
    pub fn of_proxy(config: &Config) -> Policy {
        let listener = &config.serve.proxy;
        let forwarded = match listener.trust_forwarded_headers {
            TrustForwarded::Never => Forwarded::Ignored,
            TrustForwarded::FromTrustedProxies => Forwarded::Honoured,
        };
        Policy::of(config, listener, forwarded)
    }

    pub fn of(config: &Config, listener: &Listener, forwarded: Forwarded) -> Policy {
        Policy {
            trust: Trust {
                proxies: listener.trusted_proxies.clone(),
                forwarded,
            },
            paths: PathPolicy {
                trailing_slash: match config.access_rules.trailing_slash {
                    config::TrailingSlash::Keep => TrailingSlash::Keep,
                    config::TrailingSlash::Strip => TrailingSlash::Strip,
                },
                max_target_bytes: listener.limits.target_bytes,
            },
            underscores: match config.access_rules.underscore_headers {
                config::UnderscoreHeaders::DropAliases => UnderscoreHeaders::DropAliases,
                config::UnderscoreHeaders::Drop => UnderscoreHeaders::Drop,
                config::UnderscoreHeaders::Keep => UnderscoreHeaders::Keep,
            },
        }
    }

    /// Takes away the headers that this peer's requests must not bring in.
    pub fn clean(&self, fields: &mut impl Fields, peer: IpAddr) -> Upgrade {
        let peer = if self.trust.trusts(peer) {
            Peer::Trusted
        } else {
            Peer::Untrusted
        };
        headers::clean(fields, peer, self.underscores)
    }
}
