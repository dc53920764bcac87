//! Upstreams that are several, that fail, and that speak TLS: end to end.

use crate::edge_tls::file;
use crate::ports::free_port;
use crate::support::{Answer, Client, Doorward, Upstream, ask, get, plain_config, rule};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Doorward with one rule for everything and that upstream.
fn doorward(upstream: Value) -> Doorward {
    let mut rule = rule(
        "all",
        "http://<[^/]+>/<.*>",
        ["anonymous", "allow", "noop"],
        None,
    );
    rule["match"]["methods"] = json!(["GET", "POST", "PUT", "HEAD"]);
    rule["upstream"] = upstream;
    Doorward::start(plain_config(), json!([rule]))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// A server that does as it is told with each connection, and counts them.
struct Odd {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Odd {
    fn start(serve: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Odd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let odd = Odd {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
        };
        let (count, serve) = (odd.connections.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                std::thread::spawn(move || serve(number, &mut stream));
            }
        });
        odd
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads one request head; `false` at the end of the connection.
fn read_head(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => seen.push(byte[0]),
            _ => return false,
        }
    }
    true
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn post(to: SocketAddr) -> Answer {
    ask(
        to,
        "POST /x HTTP/1.1\r\nHost: h.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
    )
}

#[test]
fn servers_share_the_requests_and_the_dead_ones_are_left_out() {
    let servers = [Upstream::start(), Upstream::start()];
    let dead = format!("http://127.0.0.1:{}", free_port());
    let doorward = doorward(json!({
        "urls": [url(servers[0].address), dead, { "url": url(servers[1].address), "weight": 2 }],
    }));
    for _ in 0..24 {
        assert_eq!(get(doorward.proxy, "/x", "h.test").status, 200);
        assert_eq!(post(doorward.proxy).status, 200);
    }
    let shares = servers.each_ref().map(|server| {
        let mut count = 0;
        while !server.saw_nothing() {
            count += 1;
        }
        count
    });
    assert_eq!(shares.iter().sum::<usize>(), 48, "each request once");
    assert!(shares[0] >= 12 && shares[1] >= 24, "{shares:?}");
}

#[test]
fn requests_stay_together_by_what_the_rule_says() {
    let servers = [Upstream::start(), Upstream::start(), Upstream::start()];
    let urls: Vec<String> = servers.iter().map(|s| url(s.address)).collect();
    let doorward = doorward(json!({
        "urls": urls,
        "policy": { "hash": { "header": "X-Tenant" } },
    }));
    let mut used = [0; 3];
    for tenant in 0..12 {
        for _ in 0..3 {
            let request = format!(
                "GET /x HTTP/1.1\r\nHost: h.test\r\nX-Tenant: t{tenant}\r\nConnection: close\r\n\r\n"
            );
            assert_eq!(ask(doorward.proxy, &request).status, 200);
        }
        let seen = servers
            .each_ref()
            .map(|server| (0..).take_while(|_| !server.saw_nothing()).count());
        let at = seen.iter().position(|count| *count == 3);
        used[at.unwrap_or_else(|| panic!("tenant {tenant} was at {seen:?}"))] += 1;
    }
    assert!(
        used.iter().filter(|count| **count > 0).count() > 1,
        "{used:?}"
    );
}

#[test]
fn a_server_that_fails_its_checks_gets_no_requests_until_it_passes_them() {
    let well = Upstream::start();
    let healthy = Arc::new(AtomicUsize::new(0));
    let ill = {
        let healthy = healthy.clone();
        Odd::start(move |_, stream| {
            while read_head(stream) {
                let status = if healthy.load(Ordering::SeqCst) > 0 {
                    200
                } else {
                    503
                };
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes());
            }
        })
    };
    let doorward = doorward(json!({
        "urls": [url(well.address), url(ill.address)],
        "health": { "path": "/up", "interval": "100ms", "healthy": 1, "unhealthy": 1 },
    }));
    let settle = |wanted: bool| {
        // One of two in turn: three good answers in a row mean that only the good one is asked.
        doorward.eventually(&format!("the ill one is asked: {wanted}"), || {
            let bodies: Vec<String> = (0..4)
                .map(|_| get(doorward.proxy, "/x", "h.test").body)
                .collect();
            bodies.iter().any(|body| body != "hello") == wanted
        });
    };
    settle(false);
    healthy.store(1, Ordering::SeqCst);
    settle(true);
}

#[test]
fn a_name_with_several_addresses_is_reached_at_the_one_that_listens() {
    let upstream = Upstream::start();
    // `localhost` is ::1 first on most machines, and nobody listens there.
    let doorward =
        doorward(json!({ "url": format!("http://localhost:{}", upstream.address.port()) }));
    for _ in 0..4 {
        assert_eq!(get(doorward.proxy, "/x", "h.test").status, 200);
        assert_eq!(post(doorward.proxy).status, 200);
    }
}

