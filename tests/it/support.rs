//! Starts the binary, an upstream that echoes, and speaks raw HTTP/1.1.

use crate::ports::free_port;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything is waited for that comes at once on a machine that has nothing else to do.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running Doorward with its files in a folder of its own.
pub struct Doorward {
    child: Child,
    pub proxy: SocketAddr,
    pub api: SocketAddr,
    pub metrics: SocketAddr,
    pub dir: Arc<TempDir>,
    log: &'static str,
}

impl Doorward {
    /// Starts with a configuration and rules, and returns when it answers.
    pub fn start(config: Value, rules: Value) -> Doorward {
        let mut doorward = Doorward::launch(config.clone(), rules.clone());
        let end = Instant::now() + PATIENCE;
        while !doorward.is_alive() {
            assert!(Instant::now() < end, "did not come up:\n{}", doorward.log());
            let ended = doorward.child.try_wait().unwrap().is_some();
            if ended && doorward.log().contains("Address already in use") {
                // Another test was given the port between our looking for it and using it.
                doorward = Doorward::launch(config.clone(), rules.clone());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        doorward
    }

    /// Starts without waiting for anything.
    pub fn launch(mut config: Value, rules: Value) -> Doorward {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let [proxy, api, metrics] = [free_port(), free_port(), free_port()];
        for (listener, port) in [("proxy", proxy), ("api", api), ("prometheus", metrics)] {
            let section = &mut config["serve"][listener];
            section["host"] = "127.0.0.1".into();
            section["port"] = port.into();
        }
        let rules_file = dir.path().join("rules.json");
        std::fs::write(&rules_file, rules.to_string()).unwrap();
        if config["access_rules"]["repositories"].is_null() {
            config["access_rules"]["repositories"] =
                json!([format!("file://{}", rules_file.display())]);
        }
        let config_file = dir.path().join("config.json");
        std::fs::write(&config_file, config.to_string()).unwrap();
        let child = spawn(&dir, "log", &[]);
        let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        Doorward {
            child,
            proxy: local(proxy),
            api: local(api),
            metrics: local(metrics),
            dir,
            log: "log",
        }
    }

    /// Starts another one with the same files, which takes over.
    pub fn successor(&self) -> Doorward {
        Doorward {
            child: spawn(&self.dir, "successor's log", &["--upgrade"]),
            proxy: self.proxy,
            api: self.api,
            metrics: self.metrics,
            dir: self.dir.clone(),
            log: "successor's log",
        }
    }

    pub fn is_alive(&self) -> bool {
        TcpStream::connect(self.proxy).is_ok()
            && TcpStream::connect(self.api).is_ok()
            && get(self.api, "/health/alive", "api.test").status == 200
    }

    /// Waits until a wish comes true; where it never does, the log is told.
    pub fn eventually(&self, wish: &str, mut is_true: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_true() {
            assert!(Instant::now() < end, "never: {wish}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The metrics page, once it says so; requests are counted behind their answers.
    pub fn page_with(&self, line: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let page = get(self.metrics, "/metrics", "metrics.test").body;
            if page.contains(line) {
                return page;
            }
            assert!(Instant::now() < end, "no {line:?} in\n{page}");
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(self.log)).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that the process has in use.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; `None` where it does not come in time.
    pub fn wait(&mut self, most: Duration) -> Option<i32> {
        let end = Instant::now() + most;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.code().unwrap_or(-1));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Doorward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &TempDir, log: &str, further: &[&str]) -> Child {
    let log = std::fs::File::create(dir.path().join(log)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["serve", "--config"])
        .arg(dir.path().join("config.json"))
        .args(further)
        .current_dir(dir.path())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Handlers that need no other server, all switched on, with verbose errors.
pub fn plain_config() -> Value {
    json!({
        "authenticators": { "noop": { "enabled": true }, "anonymous": { "enabled": true }, "unauthorized": { "enabled": true } },
        "authorizers": { "allow": { "enabled": true }, "deny": { "enabled": true } },
        "mutators": { "noop": { "enabled": true }, "header": { "enabled": true, "config": { "headers": {} } } },
    })
}

/// A rule with one handler a stage.
pub fn rule(id: &str, url: &str, handlers: [&str; 3], upstream: Option<SocketAddr>) -> Value {
    let [authenticator, authorizer, mutator] = handlers;
    let mut rule = json!({
        "id": id,
        "match": { "url": url, "methods": ["GET", "POST", "HEAD"] },
        "authenticators": [{ "handler": authenticator }],
        "authorizer": { "handler": authorizer },
        "mutators": [{ "handler": mutator }],
    });
    if let Some(upstream) = upstream {
        rule["upstream"] = json!({ "url": format!("http://{upstream}") });
    }
    rule
}

/// A rule that lets everybody in.
pub fn open(id: &str, url: &str, upstream: Option<SocketAddr>) -> Value {
    rule(id, url, ["anonymous", "allow", "noop"], upstream)
}

/// A rule that lets nobody in: 401.
pub fn closed(id: &str, url: &str, upstream: Option<SocketAddr>) -> Value {
    rule(id, url, ["unauthorized", "allow", "noop"], upstream)
}

/// An answer as it came, header names in lower case.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// A connection that bytes are written to and answers are read from.
pub struct Client {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Client {
    pub fn connect(to: SocketAddr) -> Client {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            ahead: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The other side may have answered and closed already; what it said is what counts.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// The next answer; `None` where the connection ends without one.
    pub fn answer(&mut self) -> Option<Answer> {
        self.answer_to("GET")
    }

    pub fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let head = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break self.ahead.drain(..at + 4).collect::<Vec<u8>>();
            }
            if self.fill() == 0 {
                assert!(
                    self.ahead.is_empty(),
                    "half an answer: {:?}",
                    String::from_utf8_lossy(&self.ahead)
                );
                return None;
            }
        };
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let status: u16 = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        if (100..200).contains(&status) && status != 101 {
            return self.answer_to(method);
        }
        let mut answer = Answer {
            status,
            headers,
            body: String::new(),
        };
        if method != "HEAD" && ![101, 204, 304].contains(&status) {
            answer.body = String::from_utf8_lossy(&self.body(&answer)).into_owned();
        }
        Some(answer)
    }

    fn body(&mut self, answer: &Answer) -> Vec<u8> {
        if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().unwrap();
            return self.take(length);
        }
        if answer.header("transfer-encoding").is_some() {
            return self.chunks();
        }
        while self.fill() > 0 {}
        std::mem::take(&mut self.ahead)
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = find(&self.ahead, b"\r\n") {
                    break self.take(at + 2);
                }
                assert!(self.fill() > 0, "a chunked body broke off");
            };
            let size =
                usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            let chunk = self.take(size + 2);
            if size == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// So many bytes, whatever they are.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            assert!(self.fill() > 0, "an answer's body broke off");
        }
        self.ahead.drain(..length).collect()
    }

    fn fill(&mut self) -> usize {
        let mut space = [0; 16 * 1024];
        let n = self.stream.read(&mut space).unwrap_or(0);
        self.ahead.extend_from_slice(&space[..n]);
        n
    }

    /// Whether the other side has closed.
    pub fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && self.fill() == 0
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// One request on a connection of its own.
pub fn get(to: SocketAddr, target: &str, host: &str) -> Answer {
    ask(
        to,
        &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    )
}

/// A request on a connection of its own, with one more line in its head.
pub fn with_header(request: &str, header: &str) -> String {
    format!("{request} HTTP/1.1\r\nHost: h.test\r\n{header}\r\nConnection: close\r\n\r\n")
}

pub fn ask(to: SocketAddr, raw: &str) -> Answer {
    let mut client = Client::connect(to);
    client.send(raw);
    let method = raw.split(' ').next().unwrap_or_default().to_owned();
    client
        .answer_to(&method)
        .unwrap_or_else(|| panic!("no answer to {raw:?}"))
}

/// An upstream that notes each request's bytes and answers 200.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Receiver<String>,
}

impl Upstream {
    pub fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (note, seen) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let note = note.clone();
                std::thread::spawn(move || echo(stream, &note));
            }
        });
        Upstream { address, seen }
    }

    /// The head (and body) of the next request that arrived.
    pub fn next(&self) -> String {
        self.seen
            .recv_timeout(PATIENCE)
            .expect("a request reaches the upstream")
    }

    /// How many requests arrived that nobody looked at yet.
    pub fn unseen(&self) -> usize {
        self.seen.try_iter().count()
    }

    pub fn saw_nothing(&self) -> bool {
        self.seen.try_recv().is_err()
    }
}

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

