//! How a listener's configuration says requests are to be read. Whoever judges requests without a listener reads them the same way.

use crate::canonical::headers::UnderscoreHeaders;
use crate::canonical::{Forwarded, PathPolicy, TrailingSlash, Trust};
use crate::config::{self, Config, Listener, TrustForwarded};

/// Whose forwarding headers count at that listener.
pub fn trust(listener: &Listener, forwarded: Forwarded) -> Trust {
    Trust {
        proxies: listener.trusted_proxies.clone(),
        forwarded,
    }
}

/// Whether forwarding headers count at the proxy at all.
pub fn forwarded(listener: &Listener) -> Forwarded {
    match listener.trust_forwarded_headers {
        TrustForwarded::Never => Forwarded::Ignored,
        TrustForwarded::FromTrustedProxies => Forwarded::Honoured,
    }
}

pub fn paths(config: &Config, listener: &Listener) -> PathPolicy {
    PathPolicy {
        trailing_slash: match config.access_rules.trailing_slash {
            config::TrailingSlash::Keep => TrailingSlash::Keep,
            config::TrailingSlash::Strip => TrailingSlash::Strip,
        },
        max_target_bytes: listener.limits.target_bytes,
    }
}

pub fn underscores(config: &Config) -> UnderscoreHeaders {
    match config.access_rules.underscore_headers {
        config::UnderscoreHeaders::DropAliases => UnderscoreHeaders::DropAliases,
        config::UnderscoreHeaders::Drop => UnderscoreHeaders::Drop,
        config::UnderscoreHeaders::Keep => UnderscoreHeaders::Keep,
    }
}
