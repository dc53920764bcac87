//! TLS at the listeners, with real clients: names, rotation, client certificates, and files that can't be used.

use crate::support::{Client, Doorward, Http, Upstream, plain_config, rule};
use reqwest::tls::TlsInfo;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

fn der(name: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::CertificateDer::from_pem_slice(&pem(name))
        .unwrap()
        .to_vec()
}

pub fn client() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = reqwest::Certificate::from_pem(&pem("ca.crt")).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .timeout(Duration::from_secs(10))
}

/// A client that speaks one protocol without TLS.
pub fn client_over(http: Http) -> reqwest::ClientBuilder {
    match http {
        Http::One => client().http1_only(),
        Http::Two => client().http2_prior_knowledge(),
    }
}

/// A client that looks every name up to Doorward's address.
fn client_of(doorward: &Doorward) -> reqwest::ClientBuilder {
    ["door.test", "a.wild.test", "client.test"]
        .into_iter()
        .fold(client(), |c, name| c.resolve(name, doorward.proxy))
}

fn rules(upstream: &Upstream) -> Value {
    json!([
        rule(
            "tls",
            "https://<[^/]+>/<.*>",
            ["noop", "allow", "noop"],
            Some(upstream.address)
        ),
        rule(
            "plain",
            "http://<[^/]+>/<.*>",
            ["unauthorized", "allow", "noop"],
            None
        )
    ])
}

fn config(tls: Value) -> Value {
    let mut config = plain_config();
    config["serve"]["proxy"]["tls"] = tls;
    config
}

fn pair(name: &str) -> Value {
    json!({
        "cert": { "path": file(&format!("{name}.crt")) },
        "key": { "path": file(&format!("{name}.key")) },
    })
}

fn url(doorward: &Doorward, host: &str) -> String {
    format!("https://{host}:{}/x", doorward.proxy.port())
}

