//! JSON text into values, as lenient and as strict as Go's `encoding/json`.
//!
//! Strict about the grammar; lenient about text: bytes that are not UTF-8 and lone surrogates become U+FFFD.

use super::{Map, Value};
use thiserror::Error;

/// How deep values may nest. The reference allows 10,000; deeper than this nothing sensible is written, and walking it needs stack.
const MAX_DEPTH: usize = 250;
/// How deep a text may nest to count as JSON, as in the reference.
const MAX_VALID_DEPTH: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("invalid JSON at byte {0}")]
    Syntax(usize),
    #[error("unexpected end of JSON")]
    End,
    #[error("number out of range at byte {0}")]
    Range(usize),
    #[error("JSON nests too deeply")]
    Depth,
    #[error("text after the JSON value at byte {0}")]
    Trailing(usize),
}

/// The whole text is one value.
pub fn decode(text: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(DecodeError::Trailing(reader.at));
    }
    Ok(value)
}

/// The first value of the text, and where it ends: what a `json.Decoder` reads from an answer.
pub fn decode_first(text: &[u8]) -> Result<(Value, usize), DecodeError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    Ok((value, reader.at))
}

/// Whether the whole text is JSON (`json.Valid`). Builds nothing and needs no stack.
pub fn is_valid(text: &[u8]) -> bool {
    let mut reader = Reader { text, at: 0 };
    reader.skip_value(MAX_VALID_DEPTH).is_ok() && {
        reader.space();
        reader.at == text.len()
    }
}

/// The members of the object that the text begins with, in order and with repetitions, each with its value's text. For types
/// that Go decodes member by member: names match without case (see [`fold_eq`]), the last one wins, objects merge.
pub fn members(text: &[u8]) -> Result<Vec<(String, &[u8])>, DecodeError> {
    let mut reader = Reader { text, at: 0 };
    reader.expect(b'{')?;
    let mut found = Vec::new();
    if reader.eat(b'}') {
        return Ok(found);
    }
    loop {
        reader.space();
        let name = reader.string()?;
        reader.expect(b':')?;
        reader.space();
        let start = reader.at;
        reader.skip_value(MAX_VALID_DEPTH)?;
        found.push((name, text.get(start..reader.at).unwrap_or_default()));
        if reader.eat(b'}') {
            return Ok(found);
        }
        reader.expect(b',')?;
    }
}

/// Whether Go takes a JSON member `name` for the field `field`: equal under simple folding, so `ſ` is `s` and `K` (Kelvin) is `k`.
pub fn fold_eq(name: &str, field: &str) -> bool {
    let fold = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(field.chars().map(fold))
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn unexpected(&self) -> DecodeError {
        if self.at < self.text.len() {
            DecodeError::Syntax(self.at)
        } else {
            DecodeError::End
        }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    /// Skips space, then takes `byte` if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), DecodeError> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), DecodeError> {
        for byte in word {
            if self.peek() != Some(*byte) {
                return Err(self.unexpected());
            }
            self.at += 1;
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::Depth);
        }
        self.space();
        match self.peek() {
            Some(b'n') => self.word(b"null").map(|()| Value::Null),
            Some(b't') => self.word(b"true").map(|()| Value::Bool(true)),
            Some(b'f') => self.word(b"false").map(|()| Value::Bool(false)),
            Some(b'"') => self.string().map(Value::String),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.object(depth),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(_) | None => Err(self.unexpected()),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.at += 1;
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.eat(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.at += 1;
        let mut map = Map::new();
        if self.eat(b'}') {
            return Ok(Value::Map(map));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth + 1)?;
            map.insert(name, value);
            if self.eat(b'}') {
                return Ok(Value::Map(map));
            }
            self.expect(b',')?;
        }
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.unexpected());
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), DecodeError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<f64, DecodeError> {
        let start = self.at;
        self.skip_number()?;
        self.text
            .get(start..self.at)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse::<f64>().ok())
            .filter(|x| x.is_finite())
            .ok_or(DecodeError::Range(start))
    }

    /// From the opening quote to behind the closing one.
    fn string(&mut self) -> Result<String, DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            push_lossy(&mut out, self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) | None => return Err(self.unexpected()),
            }
        }
    }

    /// Behind the backslash.
    fn escape(&mut self) -> Result<char, DecodeError> {
        let c = match self.peek() {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.code_point();
            }
            Some(_) | None => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(c)
    }

    /// Behind `\u`: one unit, or two that are a surrogate pair.
    fn code_point(&mut self) -> Result<char, DecodeError> {
        let first = self.unit()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        if first < 0xdc00 && rest.starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.unit()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            self.at = before;
        }
        Ok('\u{fffd}')
    }

    fn unit(&mut self) -> Result<u32, DecodeError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self
                .peek()
                .and_then(|b| char::from(b).to_digit(16))
                .ok_or_else(|| self.unexpected())?;
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn skip_string(&mut self) -> Result<(), DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                None | Some(0..=0x1f) => return Err(self.unexpected()),
                Some(_) => self.at += 1,
            }
        }
    }

    /// Passes over one value, keeping only what is open.
    fn skip_value(&mut self, max_depth: usize) -> Result<(), DecodeError> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.space();
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    if !self.eat(b'}') {
                        open.push(b'}');
                        self.member_name()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    if !self.eat(b']') {
                        open.push(b']');
                        if open.len() > max_depth {
                            return Err(DecodeError::Depth);
                        }
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b'n') => self.word(b"null")?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(_) => self.skip_number()?,
                None => return Err(DecodeError::End),
            }
            if open.len() > max_depth {
                return Err(DecodeError::Depth);
            }
            loop {
                let Some(&close) = open.last() else {
                    return Ok(());
                };
                if self.eat(close) {
                    open.pop();
                    continue;
                }
                self.expect(b',')?;
                if close == b'}' {
                    self.member_name()?;
                }
                break;
            }
        }
    }

    fn member_name(&mut self) -> Result<(), DecodeError> {
        self.space();
        self.skip_string()?;
        self.expect(b':')
    }
}

/// Each byte that is not UTF-8 counts as one U+FFFD, unlike in `String::from_utf8_lossy`.
fn push_lossy(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
}
