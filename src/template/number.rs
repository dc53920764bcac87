//! Number texts as Go's `strconv` reads them.

/// An integer. Base 0 goes by the prefix (`0x`, `0b`, `0o`, `0`) and allows underscores between digits. `None` for anything else,
/// and where the number does not fit.
pub(crate) fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = parse_uint(digits, base)?;
    if negative {
        0i64.checked_sub_unsigned(size)
    } else {
        i64::try_from(size).ok()
    }
}

/// An integer without a sign.
pub(crate) fn parse_uint(text: &str, base: u32) -> Option<u64> {
    if base != 0 {
        return digits(text, base);
    }
    if text.contains('_') && !underscores_ok(text) {
        return None;
    }
    let plain = text.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    for (prefix, base) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            return digits(rest, base);
        }
    }
    match lower.strip_prefix('0') {
        Some(rest) if !rest.is_empty() => digits(rest, 8),
        Some(_) | None => digits(&lower, 10),
    }
}

fn digits(text: &str, base: u32) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(text, base).ok()
}

/// Whether underscores stand only between digits, or between a base prefix and a digit.
fn underscores_ok(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']);
    let lower = text.to_ascii_lowercase();
    let prefixed = ["0x", "0b", "0o"].iter().any(|p| lower.starts_with(p));
    let hex = lower.starts_with("0x");
    // `0` is a digit, `_` an underscore, `!` anything else; a base prefix counts as a digit.
    let mut last = if prefixed { '0' } else { '^' };
    for c in lower.chars().skip(if prefixed { 2 } else { 0 }) {
        if c.is_ascii_digit() || (hex && c.is_ascii_hexdigit()) {
            last = '0';
        } else if c == '_' {
            if last != '0' {
                return false;
            }
            last = '_';
        } else {
            if last == '_' {
                return false;
            }
            last = '!';
        }
    }
    last != '_'
}

/// A double: decimal or hexadecimal, `inf`, `infinity`, `nan`. `None` for anything else and where it overflows.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    if text.contains('_') && !underscores_ok(text) {
        return None;
    }
    let text = text.replace('_', "").to_ascii_lowercase();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    if rest == "inf" || rest == "infinity" {
        return Some(sign * f64::INFINITY);
    }
    if text == "nan" {
        return Some(f64::NAN);
    }
    if let Some(hex) = rest.strip_prefix("0x") {
        return hex_float(hex).map(|x| sign * x);
    }
    if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    rest.parse::<f64>()
        .ok()
        .filter(|x| x.is_finite())
        .map(|x| sign * x)
}

fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0f64;
    for c in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    let value = value * 2f64.powi(exponent.checked_sub(shift)?);
    Some(value).filter(|x| x.is_finite())
}

/// Go's conversion of a double to `int64` on 64-bit machines: what does not fit becomes the smallest integer.
pub(crate) fn float_to_int(x: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
        x as i64
    } else {
        i64::MIN
    }
}
