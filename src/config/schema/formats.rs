//! What a text must look like.

use crate::config::Repository;
use crate::config::duration::parse_simple;

/// Formats of texts. Each explains itself when it is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    NotEmpty,
    /// `^[0-9]+(ns|us|ms|s|m|h)$`.
    Duration,
    /// Go's durations or nanoseconds; what can't be read is zero, as in the reference.
    LenientDuration,
    /// With a scheme.
    Uri,
    UriReference,
    /// `192.0.2.0/24`.
    Network,
    /// The URL of a rule source.
    Repository,
    HostPort,
    /// `^[A-Za-z0-9,._~-]*$`.
    QueryParameter,
    /// `memory` or a Redis URL.
    CacheBackend,
    /// `v` and a semantic version.
    Version,
    /// An HTTP status in words: `not_found`.
    StatusName,
}

impl Format {
    /// `Err` says what is wrong, without repeating the value.
    pub fn check(self, text: &str) -> Result<(), String> {
        let fine = match self {
            Format::NotEmpty => !text.is_empty(),
            Format::Duration => parse_simple(text).is_some(),
            Format::LenientDuration => true,
            Format::Uri => return uri(text).and_then(|()| scheme(text)),
            Format::UriReference => return uri(text),
            Format::Network => text.parse::<ipnet::IpNet>().is_ok(),
            Format::Repository => return Repository::try_from(text.to_owned()).map(drop),
            Format::HostPort => host_port(text),
            Format::QueryParameter => text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b",._~-".contains(&b)),
            Format::CacheBackend => {
                text == "memory" || text.starts_with("redis://") || text.starts_with("rediss://")
            }
            Format::Version => text
                .strip_prefix('v')
                .is_some_and(|version| semver::Version::parse(version).is_ok()),
            Format::StatusName => STATUS_NAMES.contains(&text),
        };
        if fine {
            Ok(())
        } else {
            Err(self.expectation().to_owned())
        }
    }

    fn expectation(self) -> &'static str {
        match self {
            Format::NotEmpty => "must not be empty",
            Format::Duration => {
                "must be a whole number with one unit of ns, us, ms, s, m, h, such as `90s`"
            }
            Format::LenientDuration => "must be a duration",
            Format::Uri => "must be a URL with a scheme, such as `https://`",
            Format::UriReference => "must be a URL or a path",
            Format::Network => "must be a network such as `10.0.0.0/8` or `192.0.2.1/32`",
            Format::Repository => "must be the URL of a rule source",
            Format::HostPort => "must be a host and a port, such as `localhost:4318`",
            Format::QueryParameter => {
                "must be a name of letters, digits and the characters `,._~-`"
            }
            Format::CacheBackend => "must be `memory` or a `redis://` URL",
            Format::Version => "must be `v` and a semantic version, such as `v0.40.9`",
            Format::StatusName => "must be an HTTP status in words, such as `not_found`",
        }
    }

    /// For the reference page.
    pub fn name(self) -> &'static str {
        match self {
            Format::NotEmpty => "not empty",
            Format::Duration | Format::LenientDuration => "a duration",
            Format::Uri => "a URL",
            Format::UriReference => "a URL or path",
            Format::Network => "a network",
            Format::Repository => "a rule source",
            Format::HostPort => "host and port",
            Format::QueryParameter => "a parameter name",
            Format::CacheBackend => "`memory` or a URL",
            Format::Version => "a version",
            Format::StatusName => "a status",
        }
    }

    /// The `format` or `pattern` that says about the same in a JSON schema.
    pub fn json_schema(self) -> Option<(&'static str, &'static str)> {
        match self {
            Format::NotEmpty => Some(("pattern", "^(.|\\n)+$")),
            Format::Duration => Some(("pattern", "^[0-9]+(ns|us|ms|s|m|h)$")),
            Format::Uri | Format::Repository => Some(("format", "uri")),
            Format::UriReference => Some(("format", "uri-reference")),
            Format::Network => Some(("pattern", "^[0-9A-Fa-f.:]+/[0-9]{1,3}$")),
            Format::HostPort => Some(("pattern", "^.+:[0-9]{1,5}$")),
            Format::QueryParameter => Some(("pattern", "^[A-Za-z0-9,._~-]*$")),
            Format::CacheBackend => Some(("pattern", "^(memory|rediss?://.*)$")),
            Format::Version => Some(("pattern", "^v[0-9]+\\.[0-9]+\\.[0-9]+([-+].*)?$")),
            Format::LenientDuration | Format::StatusName => None,
        }
    }
}

fn uri(text: &str) -> Result<(), String> {
    let broken = text.contains('\\')
        || text.bytes().any(|b| b.is_ascii_control())
        || text.split('%').skip(1).any(|rest| {
            let digits: Vec<u8> = rest.bytes().take(2).collect();
            digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit)
        });
    if broken {
        return Err("is not a valid URL".to_owned());
    }
    Ok(())
}

fn scheme(text: &str) -> Result<(), String> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let good = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if good {
        Ok(())
    } else {
        Err(Format::Uri.expectation().to_owned())
    }
}

fn host_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// Go's status texts in lower case, with underscores for spaces and without apostrophes.
const STATUS_NAMES: &[&str] = &[
    "continue",
    "switching_protocols",
    "processing",
    "early_hints",
    "ok",
    "created",
    "accepted",
    "non-authoritative_information",
    "no_content",
    "reset_content",
    "partial_content",
    "multi-status",
    "already_reported",
    "im_used",
    "multiple_choices",
    "moved_permanently",
    "found",
    "see_other",
    "not_modified",
    "use_proxy",
    "temporary_redirect",
    "permanent_redirect",
    "bad_request",
    "unauthorized",
    "payment_required",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "not_acceptable",
    "proxy_authentication_required",
    "request_timeout",
    "conflict",
    "gone",
    "length_required",
    "precondition_failed",
    "request_entity_too_large",
    "request_uri_too_long",
    "unsupported_media_type",
    "requested_range_not_satisfiable",
    "expectation_failed",
    "im_a_teapot",
    "misdirected_request",
    "unprocessable_entity",
    "locked",
    "failed_dependency",
    "too_early",
    "upgrade_required",
    "precondition_required",
    "too_many_requests",
    "request_header_fields_too_large",
    "unavailable_for_legal_reasons",
    "internal_server_error",
    "not_implemented",
    "bad_gateway",
    "service_unavailable",
    "gateway_timeout",
    "http_version_not_supported",
    "variant_also_negotiates",
    "insufficient_storage",
    "loop_detected",
    "not_extended",
    "network_authentication_required",
];
