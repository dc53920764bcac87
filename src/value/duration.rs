//! Go's `time.ParseDuration`.

/// Nanoseconds per unit, longest name first so that `ms` isn't read as `m`.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Go's `time.ParseDuration`, in nanoseconds: a sign, then numbers with fractions and units (`1h15m30.918s`), or a bare `0`.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanos, after) = term(rest)?;
        total = total.checked_add(nanos).filter(|sum| *sum <= 1 << 63)?;
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(total)) => Some(total),
        (true, Ok(total)) => Some(-total),
        (true, Err(_)) => Some(i64::MIN),
        (false, Err(_)) => None,
    }
}

/// One `<number><unit>` and what follows it.
fn term(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    let (_, unit) = UNITS.iter().find(|(known, _)| *known == name)?;
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanos = whole.checked_mul(*unit).filter(|nanos| *nanos <= 1 << 63)?;
    if !fraction.is_empty() {
        nanos = nanos.checked_add(part(fraction, *unit))?;
    }
    Some((nanos, after)).filter(|(nanos, _)| *nanos <= 1 << 63)
}

/// A fraction of a unit; digits beyond what 63 bits hold are dropped, and the result is cut, as in Go.
fn part(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes().map(|b| u64::from(b.saturating_sub(b'0'))) {
        match value.checked_mul(10).and_then(|v| v.checked_add(digit)) {
            Some(next) if next <= 1 << 63 => value = next,
            Some(_) | None => break,
        }
        scale *= 10.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "Go computes in doubles too")]
    let nanos = value as f64 * (unit as f64 / scale);
    nanos as u64
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(end).unwrap_or((text, ""))
}
