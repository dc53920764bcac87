//! A server for tests: answers what a closure says and remembers what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    /// `GET`, `/path?query`.
    pub(crate) fn line(&self) -> (&str, &str) {
        let mut words = self.head.split_whitespace();
        (words.next().unwrap_or(""), words.next().unwrap_or(""))
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Bytes(Vec<u8>),
    Never,
    Endless,
    Cut,
}

impl Reply {
    pub(crate) fn text(status: u16, body: &str) -> Reply {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
        Reply::Bytes(format!("{head}\r\n{body}").into_bytes())
    }

    pub(crate) fn json(body: &serde_json::Value) -> Reply {
        Reply::text(200, &body.to_string()).header("Content-Type", "application/json")
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Reply {
        let Reply::Bytes(bytes) = self else {
            return self;
        };
        let text = String::from_utf8(bytes).unwrap();
        let (line, rest) = text.split_once("\r\n").unwrap();
        Reply::Bytes(format!("{line}\r\n{name}: {value}\r\n{rest}").into_bytes())
    }

    pub(crate) fn never() -> Reply {
        Reply::Never
    }

    pub(crate) fn endless() -> Reply {
        Reply::Endless
    }

    pub(crate) fn cut() -> Reply {
        Reply::Cut
    }
}

type Answers = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

#[derive(Debug)]
pub(crate) struct Stub {
    port: u16,
    calls: Arc<Mutex<Vec<Asked>>>,
    sent: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    /// `answer` gets the request and how many came before it.
    pub(crate) async fn start(
        answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(AtomicUsize::new(0));
        let answer: Arc<Answers> = Arc::new(answer);
        let (seen, bytes) = (calls.clone(), sent.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), seen.clone(), bytes.clone()));
            }
        });
        Stub {
            port,
            calls,
            sent,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    pub(crate) fn calls(&self) -> Vec<Asked> {
        self.calls.lock().unwrap().clone()
    }

    /// How many bytes of endless bodies were taken.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<Answers>,
    calls: Arc<Mutex<Vec<Asked>>>,
    sent: Arc<AtomicUsize>,
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let asked = read(&mut stream, &mut buffer).await?;
        let before = {
            let mut calls = calls.lock().unwrap();
            calls.push(asked.clone());
            calls.len() - 1
        };
        match answer(&asked, before) {
            Reply::Bytes(bytes) => stream.write_all(&bytes).await.ok()?,
            Reply::Cut => return None,
            Reply::Never => std::future::pending().await,
            Reply::Endless => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
                stream.write_all(head).await.ok()?;
                loop {
                    stream.write_all(&[b' '; 65536]).await.ok()?;
                    sent.fetch_add(65536, Ordering::Relaxed);
                }
            }
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let length = head
        .to_lowercase()
        .split("content-length:")
        .nth(1)
        .and_then(|rest| rest.lines().next()?.trim().parse().ok())
        .unwrap_or(0);
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&buffer[end..end + length]).into_owned();
    buffer.drain(..end + length);
    Some(Asked { head, body })
}
