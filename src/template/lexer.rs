//! The text of a template cut into tokens.

use super::fail::{Fail, fail, failf};
use super::val::Res;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Outside of actions.
    Text(String),
    LeftDelim,
    RightDelim,
    Space,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// Any other printable ASCII character, of which only the comma has a meaning.
    Char(char),
    /// A character constant, as written.
    CharConstant(String),
    Number(String),
    Complex(String),
    Quoted(String),
    Raw(String),
    Bool(bool),
    Dot,
    /// With the dot.
    Field(String),
    /// With the dollar.
    Variable(String),
    Identifier(String),
    Keyword(Keyword),
    Nil,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The byte where it begins.
    pub(crate) at: usize,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(c: char) -> bool {
    SPACE.contains(&c)
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

/// All tokens, `End` last. Comments leave none.
pub(crate) fn lex(source: &str) -> Result<Vec<Token>, Fail> {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
    };
    let mut trim = false;
    while lexer.at < source.len() {
        trim = lexer.text(trim).and_then(|inside| match inside {
            Some(()) => lexer.action(),
            None => Ok(false),
        })?;
    }
    lexer.push(Kind::End, source.len());
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn push(&mut self, kind: Kind, at: usize) {
        self.tokens.push(Token { kind, at });
    }

    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn error<T>(&self, what: String) -> Result<T, Fail> {
        failf(what).map_err(|fail| fail.at(self.at as u32))
    }

    /// Text up to the next action; `None` if there is no more action. `trim` is whether the action before asked for it.
    fn text(&mut self, trim: bool) -> Res<Option<()>> {
        if trim {
            let trimmed = self.rest().trim_start_matches(SPACE);
            self.at = self.source.len() - trimmed.len();
        }
        let start = self.at;
        let rest = self.rest();
        let Some(length) = rest.find(LEFT) else {
            let text = rest.to_owned();
            if !text.is_empty() {
                self.push(Kind::Text(text), start);
            }
            self.at = self.source.len();
            return Ok(None);
        };
        let (text, action) = rest.split_at(length);
        let mut inside = action.strip_prefix(LEFT).unwrap_or_default();
        let mut text = text;
        let mut skip = LEFT.len();
        if let Some(after) = inside.strip_prefix('-')
            && after.starts_with(is_space)
        {
            text = text.trim_end_matches(SPACE);
            inside = after.get(1..).unwrap_or_default();
            skip += 2;
        }
        let text = text.to_owned();
        let comment = inside.starts_with("/*");
        if !text.is_empty() {
            self.push(Kind::Text(text), start);
        }
        let delim = start + length;
        self.at = delim + skip;
        if comment {
            let trim = self.comment()?;
            return self.text(trim);
        }
        self.push(Kind::LeftDelim, delim);
        Ok(Some(()))
    }

    /// Behind the delimiter that opens a comment. Whether text that follows is trimmed.
    fn comment(&mut self) -> Res<bool> {
        let Some(end) = self.rest().find("*/") else {
            return self.error("unclosed comment".to_owned());
        };
        self.at += end + 2;
        match self.right_delim() {
            Some((length, trim)) => {
                self.at += length;
                Ok(trim)
            }
            None => self.error("comment ends before closing delimiter".to_owned()),
        }
    }

    /// If a closing delimiter is next: its length, and whether it trims.
    fn right_delim(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        if rest.starts_with(RIGHT) {
            return Some((RIGHT.len(), false));
        }
        let mut chars = rest.chars();
        let marked = chars.next().is_some_and(is_space)
            && chars.next() == Some('-')
            && chars.as_str().starts_with(RIGHT);
        marked.then_some((RIGHT.len() + 2, true))
    }

    /// Everything up to and with the closing delimiter. Whether text that follows is trimmed.
    fn action(&mut self) -> Res<bool> {
        let mut parens = 0usize;
        loop {
            if let Some((length, trim)) = self.right_delim() {
                if parens > 0 {
                    return self.error("unclosed left parenthesis".to_owned());
                }
                self.push(Kind::RightDelim, self.at);
                self.at += length;
                return Ok(trim);
            }
            let start = self.at;
            let Some(c) = self.next() else {
                return self.error("unclosed action".to_owned());
            };
            let kind = match c {
                c if is_space(c) => {
                    while self.peek().is_some_and(is_space) && self.right_delim().is_none() {
                        self.next();
                    }
                    Kind::Space
                }
                '=' => Kind::Assign,
                ':' => match self.next() {
                    Some('=') => Kind::Declare,
                    Some(_) | None => return self.error("expected :=".to_owned()),
                },
                '|' => Kind::Pipe,
                '"' => self.quoted('"').map(Kind::Quoted)?,
                '\'' => self.quoted('\'').map(Kind::CharConstant)?,
                '`' => self.raw()?,
                '$' => self.word(start, Kind::Variable)?,
                '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                    self.word(start, Kind::Field)?
                }
                '.' | '+' | '-' | '0'..='9' => {
                    self.at = start;
                    self.number()?
                }
                '(' => {
                    parens += 1;
                    Kind::LeftParen
                }
                ')' => {
                    if parens == 0 {
                        return self.error("unexpected right parenthesis".to_owned());
                    }
                    parens -= 1;
                    Kind::RightParen
                }
                c if is_alphanumeric(c) => self.word(start, Kind::Identifier)?,
                ' '..='~' => Kind::Char(c),
                other => return self.error(format!("unrecognized character in action: {other:?}")),
            };
            self.push(kind, start);
        }
    }

    /// A quoted text with its quotes; escapes are not yet read.
    fn quoted(&mut self, quote: char) -> Res<String> {
        let start = self.at - 1;
        loop {
            match self.next() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.next();
                }
                None | Some('\\' | '\n') => {
                    return self.error("unterminated quoted text".to_owned());
                }
                Some(c) if c == quote => {
                    return Ok(self
                        .source
                        .get(start..self.at)
                        .unwrap_or_default()
                        .to_owned());
                }
                Some(_) => {}
            }
        }
    }

    fn raw(&mut self) -> Res<Kind> {
        let Some(end) = self.rest().find('`') else {
            return self.error("unterminated raw quoted text".to_owned());
        };
        // Go drops carriage returns from raw strings.
        let text = self.rest().get(..end).unwrap_or_default().replace('\r', "");
        self.at += end + 1;
        Ok(Kind::Raw(text))
    }

    /// A name, which may begin with a dot or a dollar.
    fn word(&mut self, start: usize, make: fn(String) -> Kind) -> Res<Kind> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        let word = self
            .source
            .get(start..self.at)
            .unwrap_or_default()
            .to_owned();
        if !self.at_terminator() {
            let found = self.peek().map(String::from).unwrap_or_default();
            return self.error(format!("bad character {found:?} after `{word}`"));
        }
        if word == "." {
            return Ok(Kind::Dot);
        }
        let kind = make(word);
        Ok(match kind {
            Kind::Identifier(word) => identifier(word),
            other => other,
        })
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(RIGHT),
        }
    }

    fn number(&mut self) -> Res<Kind> {
        let start = self.at;
        self.scan_number()?;
        let mut complex = false;
        if let Some('+' | '-') = self.peek() {
            self.scan_number()?;
            complex = true;
        }
        let text = self
            .source
            .get(start..self.at)
            .unwrap_or_default()
            .to_owned();
        if complex && !text.ends_with('i') {
            return self.error(format!("bad number syntax: `{text}`"));
        }
        Ok(if complex {
            Kind::Complex(text)
        } else {
            Kind::Number(text)
        })
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn scan_number(&mut self) -> Res<()> {
        const DECIMAL: &str = "0123456789_";
        let start = self.at;
        self.accept("+-");
        let mut set = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                set = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                set = "01234567_";
            } else if self.accept("bB") {
                set = "01_";
            }
        }
        self.accept_run(set);
        if self.accept(".") {
            self.accept_run(set);
        }
        if (set == DECIMAL && self.accept("eE")) || (set.len() > 20 && self.accept("pP")) {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            let text = self.source.get(start..self.at).unwrap_or_default();
            return self.error(format!("bad number syntax: `{text}`"));
        }
        Ok(())
    }
}

