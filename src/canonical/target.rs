//! A request target: its path decoded once and cleaned, its query apart.
//!
//! One function for every door ([`Target::new`]). What patterns see and what is forwarded say the same, so that what was judged is
//! what is served; what servers disagree about is refused.

use super::{PathPolicy, Rejection, TrailingSlash};
use crate::gourl::{self, Mode, escape, parse_query, path, unescape};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A path and a query. The usual target is kept as it came, in one allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The raw path, then `?` and the query where there is one.
    text: Box<str>,
    raw_path_len: usize,
    path: Path,
    has_encoded_slash: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Path {
    /// The first so many bytes of the raw path: nothing is encoded in it.
    Prefix(usize),
    Decoded {
        path: Box<str>,
        /// The raw path before cleaning, where that changed it.
        written: Option<Box<str>>,
    },
}

/// Whose query it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Query {
    /// One that is forwarded: pairs that servers read differently are dropped, as in the reference.
    Sanitised,
    AsWritten,
}

impl Target {
    /// Reads the part of a target that follows the authority: `/path?query`. Only a decision may have an empty path.
    pub(super) fn new(
        target: &[u8],
        query: Query,
        policy: &PathPolicy,
    ) -> Result<Target, Rejection> {
        if target.len() > policy.max_target_bytes {
            return Err(Rejection::TargetTooLong);
        }
        let scan = Scan::of(target);
        if let Some(why) = scan.refused {
            return Err(why);
        }
        let (path, rest) = target
            .split_at_checked(scan.path_len)
            .unwrap_or((target, b""));
        let query = match rest.split_first() {
            None => None,
            Some((_, given)) => canonical_query(given, query),
        };
        if scan.is_plain {
            Ok(Target::plain(path, query.as_deref(), policy))
        } else {
            Target::decoded(path, query.as_deref(), policy)
        }
    }

    /// The same path with another query, as a decision has it on a forwarded path.
    pub(super) fn with_query_of(self, other: &Target) -> Target {
        let text = join(self.raw_path(), other.query());
        Target { text, ..self }
    }

    fn plain(path: &[u8], query: Option<&str>, policy: &PathPolicy) -> Target {
        // INVARIANT: a plain path is ASCII.
        let path = std::str::from_utf8(path).unwrap_or_default();
        let seen = match path.strip_suffix('/') {
            Some(rest) if !rest.is_empty() => rest,
            Some(_) | None => path,
        };
        let raw = match policy.trailing_slash {
            TrailingSlash::Keep => path,
            TrailingSlash::Strip => seen,
        };
        Target {
            text: join(raw, query),
            raw_path_len: raw.len(),
            path: Path::Prefix(seen.len()),
            has_encoded_slash: false,
        }
    }

    fn decoded(
        written: &[u8],
        query: Option<&str>,
        policy: &PathPolicy,
    ) -> Result<Target, Rejection> {
        let decoded = unescape(written, Mode::Path).ok_or(Rejection::MalformedEscape)?;
        refuse_bytes(&decoded)?;
        let has_encoded_slash = written.windows(3).any(|w| w.eq_ignore_ascii_case(b"%2f"));
        let clean = path::clean(&decoded);
        refuse_hidden_dot_segments(&clean)?;
        let trailing = clean.len() > 1 && decoded.last() == Some(&b'/');
        let unchanged = decoded
            .strip_prefix(clean.as_slice())
            .is_some_and(|rest| rest.is_empty() || (trailing && rest == b"/"));
        let keep_trailing = trailing && policy.trailing_slash == TrailingSlash::Keep;
        let as_written = std::str::from_utf8(written)
            .ok()
            .filter(|text| unchanged && gourl::is_encoded_path(text));
        let raw: Box<str> = match as_written {
            Some(text) if trailing && !keep_trailing => strip_one_slash(text).into(),
            Some(text) => text.into(),
            None => {
                let mut raw = escape(&clean, Mode::Path);
                if keep_trailing {
                    raw.push('/');
                }
                raw.into()
            }
        };
        let written = String::from_utf8_lossy(written);
        Ok(Target {
            text: join(&raw, query),
            raw_path_len: raw.len(),
            path: Path::Decoded {
                path: text_of(&clean),
                written: (*written != *raw).then(|| written.into()),
            },
            has_encoded_slash: has_encoded_slash && as_written.is_some(),
        })
    }

    pub(super) fn path(&self) -> &str {
        match &self.path {
            Path::Prefix(len) => self.text.get(..*len).unwrap_or_default(),
            Path::Decoded { path, .. } => path,
        }
    }

    /// Whether nothing is encoded in the raw path.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.path, Path::Prefix(_))
    }

    pub(super) fn raw_path(&self) -> &str {
        self.text.get(..self.raw_path_len).unwrap_or_default()
    }

    /// The path as the client wrote it.
    pub(super) fn written(&self) -> &str {
        match &self.path {
            Path::Prefix(_) | Path::Decoded { written: None, .. } => self.raw_path(),
            Path::Decoded {
                written: Some(written),
                ..
            } => written,
        }
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.text.get(self.raw_path_len..)?.strip_prefix('?')
    }

    /// Raw path and query, as they go on a request line.
    pub(super) fn raw(&self) -> &str {
        &self.text
    }

    pub(super) fn has_encoded_slash(&self) -> bool {
        self.has_encoded_slash
    }
}

