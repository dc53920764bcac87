//! Doubles as text, with the rules of Go's `strconv.FormatFloat`.

/// The verbs of `FormatFloat` that write decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatForm {
    /// `%e`: always with an exponent of at least two digits.
    Exponent,
    /// `%f`: never with an exponent.
    Fixed,
    /// `%g`: an exponent where it is below -4 or not below the precision (6 where the shortest digits were asked for).
    General,
}

/// The decimal digits of a finite number: `0.d1d2d3… × 10^point`, without trailing zeros.
struct Digits {
    text: Vec<u8>,
    point: i32,
}

impl Digits {
    /// The fewest digits that read back as the same double.
    fn shortest(x: f64) -> Digits {
        Digits::from_scientific(&format!("{:e}", x.abs()))
    }

    /// At most `count` significant digits, rounded half to even.
    fn rounded(x: f64, count: usize) -> Digits {
        let places = count.max(1) - 1;
        Digits::from_scientific(&format!("{:.*e}", places, x.abs()))
    }

    fn from_scientific(text: &str) -> Digits {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Digits {
                text: digits,
                point: 0,
            };
        }
        Digits {
            text: digits,
            point: exponent + 1,
        }
    }

    fn at(&self, index: usize) -> char {
        self.text.get(index).map_or('0', |b| char::from(*b))
    }
}

/// `precision` as in `FormatFloat`; `None` asks for the shortest digits that read back.
pub fn float_text(x: f64, form: FloatForm, precision: Option<usize>) -> String {
    if x.is_nan() {
        return "NaN".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let mut out = String::new();
    if x.is_sign_negative() {
        out.push('-');
    }
    match form {
        FloatForm::Fixed => fixed(&mut out, x, precision),
        FloatForm::Exponent => {
            let (digits, places) = match precision {
                None => {
                    let digits = Digits::shortest(x);
                    let places = digits.text.len().saturating_sub(1);
                    (digits, places)
                }
                Some(places) => (Digits::rounded(x, places + 1), places),
            };
            exponent(&mut out, &digits, places);
        }
        FloatForm::General => general(&mut out, x, precision),
    }
    out
}

fn fixed(out: &mut String, x: f64, precision: Option<usize>) {
    match precision {
        Some(places) => out.push_str(&format!("{:.*}", places, x.abs())),
        None => plain(out, &Digits::shortest(x)),
    }
}

fn general(out: &mut String, x: f64, precision: Option<usize>) {
    let (digits, threshold) = match precision {
        None => (Digits::shortest(x), 6),
        Some(precision) => {
            let precision = precision.max(1);
            let digits = Digits::rounded(x, precision);
            let count = digits.text.len() as i32;
            let mut threshold = precision as i32;
            if threshold > count && count >= digits.point {
                threshold = count;
            }
            (digits, threshold)
        }
    };
    let power = if digits.text.is_empty() {
        -1
    } else {
        digits.point - 1
    };
    if !digits.text.is_empty() && (power < -4 || power >= threshold) {
        exponent(out, &digits, digits.text.len() - 1);
    } else {
        plain(out, &digits);
    }
}

fn exponent(out: &mut String, digits: &Digits, places: usize) {
    out.push(digits.at(0));
    if places > 0 {
        out.push('.');
        out.extend((1..=places).map(|i| digits.at(i)));
    }
    let power = if digits.text.is_empty() {
        0
    } else {
        digits.point - 1
    };
    out.push('e');
    out.push(if power < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", power.unsigned_abs()));
}

/// All digits, without an exponent.
fn plain(out: &mut String, digits: &Digits) {
    if digits.point <= 0 {
        out.push('0');
    } else {
        out.extend((0..digits.point as usize).map(|i| digits.at(i)));
    }
    let fraction = digits.text.len() as i32 - digits.point;
    if fraction > 0 {
        out.push('.');
        out.extend((0..fraction).map(|i| {
            let index = digits.point + i;
            if index < 0 {
                '0'
            } else {
                digits.at(index as usize)
            }
        }));
    }
}

/// As `%v` prints a double.
pub fn plain_float(x: f64) -> String {
    // Small whole numbers are nearly all there are, and the general way allocates more.
    if x.trunc() == x && x.abs() < 1e6 && !(x == 0.0 && x.is_sign_negative()) {
        return itoa::Buffer::new().format(x as i64).to_owned();
    }
    float_text(x, FloatForm::General, None)
}
