//! Values as `encoding/json` writes them.

use super::{FloatForm, Map, Value, float_text};

/// Whether `<`, `>` and `&` are written as escapes, which Go does unless asked not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    #[default]
    Html,
    /// `SetEscapeHTML(false)`. U+2028 and U+2029 are escaped all the same.
    Plain,
}

/// Compact, members sorted by name.
pub fn encode(out: &mut Vec<u8>, value: &Value, escape: Escape) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(n) => encode_number(out, *n),
        Value::String(text) => encode_string(out, text.as_bytes(), escape),
        Value::List(items) => encode_list(out, items, |out, item| encode(out, item, escape)),
        Value::Strings(items) => encode_list(out, items, |out, item| {
            encode_string(out, item.as_bytes(), escape);
        }),
        Value::Map(map) => encode_map(out, map, escape),
    }
}

fn encode_list<T>(out: &mut Vec<u8>, items: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(b']');
}

fn encode_map(out: &mut Vec<u8>, map: &Map, escape: Escape) {
    out.push(b'{');
    for (i, (name, value)) in map.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        encode_string(out, name.as_bytes(), escape);
        out.push(b':');
        encode(out, value, escape);
    }
    out.push(b'}');
}

/// Plain digits from 1e-6 up to, not including, 1e21; an exponent without padding elsewhere. What JSON cannot say becomes null.
pub fn encode_number(out: &mut Vec<u8>, x: f64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !x.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    if x.trunc() == x && x.abs() < EXACT && !(x == 0.0 && x.is_sign_negative()) {
        out.extend_from_slice(itoa::Buffer::new().format(x as i64).as_bytes());
        return;
    }
    let size = x.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = float_text(x, FloatForm::Exponent, None);
        out.extend_from_slice(text.replace("e-0", "e-").as_bytes());
    } else {
        out.extend_from_slice(float_text(x, FloatForm::Fixed, None).as_bytes());
    }
}

/// A quoted string. Each byte that is not UTF-8 becomes `\ufffd`.
pub fn encode_string(out: &mut Vec<u8>, text: &[u8], escape: Escape) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        encode_text(out, chunk.valid(), escape);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

fn encode_text(out: &mut Vec<u8>, text: &str, escape: Escape) {
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '<' | '>' | '&' if escape == Escape::Html => escape_unit(out, c),
            '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => escape_unit(out, c),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn escape_unit(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
}

/// Re-indents compact JSON as `json.Indent` does: empty lists and objects stay on one line.
pub fn encode_indented(compact: &[u8], indent: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut fresh = false;
    for &b in compact {
        if in_string {
            out.push(b);
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        if fresh && b != b']' && b != b'}' {
            fresh = false;
            depth += 1;
            line(&mut out, indent, depth);
        }
        match b {
            b'"' => {
                in_string = true;
                out.push(b);
            }
            b'{' | b'[' => {
                fresh = true;
                out.push(b);
            }
            b',' => {
                out.push(b);
                line(&mut out, indent, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b'}' | b']' => {
                if fresh {
                    fresh = false;
                } else {
                    depth = depth.saturating_sub(1);
                    line(&mut out, indent, depth);
                }
                out.push(b);
            }
            other => out.push(other),
        }
    }
    out
}

fn line(out: &mut Vec<u8>, indent: &str, depth: usize) {
    out.push(b'\n');
    for _ in 0..depth {
        out.extend_from_slice(indent.as_bytes());
    }
}
