//! JSON as Go's `encoding/json` reads it: the last duplicate wins, lone surrogates become U+FFFD.

use super::lines::{Lines, Path};
use super::{Document, SyntaxError, not_text};
use serde_json::Value;

pub(super) fn read(text: &[u8]) -> Result<Document, SyntaxError> {
    let text = std::str::from_utf8(text).map_err(|_| not_text())?;
    let value = parse(text)?;
    Ok(Document {
        lines: lines(text),
        value,
    })
}

/// Without the lines.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let error = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if let Some(mended) = without_lone_surrogates(text)
        && let Ok(value) = serde_json::from_str(&mended)
    {
        return Ok(value);
    }
    Err(SyntaxError {
        line: Some(error.line()).filter(|line| *line > 0),
        message: error.to_string(),
    })
}

/// The text with `\ufffd` for each escape of a surrogate that has no partner; `None` where there is none.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut mended = false;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at_checked(at)?;
        out.push_str(before);
        let unit = |from: usize| {
            let digits = escape.get(from..from + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        let taken = match (unit(0), unit(6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                mended = true;
                out.push_str("\\ufffd");
                rest = escape.get(6..)?;
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (escape, after) = escape.split_at_checked(taken)?;
        out.push_str(escape);
        rest = after;
    }
    out.push_str(rest);
    mended.then_some(out)
}

/// Finds the line of each member in a text that is known to be JSON.
fn lines(text: &str) -> Lines {
    let mut scanner = Scanner {
        rest: text.as_bytes(),
        line: 1,
        path: Path::default(),
        lines: Lines::default(),
    };
    scanner.value();
    scanner.lines
}

struct Scanner<'t> {
    rest: &'t [u8],
    line: usize,
    path: Path,
    lines: Lines,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<u8> {
        while let Some((first, rest)) = self.rest.split_first() {
            match first {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                other => return Some(*other),
            }
            self.rest = rest;
        }
        None
    }

    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn value(&mut self) {
        match self.peek() {
            Some(b'{') => self.items(b'}', |scanner, _| {
                let line = scanner.line;
                let name = scanner.string();
                scanner.peek();
                scanner.skip();
                (name, line)
            }),
            Some(b'[') => self.items(b']', |scanner, index| (index.to_string(), scanner.line)),
            Some(b'"') => {
                self.string();
            }
            Some(_) => {
                let end = self
                    .rest
                    .iter()
                    .position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
                self.rest = end.and_then(|end| self.rest.get(end..)).unwrap_or_default();
            }
            None => {}
        }
    }

    fn items(&mut self, end: u8, name: impl Fn(&mut Self, usize) -> (String, usize)) {
        self.skip();
        for index in 0.. {
            match self.peek() {
                Some(b) if b != end => {}
                Some(_) | None => break,
            }
            let (name, line) = name(self, index);
            let length = self.path.enter(&name);
            self.lines.note(self.path.text(), line);
            self.value();
            self.path.leave(length);
            if self.peek() == Some(b',') {
                self.skip();
            }
        }
        self.skip();
    }

    /// A string, decoded.
    fn string(&mut self) -> String {
        let mut end = 1;
        while let Some(b) = self.rest.get(end) {
            match b {
                b'\\' => end += 1,
                b'"' => break,
                _ => {}
            }
            end += 1;
        }
        let raw = self.rest.get(..=end).unwrap_or_default();
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        serde_json::from_slice(raw).unwrap_or_default()
    }
}
