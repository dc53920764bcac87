//! HTTP/2 frame by frame, so that a test can send what no client library would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Answered(u16),
    /// The stream was reset.
    Reset,
    /// The whole connection was given up.
    Closed,
}

impl Outcome {
    /// Whether nobody was served.
    pub fn is_refusal(self) -> bool {
        match self {
            Outcome::Answered(status) => (400..600).contains(&status),
            Outcome::Reset | Outcome::Closed => true,
        }
    }
}

/// A connection with prior knowledge (no TLS, no upgrade).
pub struct H2 {
    stream: TcpStream,
    next_stream: u32,
}

impl H2 {
    pub fn connect(to: SocketAddr) -> H2 {
        let stream = TcpStream::connect(to).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut h2 = H2 {
            stream,
            next_stream: 1,
        };
        h2.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        // SETTINGS_HEADER_TABLE_SIZE = 0: the answers' header blocks need no memory to be read.
        h2.frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]);
        h2
    }

    /// Fails where the other side has given up; what it said is what counts then.
    pub fn raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.raw(&frame(kind, flags, stream, payload))
    }

    /// Opens a stream with these fields, in this order and spelling.
    pub fn headers(&mut self, fields: &[(&str, &str)], flags: u8) -> u32 {
        let id = self.next_stream;
        self.next_stream += 2;
        self.frame(HEADERS, flags | END_HEADERS, id, &block(fields));
        id
    }

    /// A whole request without a body.
    pub fn ask(&mut self, fields: &[(&str, &str)]) -> Outcome {
        let id = self.headers(fields, END_STREAM);
        self.outcome(id)
    }

    /// Reads until the stream has its answer or its end.
    pub fn outcome(&mut self, id: u32) -> Outcome {
        loop {
            let Some((kind, flags, stream, payload)) = self.read() else {
                return Outcome::Closed;
            };
            match kind {
                SETTINGS if flags & ACK == 0 => {
                    self.frame(SETTINGS, ACK, 0, &[]);
                }
                GOAWAY if last_stream(&payload) < id => return Outcome::Closed,
                RST_STREAM if stream == id => return Outcome::Reset,
                HEADERS if stream == id => return Outcome::Answered(status(&payload)),
                _ => {}
            }
        }
    }

    /// Whether the other side closes the connection, perhaps after more frames, before patience ends.
    pub fn is_closed(&mut self) -> bool {
        let mut space = [0; 4096];
        loop {
            match self.stream.read(&mut space) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// The next frame; `None` where the connection ends.
    pub fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some((head[3], head[4], stream, payload))
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// What every request begins with.
pub fn fields<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "h.test"),
        (":path", path),
    ]
}

/// A header block of literals, each with its name written out (RFC 7541, section 6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, 7, 0, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// RFC 7541, section 5.1.
pub fn integer(out: &mut Vec<u8>, prefix: u32, flags: u8, mut value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        out.push(flags | value as u8);
        return;
    }
    out.push(flags | most as u8);
    value -= most;
    while value >= 128 {
        out.push((value % 128) as u8 | 128);
        value /= 128;
    }
    out.push(value as u8);
}

/// The `:status` that an answer's header block begins with.
fn status(block: &[u8]) -> u16 {
    // A change of the table's size may come first.
    let block = &block[block.iter().position(|b| b & 0xe0 != 0x20).unwrap()..];
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        _ => {
            let length = usize::from(block[1] & 0x7f);
            let value = &block[2..2 + length];
            let text = if block[1] & 0x80 == 0 {
                String::from_utf8(value.to_vec()).unwrap()
            } else {
                huffman_digits(value)
            };
            text.parse().unwrap()
        }
    }
}

/// RFC 7541, appendix B, as far as digits go.
fn huffman_digits(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut rest = bits.as_str();
    let mut text = String::new();
    while rest.len() >= 5 && !rest.chars().all(|bit| bit == '1') {
        let (short, long) = (
            u8::from_str_radix(&rest[..5], 2).unwrap(),
            rest.get(..6)
                .map(|code| u8::from_str_radix(code, 2).unwrap()),
        );
        match (short, long) {
            (0..=2, _) => {
                text.push(char::from(b'0' + short));
                rest = &rest[5..];
            }
            (_, Some(code @ 25..=31)) => {
                text.push(char::from(b'3' + code - 25));
                rest = &rest[6..];
            }
            _ => panic!("no digit: {bits}"),
        }
    }
    text
}

fn last_stream(goaway: &[u8]) -> u32 {
    u32::from_be_bytes([goaway[0], goaway[1], goaway[2], goaway[3]]) & 0x7fff_ffff
}
