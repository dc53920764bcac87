//! Any message as what Envoy asks: refused, or understood as the reverse proxy understands the same request, with headers as clean.
#![no_main]

use doorward::canonical::headers::UnderscoreHeaders;
use doorward::canonical::{Forwarded, PathPolicy, Trust};
use doorward::ext_authz::{Asked, HeaderLimits};
use doorward::reading::Policy;
use doorward_fuzz::{GATEWAY, STRANGER, assert_clean, meant, proxied, trust};
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use prost::Message;

const LIMITS: HeaderLimits = HeaderLimits {
    lines: 20,
    bytes: 1000,
};

// Input: `envoy.service.auth.v3.CheckRequest` as protobuf.
fuzz_target!(|data: &[u8]| {
    let Ok(message) = CheckRequest::decode(data) else {
        return;
    };
    let asked = Asked::new(
        message.clone(),
        STRANGER,
        &policy(Forwarded::Ignored),
        LIMITS,
    );
    if let Ok(request) = &asked.request {
        let host = HeaderValue::from_str(request.host()).expect("a host that was accepted");
        let target = target(&message);
        let proxied =
            proxied(request.method(), &host, target.as_bytes()).expect("what one door accepts");
        assert_eq!(meant(request), meant(&proxied));
    }
    assert_clean(&asked.headers);
    for name in &asked.removed {
        assert!(!asked.headers.contains_key(name), "{name}");
    }
    let _trusted = Asked::new(message, GATEWAY, &policy(Forwarded::Honoured), LIMITS);
});

fn policy(forwarded: Forwarded) -> Policy {
    Policy {
        trust: Trust {
            forwarded,
            ..trust()
        },
        paths: PathPolicy::default(),
        underscores: UnderscoreHeaders::DropAliases,
    }
}

fn target(message: &CheckRequest) -> String {
    let attributes = message.attributes.as_ref();
    let http = attributes.and_then(|attributes| attributes.request.as_ref()?.http.as_ref());
    http.map(|http| http.path.clone()).unwrap_or_default()
}
