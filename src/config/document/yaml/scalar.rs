//! What an unquoted text means.

use super::Dialect;
use super::time;
use serde_json::{Number, Value};

/// The type that a tag demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// No tag, or one that means nothing here.
    None,
    /// A lone `!`: text in rules, nothing in configurations.
    NonSpecific,
    Text,
    Boolean,
    Integer,
    Float,
    Null,
    Timestamp,
    Binary,
}

/// A scalar's meaning; `Float` apart from whole numbers because of how keys are spelt.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Boolean(bool),
    Integer(i64),
    /// Beyond `i64`.
    Large(u64),
    Float(f64),
    Text(String),
    Time(time::Timestamp),
}

impl Scalar {
    pub(super) fn into_value(self) -> Result<Value, &'static str> {
        Ok(match self {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => Value::Bool(value),
            Scalar::Integer(value) => Value::Number(value.into()),
            Scalar::Large(value) => Value::Number(value.into()),
            Scalar::Float(value) => number(value)?,
            Scalar::Text(text) => Value::String(text),
            Scalar::Time(time) => Value::String(time.rfc3339()),
        })
    }
}

/// Whole floats as whole numbers, so that `1.0` and `1` are one value, as in JSON.
fn number(value: f64) -> Result<Value, &'static str> {
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return Ok(Value::Number((value as i64).into()));
    }
    let number = Number::from_f64(value).ok_or("the number is not finite")?;
    Ok(Value::Number(number))
}

/// Resolves a plain scalar, or one with a tag.
pub(super) fn resolve(text: &str, tag: Tag, dialect: Dialect) -> Result<Scalar, &'static str> {
    let tag = match (tag, dialect) {
        (Tag::NonSpecific, Dialect::Rules) => Tag::Text,
        (Tag::NonSpecific, Dialect::Configuration) => Tag::None,
        (tag, _) => tag,
    };
    let found = match tag {
        Tag::Text => return Ok(Scalar::Text(text.to_owned())),
        Tag::Binary => return binary(text),
        Tag::None
        | Tag::NonSpecific
        | Tag::Boolean
        | Tag::Integer
        | Tag::Float
        | Tag::Null
        | Tag::Timestamp => guess(text, tag, dialect),
    };
    match (tag, found) {
        (Tag::None, found)
        | (Tag::Boolean, found @ Scalar::Boolean(_))
        | (Tag::Integer, found @ (Scalar::Integer(_) | Scalar::Large(_)))
        | (Tag::Float, found @ Scalar::Float(_))
        | (Tag::Null, found @ Scalar::Null)
        | (Tag::Timestamp, found @ Scalar::Time(_)) => Ok(found),
        (Tag::Float, Scalar::Integer(value)) => Ok(Scalar::Float(value as f64)),
        (Tag::Float, Scalar::Large(value)) => Ok(Scalar::Float(value as f64)),
        // Rules keep times as text.
        (Tag::Timestamp, Scalar::Text(text))
            if dialect == Dialect::Rules && time::parse(&text).is_some() =>
        {
            Ok(Scalar::Text(text))
        }
        (_, _) => Err("the value doesn't fit its tag"),
    }
}

fn binary(text: &str) -> Result<Scalar, &'static str> {
    use base64::Engine as _;
    let packed: String = text.chars().filter(|c| *c != '\n' && *c != '\r').collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(packed)
        .map_err(|_| "!!binary needs base64")?;
    Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned()))
}

fn guess(text: &str, tag: Tag, dialect: Dialect) -> Scalar {
    if let Some(known) = word(text, dialect) {
        return known;
    }
    let first = text.as_bytes().first().copied();
    let found = match first {
        Some(b'.') => text
            .parse()
            .ok()
            .filter(|_| float_syntax(text))
            .filter(finite)
            .map(Scalar::Float),
        Some(b'+' | b'-' | b'0'..=b'9') => timestamp(text, tag, dialect).or_else(|| numeric(text)),
        _ => None,
    };
    found.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

fn word(text: &str, dialect: Dialect) -> Option<Scalar> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Boolean(true),
        "false" | "False" | "FALSE" => Scalar::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ if dialect == Dialect::Configuration => return None,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Scalar::Boolean(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Scalar::Boolean(false),
        _ => return None,
    })
}

fn timestamp(text: &str, tag: Tag, dialect: Dialect) -> Option<Scalar> {
    if !matches!(tag, Tag::None | Tag::Timestamp) {
        return None;
    }
    let time = time::parse(text)?;
    Some(match dialect {
        Dialect::Configuration => Scalar::Time(time),
        Dialect::Rules => Scalar::Text(text.to_owned()),
    })
}

fn numeric(text: &str) -> Option<Scalar> {
    let plain = text.replace('_', "");
    if let Some(number) = integer(&plain) {
        return Some(number);
    }
    if !float_syntax(&plain) {
        return None;
    }
    plain.parse().ok().filter(finite).map(Scalar::Float)
}

/// Go's parser reports an overflow where Rust's says infinity.
fn finite(number: &f64) -> bool {
    number.is_finite()
}

/// Go's `ParseInt` with base 0: `0x`, `0o`, `0b`, and a leading zero for octal.
fn integer(plain: &str) -> Option<Scalar> {
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, plain.get(1..)?),
        Some(b'+') => (false, plain.get(1..)?),
        _ => (false, plain),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match (lower.get(..2), lower.len()) {
        (Some("0x"), _) => (16, lower.get(2..)?),
        (Some("0o"), _) => (8, lower.get(2..)?),
        (Some("0b"), _) => (2, lower.get(2..)?),
        (Some(_), 2..) if lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    match (negative, i64::try_from(size)) {
        (false, Ok(number)) => Some(Scalar::Integer(number)),
        (true, Ok(number)) => Some(Scalar::Integer(-number)),
        (true, Err(_)) if size == 1 << 63 => Some(Scalar::Integer(i64::MIN)),
        (true, Err(_)) => None,
        (false, Err(_)) if plain.starts_with('+') => None,
        (false, Err(_)) => Some(Scalar::Large(size)),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn float_syntax(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    exponent_fits && mantissa_fits
}
