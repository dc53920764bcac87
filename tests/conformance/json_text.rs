//! JSON as the suites were recorded with it: a space after comma and colon, ASCII only. `$match` sees values as this text,
//! and what a token holds is told in it, so it has to be the same letter by letter.

use serde_json::{Number, Value};

#[derive(Clone, Copy)]
pub enum Members {
    AsGiven,
    Sorted,
}

pub fn json_text(value: &Value, members: Members) -> String {
    let mut out = String::new();
    write(value, members, &mut out);
    out
}

fn write(value: &Value, members: Members, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => write_list('[', ']', items, out, |item, out| {
            write(item, members, out);
        }),
        Value::Object(object) => {
            let mut pairs: Vec<_> = object.iter().collect();
            if matches!(members, Members::Sorted) {
                pairs.sort_by_key(|(name, _)| name.as_str());
            }
            write_list('{', '}', pairs, out, |(name, item), out| {
                write_string(name, out);
                out.push_str(": ");
                write(item, members, out);
            });
        }
    }
}

fn write_list<T>(
    open: char,
    close: char,
    items: impl IntoIterator<Item = T>,
    out: &mut String,
    mut one: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push_str(", ");
        }
        one(item, out);
    }
    out.push(close);
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// Fractions have the fewest digits that name them, and an exponent below 1e-4 and from 1e16.
fn number_text(number: &Number) -> String {
    let Some(fraction) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let scientific = format!("{fraction:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = fraction.to_string();
    if plain.contains('.') {
        plain
    } else {
        format!("{plain}.0")
    }
}
