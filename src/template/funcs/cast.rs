//! Any value as a number, as lenient as Sprig is about it.

use crate::template::number::{float_to_int, parse_float, parse_int};
use crate::template::val::Val;

/// Texts are read with Go's prefixes; a fraction of digits is cut off. What is no number is 0.
pub(super) fn to_int(val: &Val<'_>) -> i64 {
    match val {
        Val::Int(_, n) => *n,
        Val::Float(x) => float_to_int(*x),
        Val::Bool(b) => i64::from(*b),
        Val::Str(text) => text_to_int(&text.lossy()),
        _ => 0,
    }
}

fn text_to_int(text: &str) -> i64 {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.get(..1).unwrap_or_default(), rest),
        None => ("", text),
    };
    let whole = match digits.split_once('.') {
        Some((whole, fraction)) => {
            let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
            if !numeric(whole) || !numeric(fraction) {
                return 0;
            }
            whole
        }
        None => digits,
    };
    if whole.is_empty() {
        return 0;
    }
    parse_int(&format!("{sign}{whole}"), 0).unwrap_or(0)
}

/// What is no number is 0.
pub(super) fn to_float(val: &Val<'_>) -> f64 {
    match val {
        Val::Int(kind, n) if kind.unsigned() => *n as u64 as f64,
        Val::Int(_, n) => *n as f64,
        Val::Float(x) => *x,
        Val::Bool(b) => f64::from(u8::from(*b)),
        Val::Str(text) => parse_float(&text.lossy()).unwrap_or(0.0),
        _ => 0.0,
    }
}
