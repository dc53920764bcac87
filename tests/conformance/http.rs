//! HTTP/1.1 by hand: requests go out exactly as they are written, and what comes back is not judged on the way.

use crate::json_text::{Members, json_text};
use serde::Deserialize;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const LONGEST_HEAD: usize = 1 << 20;

/// Names in lower case, in order, repeated ones apart.
pub type Headers = Vec<(String, String)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    #[default]
    Proxy,
    Api,
    Metrics,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    pub via: Door,
    method: Option<String>,
    target: Option<String>,
    headers: Vec<(String, String)>,
    /// Text, or JSON.
    body: Option<Value>,
    raw: Option<Raw>,
    /// Answers that are read.
    responses: Option<usize>,
}

/// Bytes as Latin-1.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Raw {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Part {
    /// Milliseconds.
    Pause(u64),
    Text(String),
}

/// An answer; `status` is 0 where none could be read.
#[derive(Default)]
pub struct Response {
    pub status: u32,
    pub headers: Headers,
    pub body: String,
    /// Why there is none; suites know `Timeout`.
    pub note: Option<String>,
    pub more: Vec<Response>,
}

impl Request {
    pub fn get(target: &str) -> Request {
        Request {
            target: Some(target.into()),
            ..Request::default()
        }
    }

    /// Sends over a connection of its own; `patience` is for each wait.
    pub fn send(&self, port: u16, patience: Duration) -> Response {
        self.exchange(port, patience)
            .unwrap_or_else(|error| Response::missing(&error))
    }

    fn exchange(&self, port: u16, patience: Duration) -> io::Result<Response> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        match &self.raw {
            Some(Raw::Text(text)) => stream.write_all(&latin1(text)?)?,
            Some(Raw::Parts(parts)) => {
                for part in parts {
                    match part {
                        Part::Pause(pause) => std::thread::sleep(Duration::from_millis(*pause)),
                        Part::Text(text) => stream.write_all(&latin1(text)?)?,
                    }
                }
            }
            None => stream.write_all(&self.written(port)?)?,
        }
        let mut reader = BufReader::new(stream);
        let mut first = self.read_response(&mut reader);
        for _ in 1..self.responses.unwrap_or(1) {
            first.more.push(self.read_response(&mut reader));
        }
        Ok(first)
    }

    fn written(&self, port: u16) -> io::Result<Vec<u8>> {
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
        };
        let body = match &self.body {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(json) => json_text(json, Members::AsGiven),
        };
        let method = self.method.as_deref().unwrap_or("GET");
        let target = self.target.as_deref().ok_or_else(|| invalid("no target"))?;
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !has("host") {
            head += &format!("Host: 127.0.0.1:{port}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() && !has("content-length") && !has("transfer-encoding") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        if !has("connection") {
            head += "Connection: close\r\n";
        }
        Ok([latin1(&(head + "\r\n"))?, body.into_bytes()].concat())
    }

    fn read_response(&self, reader: &mut impl BufRead) -> Response {
        self.try_read_response(reader)
            .unwrap_or_else(|error| Response::missing(&error))
    }

    fn try_read_response(&self, reader: &mut impl BufRead) -> io::Result<Response> {
        let Some((status, headers)) = read_last_head(reader)? else {
            return Err(invalid("connection closed without a response"));
        };
        let bodiless = self.method.as_deref() == Some("HEAD") || [101, 204, 304].contains(&status);
        let body = if bodiless {
            Vec::new()
        } else {
            read_body(reader, &headers, Unframed::UntilClose)?
        };
        Ok(Response {
            status,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            ..Response::default()
        })
    }
}

impl Response {
    fn missing(error: &io::Error) -> Response {
        let note = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "Timeout".into(),
            _ => error.to_string(),
        };
        Response {
            note: Some(note),
            ..Response::default()
        }
    }
}

/// The head after those that are only on the way (1xx).
fn read_last_head(reader: &mut impl BufRead) -> io::Result<Option<(u32, Headers)>> {
    while let Some((line, headers)) = read_head(reader)? {
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid("no status"))?;
        if status == 101 || status >= 200 {
            return Ok(Some((status, headers)));
        }
    }
    Ok(None)
}

/// The first line and the headers; `None` at the end of the stream.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let before = head.len();
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
        if before == 0 && (head == b"\r\n" || head == b"\n") {
            head.clear();
        }
        if head.len() > LONGEST_HEAD {
            return Err(invalid("head too long"));
        }
    }
    let head: String = head.into_iter().map(char::from).collect();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers = lines.filter(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_lowercase(), value.trim().to_owned())
    });
    Ok(Some((first, headers.collect())))
}

/// The first line of that name.
pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let named = headers.iter().find(|(given, _)| given == name);
    named.map(|(_, value)| value.as_str())
}

/// What a body without length is.
pub enum Unframed {
    Empty,
    UntilClose,
}

pub fn read_body(
    reader: &mut impl BufRead,
    headers: &Headers,
    unframed: Unframed,
) -> io::Result<Vec<u8>> {
    let coding = header(headers, "transfer-encoding").unwrap_or_default();
    if coding.to_lowercase().contains("chunked") {
        return read_chunks(reader);
    }
    let mut body = Vec::new();
    match (header(headers, "content-length"), unframed) {
        (Some(length), _) => {
            let length = length.parse().map_err(|_| invalid("content-length"))?;
            reader.take(length).read_to_end(&mut body)?;
        }
        (None, Unframed::UntilClose) => drop(reader.read_to_end(&mut body)?),
        (None, Unframed::Empty) => {}
    }
    Ok(body)
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = match size {
            "" => 0,
            _ => u64::from_str_radix(size, 16).map_err(|_| invalid("chunk size"))?,
        };
        if size == 0 {
            while !read_line(reader)?.trim().is_empty() {}
            return Ok(body);
        }
        reader.by_ref().take(size).read_to_end(&mut body)?;
        read_line(reader)?;
    }
}

/// Empty at the end of the stream.
fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    Ok(line.into_iter().map(char::from).collect())
}

pub fn latin1(text: &str) -> io::Result<Vec<u8>> {
    text.chars()
        .map(|letter| u8::try_from(letter).map_err(|_| invalid("not Latin-1")))
        .collect()
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