/// An upstream that speaks one protocol only, and answers as `tell` does.
pub async fn serve<F, B>(http: Http, tell: fn(Request<Incoming>) -> F) -> SocketAddr
where
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error = Infallible> + Send + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (io, service) = (TokioIo::new(stream), service_fn(tell));
            tokio::spawn(async move {
                // A client that leaves is no failure of the test.
                let _ = match http {
                    Http::One => {
                        let server = http1::Builder::new();
                        server.serve_connection(io, service).await
                    }
                    Http::Two => {
                        let server = http2::Builder::new(TokioExecutor::new());
                        server.serve_connection(io, service).await
                    }
                };
            });
        }
    });
    address
}

fn echo(mut stream: TcpStream, note: &Sender<String>) {
    let mut ahead = Vec::new();
    let mut space = [0; 16 * 1024];
    loop {
        let end = loop {
            if let Some(at) = find(&ahead, b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read(&mut space) {
                Ok(n) if n > 0 => ahead.extend_from_slice(&space[..n]),
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&ahead[..end]).into_owned();
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")
                    .map(|value| value.trim().parse::<usize>().unwrap())
            })
            .unwrap_or(0);
        while ahead.len() < end + length {
            match stream.read(&mut space) {
                Ok(n) if n > 0 => ahead.extend_from_slice(&space[..n]),
                _ => return,
            }
        }
        let request: Vec<u8> = ahead.drain(..end + length).collect();
        let _ = note.send(String::from_utf8_lossy(&request).into_owned());
        let body = if head.starts_with("HEAD ") {
            ""
        } else {
            "hello"
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\n{body}"
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