/// What one pass over a target tells.
struct Scan {
    path_len: usize,
    /// No byte of the path is encoded or needs to be, no segment begins with a dot, no slash is doubled.
    is_plain: bool,
    refused: Option<Rejection>,
}

impl Scan {
    fn of(target: &[u8]) -> Scan {
        let mut scan = Scan {
            path_len: target.len(),
            is_plain: true,
            refused: None,
        };
        let (mut previous, mut in_query) = (0, false);
        for (at, &byte) in target.iter().enumerate() {
            match class(byte) {
                Class::Plain => {}
                Class::Refused => {
                    scan.refused = Some(if byte == b'#' {
                        Rejection::Fragment
                    } else {
                        Rejection::ForbiddenByte
                    });
                    break;
                }
                Class::Segment | Class::Question | Class::Encoded if in_query => {}
                Class::Segment => scan.is_plain &= previous != b'/',
                Class::Encoded => scan.is_plain = false,
                Class::Question => {
                    scan.path_len = at;
                    in_query = true;
                }
            }
            previous = byte;
        }
        scan
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stands for itself.
    Plain,
    /// A slash or a dot: special behind a slash.
    Segment,
    Question,
    /// A percent sign, or a byte that has to be encoded.
    Encoded,
    Refused,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut rest: &mut [Class] = &mut classes;
    let mut byte = 0;
    while let Some((first, tail)) = rest.split_first_mut() {
        *first = classify(byte);
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    classes
};

const fn class(byte: u8) -> Class {
    // INVARIANT: a byte is below 256.
    #[allow(
        clippy::indexing_slicing,
        reason = "the table has an entry for each byte"
    )]
    CLASSES[byte as usize]
}

const fn classify(byte: u8) -> Class {
    match byte {
        b'/' | b'.' => Class::Segment,
        b'?' => Class::Question,
        b'#' | 0..=b' ' | 0x7f => Class::Refused,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => Class::Plain,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
        | b'@' | b'[' | b']' => Class::Plain,
        _ => Class::Encoded,
    }
}

/// Bytes that end a path early in some servers, or are a dot or slash to some decoders only.
fn refuse_bytes(decoded: &[u8]) -> Result<(), Rejection> {
    const OVERLONG: &[&[u8]] = &[
        b"\xc0\xae",
        b"\xc0\xaf",
        b"\xc1\x9c",
        b"\xe0\x80\xae",
        b"\xe0\x80\xaf",
        b"\xe0\x81\x9c",
        b"\xf0\x80\x80\xae",
        b"\xf0\x80\x80\xaf",
        b"\xf0\x80\x81\x9c",
    ];
    if decoded.contains(&0) {
        return Err(Rejection::Nul);
    }
    let overlong = |at: usize| {
        decoded
            .get(at..)
            .is_some_and(|rest| OVERLONG.iter().any(|form| rest.starts_with(form)))
    };
    let leads = decoded
        .iter()
        .enumerate()
        .filter(|(_, b)| matches!(b, 0xc0 | 0xc1 | 0xe0 | 0xf0));
    for (at, _) in leads {
        if overlong(at) {
            return Err(Rejection::Overlong);
        }
    }
    Ok(())
}

/// Refuses what cleaning does not see but some server does: `..;x` (parameters are cut off before dots are resolved) and `..\`.
pub(super) fn refuse_hidden_dot_segments(clean: &[u8]) -> Result<(), Rejection> {
    let hidden = clean.split(|&b| matches!(b, b'/' | b'\\')).any(|piece| {
        let name = piece.split(|&b| b == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    });
    if hidden {
        Err(Rejection::HiddenDotSegment)
    } else {
        Ok(())
    }
}

/// The query as text; `None` where nothing of it is left.
fn canonical_query(query: &[u8], mode: Query) -> Option<Cow<'_, str>> {
    let text = match std::str::from_utf8(query) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(encode_high_bytes(query)),
    };
    if mode == Query::AsWritten || !is_ambiguous(query) {
        return Some(text);
    }
    let encoded = parse_query(&text).values.encode();
    (!encoded.is_empty()).then_some(Cow::Owned(encoded))
}

/// Whether servers split the query differently (`;`), or one escape is malformed.
fn is_ambiguous(query: &[u8]) -> bool {
    let mut rest = query;
    while let Some((&first, tail)) = rest.split_first() {
        rest = match first {
            b';' => return true,
            b'%' => match gourl::decode_pair(tail) {
                Some((_, tail)) => tail,
                None => return true,
            },
            _ => tail,
        };
    }
    false
}

fn encode_high_bytes(query: &[u8]) -> String {
    let mut out = String::with_capacity(query.len());
    for &byte in query {
        if byte.is_ascii() {
            out.push(char::from(byte));
        } else {
            // INVARIANT: writing to a string cannot fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Without the slash at the end, plain or encoded.
fn strip_one_slash(raw: &str) -> &str {
    raw.strip_suffix('/')
        .or_else(|| raw.strip_suffix("%2F"))
        .or_else(|| raw.strip_suffix("%2f"))
        .unwrap_or(raw)
}

/// As text, each byte that isn't part of valid UTF-8 as one U+FFFD.
fn text_of(bytes: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text.into()
}

fn join(path: &str, query: Option<&str>) -> Box<str> {
    let mut text = String::with_capacity(path.len() + query.map_or(0, |query| query.len() + 1));
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    text.into()
}