fn shown(answer: &reqwest::Response) -> Vec<u8> {
    let info = answer.extensions().get::<TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

#[tokio::test]
async fn each_name_gets_its_certificate_over_both_protocols() {
    let upstream = Upstream::start();
    let mut tls = pair("door.test");
    tls["certificates"] = json!([pair("wild.test")]);
    let doorward = Doorward::start(config(tls), rules(&upstream));
    for (version, client) in [
        (http::Version::HTTP_2, client_of(&doorward)),
        (http::Version::HTTP_11, client_of(&doorward).http1_only()),
    ] {
        let client = client.tls_info(true).build().unwrap();
        for (host, certificate) in [("door.test", "door.test"), ("a.wild.test", "wild.test")] {
            let answer = client.get(url(&doorward, host)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{host}");
            assert_eq!(answer.version(), version, "{host}");
            assert_eq!(shown(&answer), der(&format!("{certificate}.crt")), "{host}");
        }
    }
}

#[test]
fn one_protocol_is_settled_on_and_no_other_is_spoken() {
    let upstream = Upstream::start();
    let doorward = Doorward::start(config(pair("door.test")), rules(&upstream));
    let mut wrong = raw_tls(doorward.proxy, &[b"h2"]);
    wrong
        .write_all(b"GET /x HTTP/1.1\r\nHost: door.test\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = wrong.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
    let mut wrong = raw_tls(doorward.proxy, &[b"http/1.1"]);
    wrong
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = wrong.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    assert!(upstream.saw_nothing());
}

type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn raw_tls(to: SocketAddr, protocols: &[&[u8]]) -> Tls {
    let stream = TcpStream::connect(to).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    rustls::StreamOwned::new(connection(protocols), stream)
}

fn connection(protocols: &[&[u8]]) -> rustls::ClientConnection {
    use rustls_pki_types::pem::PemObject;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls_pki_types::CertificateDer::from_pem_slice(&pem("ca.crt")).unwrap())
        .unwrap();
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    rustls::ClientConnection::new(Arc::new(config), "door.test".try_into().unwrap()).unwrap()
}

#[test]
fn a_client_hello_in_pieces_is_one_and_a_handshake_that_stalls_ends() {
    let upstream = Upstream::start();
    let mut config = config(pair("door.test"));
    config["serve"]["proxy"]["timeout"]["header"] = "400ms".into();
    let doorward = Doorward::start(config, rules(&upstream));
    let mut stalled = Client::connect(doorward.proxy);
    stalled.send([0x16, 0x03, 0x01]);
    let begin = Instant::now();

    let mut tls = connection(&[b"http/1.1"]);
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    let mut stream = TcpStream::connect(doorward.proxy).unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in hello {
        stream.write_all(&[byte]).unwrap();
    }
    let mut tls = rustls::StreamOwned::new(tls, stream);
    tls.write_all(b"GET /x HTTP/1.1\r\nHost: door.test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 "));

    assert!(stalled.is_closed());
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn clients_show_a_certificate_where_they_must() {
    let upstream = Upstream::start();
    for (presence, without) in [("required", false), ("optional", true)] {
        let mut tls = pair("door.test");
        tls["client_ca"] = json!({ "path": file("ca.crt") });
        tls["client_certificate"] = presence.into();
        let doorward = Doorward::start(config(tls), rules(&upstream));
        for (brings, allowed) in [
            (None, without),
            (Some("client"), true),
            (Some("other"), false),
        ] {
            let mut builder = client_of(&doorward);
            if let Some(name) = brings {
                let mut identity = pem(&format!("{name}.crt"));
                identity.extend(pem(&format!("{name}.key")));
                builder = builder.identity(reqwest::Identity::from_pem(&identity).unwrap());
            }
            let answer = builder.build().unwrap().get(url(&doorward, "door.test"));
            let answer = answer.send().await;
            assert_eq!(answer.is_ok(), allowed, "{presence} {brings:?}: {answer:?}");
        }
    }
}

#[test]
fn what_can_t_be_used_is_named_and_ends_the_start() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let garbage = dir.path().join("garbage.pem");
    std::fs::write(
        &garbage,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let with = |part: &str, path: PathBuf| {
        let mut tls = pair("door.test");
        tls[part] = json!({ "path": path });
        tls
    };
    let mut second = pair("door.test");
    second["certificates"] = json!([with("key", file("wild.test.key"))]);
    for (tls, words) in [
        (
            with("cert", "/nowhere/at-all.crt".into()),
            ["serve.proxy.tls.cert.path", "/nowhere/at-all.crt"],
        ),
        (
            with("cert", garbage.clone()),
            ["serve.proxy.tls.", "garbage.pem"],
        ),
        (
            with("cert", file("door.test.key")),
            ["serve.proxy.tls.cert.path", "door.test.key"],
        ),
        (
            with("key", file("door.test.crt")),
            ["serve.proxy.tls.key.path", "door.test.crt"],
        ),
        (
            with("key", file("wild.test.key")),
            ["serve.proxy.tls.key.path", "wild.test.key"],
        ),
        (
            with("client_ca", garbage),
            ["serve.proxy.tls.client_ca.path", "garbage.pem"],
        ),
        (
            second,
            ["serve.proxy.tls.certificates.0.key.path", "wild.test.key"],
        ),
    ] {
        let mut doorward = Doorward::launch(config(tls), rules(&upstream));
        let code = doorward.wait(Duration::from_secs(20));
        let log = doorward.log();
        assert!(matches!(code, Some(1..)), "{words:?}: {code:?} {log}");
        assert!(!log.contains("panicked"), "{log}");
        for word in words {
            assert!(log.contains(word), "{word} in {log}");
        }
    }
}

/// Certificate and key are replaced one after the other, many clients at work meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_under_load_and_no_request_fails() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    let [cert, key] = ["crt", "key"].map(|kind| dir.path().join(kind));
    let put = |name: &str| {
        std::fs::copy(file(&format!("{name}.crt")), &cert).unwrap();
        std::fs::copy(file(&format!("{name}.key")), &key).unwrap();
    };
    put("door.test");
    let tls = json!({ "cert": { "path": cert }, "key": { "path": key } });
    let doorward = Doorward::start(config(tls), rules(&upstream));
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for keeps in [true, true, false, false] {
        let (done, served) = (done.clone(), served.clone());
        let url = url(&doorward, "door.test");
        let builder = client_of(&doorward).pool_max_idle_per_host(if keeps { 8 } else { 0 });
        let client = builder.build().unwrap();
        tasks.push(tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let answer = client
                    .get(&url)
                    .send()
                    .await
                    .unwrap_or_else(|error| panic!("{error:?}"));
                assert_eq!(answer.status(), 200);
                served.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    put("door2.test");
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let fresh = client_of(&doorward).tls_info(true).build().unwrap();
        let answer = fresh.get(url(&doorward, "door.test")).send().await.unwrap();
        if shown(&answer) == der("door2.test.crt") {
            break;
        }
        assert!(Instant::now() < end, "{}", doorward.log());
    }
    done.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(served.load(Ordering::Relaxed) > 0);
}
