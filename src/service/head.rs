//! The head of an HTTP/1 request, checked byte by byte before anything else reads it.
//!
//! Stricter than Pingora's parser, so that there is one reading of where a request ends: no bare line feeds, no folded lines, no
//! white space before colons, one `Host`, one length, no coding but `chunked` (RFC 9112 §2.2, §5.1, §6.1-6.3; security.md S-J03, S-H04).

use super::refusal::Refused;
use crate::canonical::names::is_token_byte;
use bytes::BytesMut;

/// How much of the connection belongs to the request behind its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// A WebSocket handshake: nothing, until the answer is 101.
    Upgrade,
}

/// Ceilings for a request's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    pub bytes: usize,
    pub lines: usize,
    pub target: usize,
}

/// Where the head ends: behind the first empty line. `None` where it is not complete. Bare line feeds end it too, so that it is
/// refused at once and not at the deadline.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.saturating_sub(3);
    let tail = bytes.get(start..)?;
    match memchr::memmem::find(tail, b"\r\n\r\n") {
        Some(at) => Some(start + at + 4),
        None => memchr::memmem::find(tail, b"\n\n").map(|at| start + at + 2),
    }
}

/// Whether a line ended without a carriage return. Such a head may never be complete; its sender should hear so at once.
pub(super) fn has_bare_line_feed(bytes: &[u8], from: usize) -> bool {
    let start = from.saturating_sub(1);
    let tail = bytes.get(start..).unwrap_or_default();
    memchr::memchr_iter(b'\n', tail).any(|at| {
        (at > 0 || start == 0)
            && at.checked_sub(1).and_then(|before| tail.get(before)) != Some(&b'\r')
    })
}

/// Checks a complete head and says how the body is framed.
pub(super) fn check(head: &[u8], limits: HeadLimits) -> Result<Framing, Refused> {
    let mut lines = Lines(head);
    let version = request_line(lines.next().ok_or(Refused::Malformed)??, limits)?;
    let mut seen = Seen::default();
    let mut count = 0;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        count += 1;
        if count > limits.lines {
            return Err(Refused::HeadersTooLarge);
        }
        seen.note(line)?;
    }
    seen.framing(version)
}

/// The head with bytes of its target encoded that the reference takes and Pingora's parser does not; `None` where there are none.
pub(super) fn escaped(head: &[u8]) -> Option<BytesMut> {
    let start = memchr::memchr(b' ', head)? + 1;
    let length = memchr::memchr(b' ', head.get(start..)?)?;
    let (before, rest) = head.split_at_checked(start)?;
    let (target, after) = rest.split_at_checked(length)?;
    if !target.iter().any(|&b| is_unparsable(b)) {
        return None;
    }
    let mut escaped = BytesMut::with_capacity(head.len() + 64);
    escaped.extend_from_slice(before);
    for &byte in target {
        if is_unparsable(byte) {
            escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            escaped.extend_from_slice(&[byte]);
        }
    }
    escaped.extend_from_slice(after);
    Some(escaped)
}