fn identifier(word: String) -> Kind {
    match word.as_str() {
        "true" => Kind::Bool(true),
        "false" => Kind::Bool(false),
        "nil" => Kind::Nil,
        "block" => Kind::Keyword(Keyword::Block),
        "break" => Kind::Keyword(Keyword::Break),
        "continue" => Kind::Keyword(Keyword::Continue),
        "define" => Kind::Keyword(Keyword::Define),
        "else" => Kind::Keyword(Keyword::Else),
        "end" => Kind::Keyword(Keyword::End),
        "if" => Kind::Keyword(Keyword::If),
        "range" => Kind::Keyword(Keyword::Range),
        "template" => Kind::Keyword(Keyword::Template),
        "with" => Kind::Keyword(Keyword::With),
        _ => Kind::Identifier(word),
    }
}

/// A text in quotes with its escapes read (`strconv.Unquote`): `\x` and octal escapes are bytes, `\u` and `\U` characters.
pub(crate) fn unquote(text: &str) -> Res<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let quote = text.chars().next().unwrap_or('"');
    let inside = text
        .strip_prefix(quote)
        .and_then(|text| text.strip_suffix(quote))
        .unwrap_or_default();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match escape(&mut chars, quote)? {
            Unit::Byte(b) => out.push(b),
            Unit::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(out)
}

