//! A server that answers as a test wants: an auth server, a key server, an upstream, over HTTP/1.1 and perhaps TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A request that the stub got: head and body as text.
#[derive(Debug, Clone)]
pub struct Call {
    pub head: String,
    pub body: String,
}

impl Call {
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The values of a header, of all lines.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        lines
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

type Reply = dyn Fn(&Call) -> Vec<u8> + Send + Sync;

/// A running stub; it ends with the test process.
pub struct Stub {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    count: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Stub {
    /// Answers each request with the bytes that `reply` makes; an empty answer closes the connection.
    pub fn start(reply: impl Fn(&Call) -> Vec<u8> + Send + Sync + 'static) -> Stub {
        Stub::listen(Arc::new(reply), None)
    }

    /// The same behind TLS, with a certificate that nobody trusts.
    pub fn start_tls(reply: impl Fn(&Call) -> Vec<u8> + Send + Sync + 'static) -> Stub {
        Stub::listen(Arc::new(reply), Some(Arc::new(tls_config())))
    }

    fn listen(reply: Arc<Reply>, tls: Option<Arc<rustls::ServerConfig>>) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (calls, count) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicUsize::new(0)),
        );
        let (noted, counted) = (calls.clone(), count.clone());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (reply, tls, noted, counted) =
                    (reply.clone(), tls.clone(), noted.clone(), counted.clone());
                std::thread::spawn(move || {
                    let note = |call: &Call| {
                        counted.fetch_add(1, Ordering::SeqCst);
                        noted.lock().unwrap().push(call.clone());
                    };
                    match tls {
                        None => serve(&stream, &stream, &*reply, note),
                        Some(config) => serve_tls(stream, config, &*reply, note),
                    }
                });
            }
        });
        Stub {
            address,
            calls,
            count,
            connections,
        }
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Takes the calls that came so far.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn serve(read: impl Read, mut write: impl Write, reply: &Reply, note: impl Fn(&Call)) {
    let mut read = BufReader::new(read);
    while let Some(call) = next_call(&mut read) {
        note(&call);
        let answer = reply(&call);
        if answer.is_empty() || write.write_all(&answer).is_err() {
            return;
        }
    }
}

fn next_call(read: &mut impl BufRead) -> Option<Call> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let mut line = Vec::new();
        if read.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        head.push_str(&String::from_utf8_lossy(&line));
    }
    let mut call = Call {
        head,
        body: String::new(),
    };
    let mut body = Vec::new();
    if let Some(length) = call
        .header("content-length")
        .and_then(|length| length.parse().ok())
    {
        body = vec![0; length];
        read.read_exact(&mut body).ok()?;
    } else if call.header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            read.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            read.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    call.body = String::from_utf8_lossy(&body).into_owned();
    Some(call)
}

fn serve_tls(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    reply: &Reply,
    note: impl Fn(&Call),
) {
    let Ok(session) = rustls::ServerConnection::new(config) else {
        return;
    };
    let mut stream = rustls::StreamOwned::new(session, stream);
    loop {
        let call = next_call(&mut BufReader::with_capacity(1, &mut stream));
        let Some(call) = call else { return };
        note(&call);
        let answer = reply(&call);
        if answer.is_empty() || stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn tls_config() -> rustls::ServerConfig {
    use rustls_pki_types::pem::PemObject;
    let cert =
        rustls_pki_types::CertificateDer::from_pem_slice(include_bytes!("tls/cert.pem")).unwrap();
    let key =
        rustls_pki_types::PrivateKeyDer::from_pem_slice(include_bytes!("tls/key.pem")).unwrap();
    rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap()
}

/// A complete answer.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{body}").into_bytes()
}

pub fn json(status: u16, body: &serde_json::Value) -> Vec<u8> {
    answer(
        status,
        &[("Content-Type", "application/json")],
        &body.to_string(),
    )
}
