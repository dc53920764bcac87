//! Characters as Go's `strconv` and `unicode` see them.

/// The first character and its size; U+FFFD and one byte where there is no character. `None` at the end.
pub(crate) fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((char::from(first), 1));
    }
    let head = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => {
            let good = head.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(good).unwrap_or_default()
        }
    };
    match valid.chars().next() {
        Some(c) => Some((c, c.len_utf8())),
        None => Some(('\u{fffd}', 1)),
    }
}

/// `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the plain space.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // Behind another character the standard library leaves combining marks alone and escapes only what cannot be printed.
    let mut pair = String::from("a");
    pair.push(c);
    pair.escape_debug().count() == 2
}

/// `strconv.Quote`
pub(crate) fn quote(text: &[u8]) -> String {
    quote_with(text, is_print)
}

/// `strconv.QuoteToASCII`
pub(crate) fn quote_ascii(text: &[u8]) -> String {
    quote_with(text, |c| c.is_ascii() && is_print(c))
}

fn quote_with(text: &[u8], printable: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            escape(&mut out, c, '"', &printable);
        }
        for b in chunk.invalid() {
            out.push_str(&format!("\\x{b:02x}"));
        }
    }
    out.push('"');
    out
}

/// `strconv.QuoteRune`
pub(crate) fn quote_rune(c: char, ascii: bool) -> String {
    let mut out = String::from("'");
    escape(&mut out, c, '\'', &|c: char| {
        is_print(c) && (!ascii || c.is_ascii())
    });
    out.push('\'');
    out
}

fn escape(out: &mut String, c: char, quote: char, printable: &impl Fn(char) -> bool) {
    match c {
        '\\' => out.push_str("\\\\"),
        c if c == quote => {
            out.push('\\');
            out.push(c);
        }
        c if printable(c) => out.push(c),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

/// `unicode.ToUpper`: one character, unlike Rust's, which may be several.
pub(crate) fn upper(c: char) -> char {
    single(
        c.to_uppercase(),
        match c {
            '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
                char::from_u32(u32::from(c) + 8).unwrap_or(c)
            }
            '\u{1fb3}' => '\u{1fbc}',
            '\u{1fc3}' => '\u{1fcc}',
            '\u{1ff3}' => '\u{1ffc}',
            other => other,
        },
    )
}

/// `unicode.ToLower`
pub(crate) fn lower(c: char) -> char {
    single(c.to_lowercase(), if c == 'İ' { 'i' } else { c })
}

/// `unicode.ToTitle`: digraphs have a form of their own.
pub(crate) fn title(c: char) -> char {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        '\u{10d0}'..='\u{10ff}' => c,
        other => upper(other),
    }
}

fn single(mut chars: impl Iterator<Item = char>, otherwise: char) -> char {
    match (chars.next(), chars.next()) {
        (Some(c), None) => c,
        _ => otherwise,
    }
}

/// Applies a mapping to each character; bytes that are no characters become U+FFFD, as in `strings.Map`.
pub(crate) fn map_chars(text: &[u8], map: impl Fn(char) -> char) -> String {
    super::val::lossy(text).chars().map(map).collect()
}

/// `unicode.IsPunct`, which excludes symbols such as `$` and `+`.
pub(crate) fn is_punct(c: char) -> bool {
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => false,
        c if c.is_ascii() => c.is_ascii_punctuation(),
        '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}' => true,
        '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' => !matches!(c, '\u{2044}' | '\u{2052}'),
        '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' => true,
        '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' => {
            !matches!(c, '\u{ff04}' | '\u{ff0b}' | '\u{ff1c}'..='\u{ff1e}')
        }
        _ => false,
    }
}

/// `unicode.IsSpace`
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{1c}'..='\u{1f}')
}