/// The number of a character constant.
pub(crate) fn unquote_char(text: &str) -> Res<i64> {
    let inside = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''))
        .unwrap_or_default();
    let mut chars = inside.chars();
    let value = match chars.next() {
        None | Some('\'') => return fail("malformed character constant"),
        Some('\\') => match escape(&mut chars, '\'')? {
            Unit::Byte(b) => i64::from(b),
            Unit::Char(c) => i64::from(u32::from(c)),
        },
        Some(c) => i64::from(u32::from(c)),
    };
    if chars.next().is_some() {
        return fail("malformed character constant");
    }
    Ok(value)
}

enum Unit {
    Byte(u8),
    Char(char),
}

/// Behind a backslash.
fn escape(chars: &mut std::str::Chars<'_>, quote: char) -> Res<Unit> {
    let Some(c) = chars.next() else {
        return fail("malformed escape in quoted text");
    };
    let mut number = |count: usize, base: u32, first: u32| -> Res<u32> {
        let mut value = first;
        for _ in 0..count {
            let Some(digit) = chars.next().and_then(|c| c.to_digit(base)) else {
                return fail("malformed escape in quoted text");
            };
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        Ok(value)
    };
    Ok(match c {
        'a' => Unit::Char('\u{7}'),
        'b' => Unit::Char('\u{8}'),
        'f' => Unit::Char('\u{c}'),
        'n' => Unit::Char('\n'),
        'r' => Unit::Char('\r'),
        't' => Unit::Char('\t'),
        'v' => Unit::Char('\u{b}'),
        '\\' => Unit::Char('\\'),
        c if c == quote => Unit::Char(c),
        'x' => Unit::Byte(number(2, 16, 0)? as u8),
        'u' | 'U' => {
            let code = number(if c == 'u' { 4 } else { 8 }, 16, 0)?;
            match char::from_u32(code) {
                Some(c) => Unit::Char(c),
                None => return fail("malformed escape in quoted text"),
            }
        }
        '0'..='7' => {
            let code = number(2, 8, c.to_digit(8).unwrap_or(0))?;
            match u8::try_from(code) {
                Ok(b) => Unit::Byte(b),
                Err(_) => return fail("malformed escape in quoted text"),
            }
        }
        _ => return fail("malformed escape in quoted text"),
    })
}
