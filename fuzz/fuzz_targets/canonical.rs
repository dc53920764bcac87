//! Any target and host: refused, or understood in one way by every door and by whoever is forwarded to.
#![no_main]

use doorward::canonical::{PathPolicy, UpstreamPath, for_decision};
use doorward::gourl::{Url, path_unescape};
use doorward_fuzz::{GATEWAY, inbound, proxied, trust};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

// Input: host, target, upstream path and strip_path, one a line.
fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(4, |&b| b == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let Ok(host) = HeaderValue::from_bytes(line()) else {
        return;
    };
    let (target, base, strip) = (line(), line(), line());
    let Ok(request) = proxied("GET", &host, target) else {
        return;
    };
    assert!(request.path().starts_with('/') && request.raw_path().starts_with('/'));
    assert!(!request.path().contains("//") && !request.path().contains('\0'));

    let raw = UpstreamPath::default()
        .target(&request)
        .expect("nothing is cut");
    let again = proxied("GET", &host, raw.as_bytes()).expect("what is forwarded is understood");
    assert_eq!(
        (again.path_bytes(), again.raw_path(), again.query()),
        (request.path_bytes(), request.raw_path(), request.query())
    );

    let headers = HeaderMap::from_iter([(http::header::HOST, host.clone())]);
    let below = [b"/decisions", target].concat();
    if target.first() == Some(&b'/') {
        let decision = for_decision(
            &inbound("GET", &below, GATEWAY, &headers),
            &trust(),
            &PathPolicy {
                max_target_bytes: usize::MAX,
                ..PathPolicy::default()
            },
        );
        assert_eq!(decision.expect("the same target").path(), request.path());
    }

    let (Ok(base), Ok(strip)) = (std::str::from_utf8(base), std::str::from_utf8(strip)) else {
        return;
    };
    let upstream = Url {
        path: base.as_bytes().to_vec(),
        ..Url::default()
    };
    let Ok(forwarded) = UpstreamPath::new(&upstream, strip).target(&request) else {
        return;
    };
    assert!(forwarded.starts_with('/') && !forwarded.contains(['#', ' ', '\r', '\n', '\0']));
    let path = forwarded.split('?').next().unwrap_or_default();
    let decoded = path_unescape(path).expect("a valid encoding");
    for piece in decoded.split(|b| matches!(b, b'/' | b'\\')) {
        let name = piece.split(|&b| b == b';').next().unwrap_or_default();
        let own = base
            .as_bytes()
            .split(|b| matches!(b, b'/' | b'\\'))
            .any(|part| part == piece);
        assert!(own || !matches!(name, b"." | b".."), "{forwarded}");
    }
});