/// Raw in a target they are invalid (RFC 3986 §2), but browsers have sent them in queries for decades.
fn is_unparsable(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`')
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn request_line(line: &[u8], limits: HeadLimits) -> Result<Version, Refused> {
    let mut parts = line.split(|&b| b == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, parts.next())
    else {
        return Err(Refused::Malformed);
    };
    if method.is_empty() || !method.iter().all(|&b| is_token_byte(b)) || target.is_empty() {
        return Err(Refused::Malformed);
    }
    // What follows it would be a tunnel's bytes, and no request.
    if method == b"CONNECT" {
        return Err(Refused::Connect);
    }
    if target.len() > limits.target {
        return Err(Refused::TargetTooLong);
    }
    // Pingora would cut a fragment off; whoever sends one means another request than the one that we would see.
    if target.iter().any(|&b| b < 0x21 || b == 0x7f || b == b'#') {
        return Err(Refused::Malformed);
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Refused::Malformed),
    }
}

/// What framing depends on.
#[derive(Default)]
struct Seen {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    websocket: bool,
}

impl Seen {
    fn note(&mut self, line: &[u8]) -> Result<(), Refused> {
        let colon = memchr::memchr(b':', line).ok_or(Refused::Malformed)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Refused::Malformed)?;
        let value = value.get(1..).unwrap_or_default();
        if name.is_empty()
            || !name.iter().all(|&b| is_token_byte(b))
            || value.iter().any(|&b| is_control(b))
        {
            return Err(Refused::Malformed);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts += 1,
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.websocket |= value.trim_ascii().eq_ignore_ascii_case(b"websocket")
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.upgrade |= value
                    .split(|&b| b == b',')
                    .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !blank_trim(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(Refused::Malformed);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), Refused> {
        let digits = blank_trim(value);
        // 18 digits always fit, and no body is that long.
        if self.length.is_some()
            || digits.is_empty()
            || digits.len() > 18
            || !digits.iter().all(u8::is_ascii_digit)
        {
            return Err(Refused::Malformed);
        }
        self.length = Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')),
        );
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Framing, Refused> {
        let hosts_allowed = match version {
            Version::Http11 => self.hosts == 1,
            Version::Http10 => self.hosts <= 1,
        };
        if !hosts_allowed || (self.chunked && (self.length.is_some() || version == Version::Http10))
        {
            return Err(Refused::Malformed);
        }
        let handshake = self.upgrade && self.websocket && version == Version::Http11;
        match (self.chunked, self.length) {
            (true, _) => Ok(Framing::Chunked),
            (false, None | Some(0)) if handshake => Ok(Framing::Upgrade),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// Lines that end in CR LF; a bare CR or LF is an error.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let found =
            memchr::memchr2(b'\r', b'\n', self.0).and_then(|at| self.0.split_at_checked(at));
        let Some((line, rest)) = found else {
            self.0 = &[];
            return Some(Err(Refused::Malformed));
        };
        match rest.strip_prefix(b"\r\n") {
            Some(rest) => {
                self.0 = rest;
                Some(Ok(line))
            }
            None => {
                self.0 = &[];
                Some(Err(Refused::Malformed))
            }
        }
    }
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Without the blanks that may stand around a field value. `trim_ascii` would take form feeds along.
fn blank_trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 4096,
        lines: 5,
        target: 32,
    };

    fn framing(lines: &str) -> Result<Framing, Refused> {
        check(
            format!("POST /a HTTP/1.1\r\n{lines}\r\n\r\n").as_bytes(),
            LIMITS,
        )
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for lines in [
            "Host: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            "Host: h\r\nContent-Length: 5\r\nContent-Length: 5",
            "Host: h\r\nContent-Length: 5, 5",
            "Host: h\r\nContent-Length: +5",
            "Host: h\r\nContent-Length: 99999999999999999999",
            "Host: h\r\nContent-Length: ",
            "Host: h\r\nTransfer-Encoding: gzip, chunked",
            "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Host: h\r\nTransfer-Encoding:\u{b}chunked",
            "Host: h\r\nTransfer-Encoding : chunked",
            "Host: h\r\nX-A: b\r\n Transfer-Encoding: chunked",
            "Host: h\r\nX-A: b\nX-B: c",
            "Host: h\r\nX-A: b\rX-B: c",
            "Host: h\r\nX-A: a\0b",
            "Host: h\r\nHost: h",
            "X-A: no host",
            "Host: h\r\n: no name",
            "Host: h\r\nno colon",
        ] {
            assert_eq!(framing(lines), Err(Refused::Malformed), "{lines:?}");
        }
    }

    #[test]
    fn request_lines_have_three_parts() {
        for line in [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 x",
            "GET / HTTP/2.0",
            "G(T / HTTP/1.1",
            "GET /a\tb HTTP/1.1",
            "GET /a#b HTTP/1.1",
            "GET /",
            " GET / HTTP/1.1",
        ] {
            let head = format!("{line}\r\nHost: h\r\n\r\n");
            assert_eq!(
                check(head.as_bytes(), LIMITS),
                Err(Refused::Malformed),
                "{line}"
            );
        }
    }

    #[test]
    fn nobody_is_connected_to_anything() {
        let head = b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n";
        assert_eq!(check(head, LIMITS), Err(Refused::Connect));
    }

    #[test]
    fn bodies_are_framed_by_a_length_or_by_chunks() {
        assert_eq!(framing("Host: h"), Ok(Framing::Length(0)));
        assert_eq!(
            framing("Host: h\r\nContent-Length:  17 "),
            Ok(Framing::Length(17))
        );
        assert_eq!(
            framing("Host: h\r\ntransfer-encoding: Chunked"),
            Ok(Framing::Chunked)
        );
        assert_eq!(
            framing("Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket"),
            Ok(Framing::Upgrade)
        );
        assert_eq!(
            framing("Host: h\r\nConnection: Upgrade\r\nUpgrade: h2c"),
            Ok(Framing::Length(0))
        );
    }

    #[test]
    fn ceilings_have_answers_of_their_own() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(40));
        assert_eq!(check(long.as_bytes(), LIMITS), Err(Refused::TargetTooLong));
        assert_eq!(
            framing("Host: h\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1"),
            Err(Refused::HeadersTooLarge)
        );
    }

    #[test]
    fn raw_quotes_and_brackets_of_a_target_are_encoded() {
        assert_eq!(escaped(b"GET /a?b=c HTTP/1.1\r\nX: <a>\r\n\r\n"), None);
        let found = escaped(b"GET /a?b=<c>&\"d\" HTTP/1.1\r\nX: <a>\r\n\r\n").unwrap();
        assert_eq!(
            &found[..],
            b"GET /a?b=%3Cc%3E&%22d%22 HTTP/1.1\r\nX: <a>\r\n\r\n"
        );
    }

    #[test]
    fn the_end_is_found_across_reads() {
        assert_eq!(end(b"GET / HTTP/1.1\r\n\r", 0), None);
        assert_eq!(end(b"GET / HTTP/1.1\r\n\r\nrest", 17), Some(18));
    }
}
