//! The servers beside the proxy: an upstream that echoes and a programmable auth server.
//! Each keeps what reached it until it is asked.

use crate::http::{Headers, Unframed, header, latin1, read_body, read_head};
use crate::json_text::{Members, json_text};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// A request as it reached a stub.
pub struct Received {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: String,
}

/// One reply of a suite's `stubs` or `upstream`, and for which requests it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programmed {
    #[serde(default, rename = "match")]
    conditions: Conditions,
    /// How often it is given; always, if absent.
    times: Option<AtomicU64>,
    /// `null` closes the connection.
    reply: Option<Reply>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Conditions {
    method: Option<String>,
    path: Option<String>,
    path_prefix: Option<String>,
    target_contains: Option<String>,
    body_contains: Option<String>,
    header: HashMap<String, String>,
    header_contains: HashMap<String, String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Reply {
    status: Option<u32>,
    headers: Vec<(String, String)>,
    body: String,
    /// `null` is JSON too.
    #[serde(deserialize_with = "given")]
    json: Option<Value>,
    delay_ms: u64,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What is answered where no programmed reply fits.
#[derive(Clone, Copy)]
pub enum Otherwise {
    NotFound,
    Echo,
}

pub struct Stub {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    otherwise: Otherwise,
    /// Set once the suite's placeholders, ports among them, are known; nothing is sent before.
    replies: OnceLock<Vec<Programmed>>,
    received: Mutex<Vec<Received>>,
    closed: AtomicBool,
}

impl Stub {
    pub fn start(otherwise: Otherwise) -> io::Result<Stub> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            otherwise,
            replies: OnceLock::new(),
            received: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || server.accept(&listener));
        Ok(Stub { port, shared })
    }

    pub fn program(&self, replies: Vec<Programmed>) {
        assert!(self.shared.replies.set(replies).is_ok(), "programmed twice");
    }

    /// What arrived since the last call.
    pub fn drain(&self) -> Vec<Received> {
        std::mem::take(&mut self.shared.received.lock().unwrap())
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn accept(self: Arc<Shared>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            if let Ok(stream) = stream {
                let server = Arc::clone(&self);
                // A connection that breaks, or speaks something else than HTTP, just ends.
                thread::spawn(move || server.serve(&stream).ok());
            }
        }
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some((line, headers)) = read_head(&mut reader)? {
            let mut words = line.splitn(3, ' ');
            let (Some(method), Some(target), Some(_)) = (words.next(), words.next(), words.next())
            else {
                return Ok(());
            };
            let body = read_body(&mut reader, &headers, Unframed::Empty)?;
            let request = Received {
                method: method.into(),
                target: target.into(),
                headers,
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            let reply = self.reply(&request);
            let bodiless = request.method == "HEAD";
            self.received.lock().unwrap().push(request);
            let Some(reply) = reply else {
                return Ok(());
            };
            thread::sleep(Duration::from_millis(reply.delay_ms));
            let mut writer = stream;
            writer.write_all(&reply.written(bodiless)?)?;
        }
        Ok(())
    }

    fn reply(&self, request: &Received) -> Option<Reply> {
        let replies = self.replies.get().map_or(&[][..], Vec::as_slice);
        match replies.iter().find(|reply| reply.is_for(request)) {
            Some(programmed) => programmed.reply.clone(),
            None => Some(match self.otherwise {
                Otherwise::Echo => echo(request),
                Otherwise::NotFound => Reply {
                    status: Some(404),
                    body: "no stub".into(),
                    ..Reply::default()
                },
            }),
        }
    }
}

/// Tells what arrived; `/__status/404` answers with that status.
fn echo(request: &Received) -> Reply {
    let wanted = request.target.strip_prefix("/__status/");
    let status = wanted.and_then(|rest| rest.split(['/', '?']).next()?.parse().ok());
    if status.is_some() {
        return Reply {
            status,
            json: Some(json!({ "upstream": "status" })),
            ..Reply::default()
        };
    }
    Reply {
        headers: vec![("X-Upstream".into(), "echo".into())],
        json: Some(json!({
            "upstream": "echo",
            "method": request.method,
            "target": request.target,
        })),
        ..Reply::default()
    }
}

impl Programmed {
    fn is_for(&self, request: &Received) -> bool {
        self.conditions.hold(request)
            && self.times.as_ref().is_none_or(|left| {
                let one_less = |left: u64| left.checked_sub(1);
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                    .is_ok()
            })
    }
}

impl Conditions {
    fn hold(&self, request: &Received) -> bool {
        let path = request.target.split('?').next().unwrap_or_default();
        let value = |name: &String| header(&request.headers, &name.to_lowercase()).unwrap_or("");
        self.method.as_ref().is_none_or(|it| request.method == *it)
            && self.path.as_ref().is_none_or(|it| path == it)
            && self
                .path_prefix
                .as_ref()
                .is_none_or(|it| path.starts_with(it))
            && self
                .target_contains
                .as_ref()
                .is_none_or(|it| request.target.contains(it))
            && self
                .body_contains
                .as_ref()
                .is_none_or(|it| request.body.contains(it))
            && self.header.iter().all(|(name, it)| value(name) == it)
            && self
                .header_contains
                .iter()
                .all(|(name, it)| value(name).contains(it))
    }
}

impl Reply {
    fn written(&self, bodiless: bool) -> io::Result<Vec<u8>> {
        let status = self.status.unwrap_or(200);
        let mut head = format!("HTTP/1.1 {status} Stub\r\n");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let typed = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if self.json.is_some() && !typed {
            head += "Content-Type: application/json\r\n";
        }
        let body = match &self.json {
            Some(json) => json_text(json, Members::AsGiven),
            None => self.body.clone(),
        };
        if status >= 200 && status != 204 && status != 304 {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let body = if bodiless { String::new() } else { body };
        Ok([latin1(&(head + "\r\n"))?, body.into_bytes()].concat())
    }
}