#[test]
fn unreachable_upstreams_and_full_ones_have_their_statuses() {
    let port = free_port();
    for (upstream, status) in [
        (json!({ "url": format!("http://127.0.0.1:{port}") }), 502),
        (json!({ "url": "http://no-such-host.invalid" }), 502),
        (
            json!({ "urls": ["http://no-such-host.invalid", format!("http://127.0.0.1:{port}")] }),
            502,
        ),
    ] {
        let doorward = doorward(upstream.clone());
        let answer = get(doorward.proxy, "/x", "h.test");
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, ""),
            "{upstream}"
        );
    }
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let slow = Odd::start(move |_, stream| {
        if read_head(stream) {
            let _ = wait.lock().unwrap().recv();
            let _ = stream.write_all(OK);
        }
    });
    let doorward = doorward(json!({ "url": url(slow.address), "limits": { "requests": 1 } }));
    let mut first = Client::connect(doorward.proxy);
    first.send("GET /x HTTP/1.1\r\nHost: h.test\r\n\r\n");
    doorward.eventually("the first is there", || slow.connections() > 0);
    assert_eq!(get(doorward.proxy, "/x", "h.test").status, 503);
    release.send(()).unwrap();
    assert_eq!(first.answer().unwrap().status, 200);
}

#[test]
fn rules_have_timeouts_of_their_own() {
    let silent = Odd::start(|_, stream| {
        read_head(stream);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let dripping = Odd::start(|_, stream| {
        read_head(stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let begin = Instant::now();
    let quick =
        doorward(json!({ "url": url(silent.address), "timeout": { "read_idle": "200ms" } }));
    assert_eq!(get(quick.proxy, "/x", "h.test").status, 504);
    let total = doorward(json!({ "url": url(silent.address), "timeout": { "total": "200ms" } }));
    assert_eq!(get(total.proxy, "/x", "h.test").status, 504);
    let total = doorward(json!({ "url": url(dripping.address), "timeout": { "total": "300ms" } }));
    let mut client = TcpStream::connect(total.proxy).unwrap();
    client
        .write_all(b"GET /x HTTP/1.1\r\nHost: h.test\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    assert!(answer.len() < 1000, "cut off, not completed");
    assert!(begin.elapsed() < Duration::from_secs(15));
}

/// The upstream closes each connection some requests after it said that it would keep it.
#[test]
fn connections_that_the_upstream_closes_cost_no_replayable_request() {
    let fickle = Odd::start(|number, stream| {
        for _ in 0..1 + number % 3 {
            if !read_head(stream) || stream.write_all(OK).is_err() {
                return;
            }
        }
        // One request more is read and gets no answer: the worst moment to close.
        if number % 2 == 0 {
            read_head(stream);
        }
    });
    let doorward = doorward(json!({ "url": url(fickle.address) }));
    let proxy = doorward.proxy;
    let workers: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(proxy);
                for turn in 0..50 {
                    let method = if turn % 5 == 0 { "PUT" } else { "GET" };
                    let length = if turn % 5 == 0 {
                        "Content-Length: 0\r\n"
                    } else {
                        ""
                    };
                    client.send(format!(
                        "{method} /x HTTP/1.1\r\nHost: h.test\r\n{length}\r\n"
                    ));
                    let answer = client.answer().unwrap();
                    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{turn}");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

#[test]
fn what_may_have_been_done_is_not_done_twice() {
    let dropping = Odd::start(|_, stream| {
        read_head(stream);
    });
    let single = doorward(json!({ "url": url(dropping.address), "retries": { "attempts": 3 } }));
    assert_eq!(post(single.proxy).status, 502);
    assert_eq!(dropping.connections(), 1);
    assert_eq!(get(single.proxy, "/x", "h.test").status, 502);
    assert_eq!(dropping.connections(), 1 + 4, "once and three times more");
    let plain = doorward(json!({ "url": url(dropping.address) }));
    assert_eq!(get(plain.proxy, "/x", "h.test").status, 502);
    assert_eq!(dropping.connections(), 1 + 4 + 1, "not asked for");
}

/// What upstreams say of their answers' lengths is held against them.
#[test]
fn lies_about_lengths_end_the_connection_and_never_mix_answers() {
    let lying = Odd::start(|number, stream| {
        read_head(stream);
        let answer: &[u8] = match number % 4 {
            0 => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
            1 => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
            2 => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        };
        let _ = stream.write_all(answer);
        if number % 4 == 1 {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        }
    });
    let doorward = doorward(json!({ "url": url(lying.address) }));
    let request = "GET /x HTTP/1.1\r\nHost: h.test\r\nConnection: close\r\n\r\n";
    for number in 0..8 {
        let mut client = TcpStream::connect(doorward.proxy).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("poison"), "{answer}");
        match number % 4 {
            0 => assert!(answer.ends_with("short"), "{answer}"),
            1 => assert!(answer.ends_with("ok"), "{answer}"),
            2 => assert!(!answer.ends_with("0\r\n\r\n"), "a whole answer: {answer}"),
            _ => assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}"),
        }
    }
}

/// A TLS server that answers every request with `ok`, and may ask for a client certificate.
fn tls_upstream(certificate: &str, client_ca: Option<&str>) -> SocketAddr {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let read = |name: String| std::fs::read(file(&name)).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(&read(format!("{certificate}.crt"))).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&read(format!("{certificate}.key"))).unwrap();
    let builder = rustls::ServerConfig::builder();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = rustls::RootCertStore::empty();
            let ca = CertificateDer::from_pem_slice(&read(format!("{ca}.crt"))).unwrap();
            roots.add(ca).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots));
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let odd = Odd::start(move |_, stream| {
        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut tls = rustls::StreamOwned::new(connection, stream.try_clone().unwrap());
        let mut seen = Vec::new();
        let mut byte = [0];
        while let Ok(1) = tls.read(&mut byte) {
            seen.push(byte[0]);
            if seen.ends_with(b"\r\n\r\n") {
                seen.clear();
                if tls.write_all(OK).and_then(|()| tls.flush()).is_err() {
                    return;
                }
            }
        }
    });
    odd.address
}

#[test]
fn upstreams_over_tls_are_verified_unless_the_rule_says_by_name_that_they_are_not() {
    let good = tls_upstream("upstream.test", None);
    let other = tls_upstream("other", None);
    let wrong_name = tls_upstream("door.test", None);
    let picky = tls_upstream("upstream.test", Some("ca"));
    let ca = json!(file("ca.crt"));
    let identity = json!({ "cert": file("client.crt"), "key": file("client.key") });
    let stranger = json!({ "cert": file("other.crt"), "key": file("other.key") });
    for (server, tls, status, why) in [
        (good, json!({ "ca": ca }), 200, "an address among the names"),
        (
            good,
            Value::Null,
            502,
            "an authority that the system doesn't know",
        ),
        (
            good,
            json!({ "ca": file("other-ca.crt") }),
            502,
            "another authority",
        ),
        (
            other,
            json!({ "ca": ca }),
            502,
            "a certificate of another authority",
        ),
        (
            other,
            json!({ "insecure_skip_verify": false }),
            502,
            "verified where it says so",
        ),
        (
            other,
            json!({ "insecure_skip_verify": true }),
            200,
            "the named switch",
        ),
        (wrong_name, json!({ "ca": ca }), 502, "another name"),
        (
            wrong_name,
            json!({ "ca": ca, "server_name": "door.test" }),
            200,
            "the name to expect",
        ),
        (picky, json!({ "ca": ca }), 502, "no client certificate"),
        (
            picky,
            json!({ "ca": ca, "client_certificate": identity }),
            200,
            "a client certificate",
        ),
        (
            picky,
            json!({ "ca": ca, "client_certificate": stranger }),
            502,
            "a stranger's",
        ),
    ] {
        let doorward = doorward(json!({ "url": format!("https://{server}"), "tls": tls }));
        let answer = get(doorward.proxy, "/x", "h.test");
        assert_eq!(answer.status, status, "{why}: {}", doorward.log());
    }
}

/// One server, two rules: the one that verifies must not get a connection that the other made.
#[test]
fn connections_are_shared_only_by_rules_that_trust_the_same() {
    let other = tls_upstream("other", None);
    let mut loose = rule(
        "loose",
        "http://h.test/loose",
        ["anonymous", "allow", "noop"],
        None,
    );
    loose["upstream"] =
        json!({ "url": format!("https://{other}"), "tls": { "insecure_skip_verify": true } });
    let mut strict = rule(
        "strict",
        "http://h.test/strict",
        ["anonymous", "allow", "noop"],
        None,
    );
    strict["upstream"] =
        json!({ "url": format!("https://{other}"), "tls": { "ca": file("ca.crt") } });
    let doorward = Doorward::start(plain_config(), json!([loose, strict]));
    for (target, status) in [
        ("/loose", 200),
        ("/strict", 502),
        ("/loose", 200),
        ("/strict", 502),
    ] {
        assert_eq!(
            get(doorward.proxy, target, "h.test").status,
            status,
            "{target}"
        );
    }
}
