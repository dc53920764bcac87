//! Percent-encoding, with Go's choice of what needs it in which part of a URL.

/// Which part of a URL a text stands in; each has its own set of bytes that need no encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Path,
    /// One segment of a path: `/` and `;` are encoded too.
    PathSegment,
    Host,
    /// What follows `%25` in a bracketed IPv6 address.
    Zone,
    UserPassword,
    /// A key or a value; a space is `+`.
    QueryComponent,
    Fragment,
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Encodes a key or value of a query.
pub fn query_escape(text: &[u8]) -> String {
    escape(text, Mode::QueryComponent)
}

/// Encodes one segment of a path.
pub fn path_escape(text: &[u8]) -> String {
    escape(text, Mode::PathSegment)
}

/// Decodes a key or value of a query; `None` for a percent sign that two hexadecimal digits don't follow.
pub fn query_unescape(text: &str) -> Option<Vec<u8>> {
    unescape(text.as_bytes(), Mode::QueryComponent)
}

/// Decodes a path or a segment of one; `None` for a percent sign that two hexadecimal digits don't follow.
pub fn path_unescape(text: &str) -> Option<Vec<u8>> {
    unescape(text.as_bytes(), Mode::PathSegment)
}

/// Encodes whatever `mode` demands; the result is ASCII.
pub fn escape(text: &[u8], mode: Mode) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if !must_escape(byte, mode) {
            out.push(char::from(byte));
        } else if byte == b' ' && mode == Mode::QueryComponent {
            out.push('+');
        } else {
            push_encoded(&mut out, byte);
        }
    }
    out
}

/// Appends `%XX`.
pub(super) fn push_encoded(out: &mut String, byte: u8) {
    out.push('%');
    for nibble in [byte >> 4, byte & 15] {
        out.push(char::from(
            HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'),
        ));
    }
}

/// Decodes; `None` where an escape is malformed or the part allows no such byte (hosts and zones).
pub fn unescape(text: &[u8], mode: Mode) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => {
                let (byte, tail) = decode_pair(rest)?;
                if !may_stand_encoded(byte, mode) {
                    return None;
                }
                out.push(byte);
                rest = tail;
            }
            b'+' if mode == Mode::QueryComponent => out.push(b' '),
            _ => {
                let in_host = matches!(mode, Mode::Host | Mode::Zone);
                if in_host && first.is_ascii() && must_escape(first, mode) {
                    return None;
                }
                out.push(first);
            }
        }
    }
    Some(out)
}

/// The byte that two leading hexadecimal digits stand for, and what follows them.
pub(crate) fn decode_pair(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = text.split_first_chunk::<2>()?;
    Some((hex_value(high)? << 4 | hex_value(low)?, rest))
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986 allows only non-ASCII bytes to be encoded in a host, RFC 6874 also the percent sign before a zone; a zone may
/// encode what it could have written plainly, and a space.
fn may_stand_encoded(byte: u8, mode: Mode) -> bool {
    match mode {
        Mode::Host => !byte.is_ascii() || byte == b'%',
        Mode::Zone => matches!(byte, b'%' | b' ') || !must_escape(byte, Mode::Host),
        Mode::Path
        | Mode::PathSegment
        | Mode::UserPassword
        | Mode::QueryComponent
        | Mode::Fragment => true,
    }
}

/// Whether the byte has to be percent-encoded in that part.
pub(super) const fn must_escape(byte: u8, mode: Mode) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return false;
    }
    match mode {
        Mode::Host | Mode::Zone => !matches!(
            byte,
            b'!' | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'['
                | b']'
                | b'<'
                | b'>'
                | b'"'
        ),
        Mode::Path => !matches!(
            byte,
            b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@'
        ),
        Mode::PathSegment => !matches!(byte, b'$' | b'&' | b'+' | b':' | b'=' | b'@'),
        Mode::UserPassword => !matches!(byte, b'$' | b'&' | b'+' | b',' | b';' | b'='),
        Mode::QueryComponent => true,
        Mode::Fragment => !matches!(
            byte,
            b'$' | b'&'
                | b'+'
                | b','
                | b'/'
                | b':'
                | b';'
                | b'='
                | b'?'
                | b'@'
                | b'!'
                | b'('
                | b')'
                | b'*'
        ),
    }
}

/// Whether `text` is an encoding that RFC 3986 allows in that part (percent signs are not looked behind).
pub(super) fn is_valid_encoding(text: &[u8], mode: Mode) -> bool {
    text.iter().all(|&byte| {
        matches!(
            byte,
            b'!' | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'['
                | b']'
                | b'%'
        ) || !must_escape(byte, mode)
    })
}
