//! Go's `fmt`: `%v` and the other verbs, with flags, width, precision and argument indexes.

use super::quote::{quote, quote_ascii, quote_rune};
use super::val::{IntType, MAX_NESTING, Multi, Str, Val};
use super::{data::Data, quote};
use crate::value::{FloatForm, float_text, plain_float};
use std::cell::Cell;

/// Prints values of one session.
pub(crate) struct Printer<'d> {
    pub(crate) data: &'d dyn Data,
    /// Whether something was left out because it nests too deeply.
    too_deep: Cell<bool>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
}

/// Wider fields than this are refused by Go as well.
const MAX_WIDTH: usize = 1_000_000;

/// The text of what has a `String` method.
pub(crate) fn stringer(val: &Val<'_>) -> Option<Vec<u8>> {
    match val {
        Val::Url(url) => Some(url.to_string().into_bytes()),
        Val::NilUrl => Some(b"<nil>".to_vec()),
        Val::User(user) => Some(user.as_ref().map_or_else(Vec::new, |url| {
            url.user
                .as_ref()
                .map_or_else(Vec::new, |user| user.to_string().into_bytes())
        })),
        Val::Time(time) => Some(time.to_string().into_bytes()),
        Val::Location(name) => Some(name.as_bytes().to_vec()),
        Val::Version(version) => Some(version.to_string().into_bytes()),
        Val::Int(IntType::Duration, n) => Some(super::time::duration_text(*n).into_bytes()),
        Val::Int(IntType::Month, n) => Some(super::time::month_name(*n).into_bytes()),
        Val::Int(IntType::Weekday, n) => Some(super::time::weekday_name(*n).into_bytes()),
        _ => None,
    }
}

impl<'d> Printer<'d> {
    pub(crate) fn new(data: &'d dyn Data) -> Printer<'d> {
        Printer {
            data,
            too_deep: Cell::new(false),
        }
    }
}

impl Printer<'_> {
    /// Whether something printed so far was left out because it nests too deeply.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.too_deep.get()
    }

    /// As an action prints its value: `<no value>` for nil, the struct behind a pointer.
    pub(crate) fn action(&self, out: &mut Vec<u8>, val: &Val<'_>) {
        match val {
            Val::Nil => out.extend_from_slice(b"<no value>"),
            Val::NilUrl => out.extend_from_slice(b"<nil>"),
            Val::Session | Val::SessionCopy(_) => self.session(out, val, 'v', Flags::default()),
            other => self.plain(out, other),
        }
    }

    /// `%v`
    pub(crate) fn plain(&self, out: &mut Vec<u8>, val: &Val<'_>) {
        match val {
            Val::Str(text) => out.extend_from_slice(text.bytes()),
            Val::Float(x) => out.extend_from_slice(plain_float(*x).as_bytes()),
            other => self.value(out, other, 'v', Flags::default(), 0),
        }
    }

    pub(crate) fn text(&self, val: &Val<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.plain(&mut out, val);
        out
    }

    /// `fmt.Sprint`: spaces between operands of which neither is a string.
    pub(crate) fn sprint(&self, vals: &[Val<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut before_string = true;
        for (i, val) in vals.iter().enumerate() {
            let is_string = matches!(val, Val::Str(_));
            if i > 0 && !is_string && !before_string {
                out.push(b' ');
            }
            self.plain(&mut out, val);
            before_string = is_string;
        }
        out
    }

    /// `fmt.Sprintln`
    pub(crate) fn sprintln(&self, vals: &[Val<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, val) in vals.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            self.plain(&mut out, val);
        }
        out.push(b'\n');
        out
    }

    /// `fmt.Sprintf`. `None` where the result would be larger than `limit` bytes.
    pub(crate) fn sprintf(&self, format: &[u8], args: &[Val<'_>], limit: usize) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(format.len() + 16);
        let mut scan = Scan {
            format,
            at: 0,
            arg: 0,
            reordered: false,
        };
        while let Some(b) = scan.next() {
            if out.len() > limit {
                return None;
            }
            if b != b'%' {
                out.push(b);
                continue;
            }
            self.directive(&mut out, &mut scan, args);
        }
        if !scan.reordered && scan.arg < args.len() {
            out.extend_from_slice(b"%!(EXTRA ");
            for (i, arg) in args.iter().skip(scan.arg).enumerate() {
                if i > 0 {
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(arg.type_name().as_bytes());
                if !matches!(arg, Val::Nil) {
                    out.push(b'=');
                    self.value(&mut out, arg, 'v', Flags::default(), 0);
                }
            }
            out.push(b')');
        }
        (out.len() <= limit).then_some(out)
    }

    /// Behind a percent sign.
    fn directive(&self, out: &mut Vec<u8>, scan: &mut Scan<'_>, args: &[Val<'_>]) {
        let mut flags = Flags::default();
        let mut good = true;
        loop {
            match scan.peek() {
                Some(b'#') => flags.sharp = true,
                Some(b'0') => flags.zero = true,
                Some(b'+') => flags.plus = true,
                Some(b'-') => flags.minus = true,
                Some(b' ') => flags.space = true,
                _ => break,
            }
            scan.at += 1;
        }
        let mut indexed = scan.index(args.len(), &mut good);
        if scan.peek() == Some(b'*') {
            scan.at += 1;
            match scan.star(args) {
                Some(n) => {
                    flags.minus |= n < 0;
                    flags.width = Some(n.unsigned_abs() as usize);
                }
                None => out.extend_from_slice(b"%!(BADWIDTH)"),
            }
            indexed = false;
        } else {
            flags.width = scan.number();
            if indexed && flags.width.is_some() {
                good = false;
            }
        }
        if scan.peek() == Some(b'.') {
            scan.at += 1;
            if indexed {
                good = false;
            }
            indexed = scan.index(args.len(), &mut good);
            if scan.peek() == Some(b'*') {
                scan.at += 1;
                match scan.star(args) {
                    Some(n) if n >= 0 => flags.precision = Some(n as usize),
                    Some(_) => {}
                    None => out.extend_from_slice(b"%!(BADPREC)"),
                }
                indexed = false;
            } else {
                flags.precision = Some(scan.number().unwrap_or(0));
            }
        }
        if !indexed {
            scan.index(args.len(), &mut good);
        }
        let Some(verb) = scan.rune() else {
            out.extend_from_slice(b"%!(NOVERB)");
            return;
        };
        if verb == '%' {
            out.push(b'%');
            return;
        }
        if !good {
            bad(out, verb, b"(BADINDEX)");
            return;
        }
        let Some(arg) = args.get(scan.arg) else {
            bad(out, verb, b"(MISSING)");
            return;
        };
        scan.arg += 1;
        if verb == 'v' {
            flags.sharp_v = flags.sharp;
            flags.plus_v = flags.plus;
            flags.sharp = false;
            flags.plus = false;
        }
        self.argument(out, arg, verb, flags);
    }

    fn argument(&self, out: &mut Vec<u8>, arg: &Val<'_>, verb: char, flags: Flags) {
        match (arg, verb) {
            (_, 'T') => pad(out, arg.type_name().as_bytes(), flags),
            (_, 'p') => self.bad_verb(out, arg, verb),
            _ => self.value(out, arg, verb, flags, 0),
        }
    }

    fn bad_verb(&self, out: &mut Vec<u8>, arg: &Val<'_>, verb: char) {
        out.extend_from_slice(b"%!");
        push_char(out, verb);
        out.push(b'(');
        out.extend_from_slice(arg.type_name().as_bytes());
        if !matches!(arg, Val::Nil) {
            out.push(b'=');
            self.value(out, arg, 'v', Flags::default(), 0);
        }
        out.push(b')');
    }

    fn value(&self, out: &mut Vec<u8>, val: &Val<'_>, verb: char, flags: Flags, depth: usize) {
        if depth > MAX_NESTING {
            self.too_deep.set(true);
            return;
        }
        if !flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(text) = stringer(val)
        {
            if matches!(val, Val::NilUrl) {
                pad(out, &text, flags);
            } else {
                string(out, &text, verb, flags);
            }
            return;
        }
        match val {
            Val::Nil => self.nil(out, verb, flags, depth),
            Val::Bool(b) => match verb {
                't' | 'v' => pad(out, if *b { b"true" } else { b"false" }, flags),
                _ => self.bad_verb(out, val, verb),
            },
            Val::Int(kind, n) => {
                if !integer(out, *n, kind.unsigned(), verb, flags) {
                    self.bad_verb(out, val, verb);
                }
            }
            Val::Float(x) => {
                if !float(out, *x, verb, flags) {
                    self.bad_verb(out, val, verb);
                }
            }
            Val::Complex(re, im) => self.complex(out, val, (*re, *im), verb, flags),
            Val::Str(text) => {
                if !string(out, text.bytes(), verb, flags) {
                    self.bad_verb(out, val, verb);
                }
            }
            Val::List(_) | Val::JsonList(_) | Val::JsonStrings(_) => {
                self.list(out, val, verb, flags, depth);
            }
            Val::Map(_) | Val::JsonMap(_) | Val::Header(_) | Val::Multi(_) => {
                self.map(out, val, verb, flags, depth);
            }
            Val::Session | Val::SessionCopy(_) => {
                if depth == 0 {
                    out.push(b'&');
                }
                self.session(out, val, verb, flags);
            }
            Val::Context => self.context(out, verb, flags),
            Val::Url(_)
            | Val::NilUrl
            | Val::User(_)
            | Val::Time(_)
            | Val::Location(_)
            | Val::Version(_) => match stringer(val) {
                // `%#v` and `%d` would show Go's own structures; their text says more.
                Some(text) => pad(out, &text, flags),
                None => out.extend_from_slice(b"<nil>"),
            },
        }
    }

    fn nil(&self, out: &mut Vec<u8>, verb: char, flags: Flags, depth: usize) {
        match verb {
            'v' if flags.sharp_v && depth > 0 => out.extend_from_slice(b"interface {}(nil)"),
            'v' => pad(out, b"<nil>", flags),
            _ if depth > 0 => out.extend_from_slice(b"<nil>"),
            _ => {
                out.extend_from_slice(b"%!");
                push_char(out, verb);
                out.extend_from_slice(b"(<nil>)");
            }
        }
    }

    fn complex(
        &self,
        out: &mut Vec<u8>,
        val: &Val<'_>,
        (re, im): (f64, f64),
        verb: char,
        flags: Flags,
    ) {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'f' | 'F' | 'e' | 'E' | 'x' | 'X'
        ) {
            return self.bad_verb(out, val, verb);
        }
        out.push(b'(');
        float(out, re, verb, flags);
        float(
            out,
            im,
            verb,
            Flags {
                plus: true,
                ..flags
            },
        );
        out.extend_from_slice(b"i)");
    }

    fn list(&self, out: &mut Vec<u8>, val: &Val<'_>, verb: char, flags: Flags, depth: usize) {
        let items = val.items().unwrap_or_default();
        let (open, between, close): (&[u8], &[u8], &[u8]) = if flags.sharp_v {
            out.extend_from_slice(val.type_name().as_bytes());
            if val.is_nil() {
                out.extend_from_slice(b"(nil)");
                return;
            }
            (b"{", b", ", b"}")
        } else {
            (b"[", b" ", b"]")
        };
        out.extend_from_slice(open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(between);
            }
            self.value(out, item, verb, flags, depth + 1);
        }
        out.extend_from_slice(close);
    }

    fn map(&self, out: &mut Vec<u8>, val: &Val<'_>, verb: char, flags: Flags, depth: usize) {
        let (open, between, close): (&[u8], &[u8], &[u8]) = if flags.sharp_v {
            out.extend_from_slice(val.type_name().as_bytes());
            if val.is_nil() {
                out.extend_from_slice(b"(nil)");
                return;
            }
            (b"{", b", ", b"}")
        } else {
            (b"map[", b" ", b"]")
        };
        out.extend_from_slice(open);
        for (i, (name, value)) in val.entries().unwrap_or_default().iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(between);
            }
            self.value(out, name, verb, flags, depth + 1);
            out.push(b':');
            self.value(out, value, verb, flags, depth + 1);
        }
        out.extend_from_slice(close);
    }

    /// One field of a struct, with its name where that is asked for.
    fn field(&self, out: &mut Vec<u8>, name: &str, val: &Val<'_>, verb: char, flags: Flags) {
        if !out.ends_with(b"{") {
            out.extend_from_slice(if flags.sharp_v { b", " } else { b" " });
        }
        if flags.plus_v || flags.sharp_v {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
        }
        self.value(out, val, verb, flags, 1);
    }

    fn session(&self, out: &mut Vec<u8>, val: &Val<'_>, verb: char, flags: Flags) {
        if flags.sharp_v {
            out.extend_from_slice(b"authn.AuthenticationSession");
        }
        out.push(b'{');
        let subject = Val::borrowed(self.data.subject());
        self.field(out, "Subject", &subject, verb, flags);
        match val {
            Val::SessionCopy(copy) => self.field(out, "Extra", &copy.extra, verb, flags),
            _ => self.field(out, "Extra", &Val::JsonMap(self.data.extra()), verb, flags),
        }
        let header = Val::Multi(self.data.header().into());
        self.field(out, "Header", &header, verb, flags);
        self.field(out, "MatchContext", &Val::Context, verb, flags);
        out.push(b'}');
    }

    fn context(&self, out: &mut Vec<u8>, verb: char, flags: Flags) {
        if flags.sharp_v {
            out.extend_from_slice(b"authn.MatchContext");
        }
        out.push(b'{');
        for (name, val) in context_fields(self.data) {
            self.field(out, name, &val, verb, flags);
        }
        out.push(b'}');
    }
}

/// `.MatchContext` taken apart.
pub(crate) fn context_fields(data: &dyn Data) -> [(&'static str, Val<'_>); 4] {
    [
        ("RegexpCaptureGroups", Val::JsonStrings(data.groups())),
        (
            "URL",
            data.url().map_or(Val::NilUrl, |url| Val::Url(url.into())),
        ),
        ("Method", Val::borrowed(data.method())),
        (
            "Header",
            data.request_header()
                .map_or_else(|| Val::Multi(Multi::nil_header().into()), Val::Header),
        ),
    ]
}

fn bad(out: &mut Vec<u8>, verb: char, why: &[u8]) {
    out.extend_from_slice(b"%!");
    push_char(out, verb);
    out.extend_from_slice(why);
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Pads to the width, counted in characters.
fn pad(out: &mut Vec<u8>, text: &[u8], flags: Flags) {
    let count = flags.width.map_or(0, |width| {
        width.saturating_sub(super::val::lossy(text).chars().count())
    });
    if flags.minus {
        out.extend_from_slice(text);
        out.extend(std::iter::repeat_n(b' ', count));
    } else {
        let fill = if flags.zero { b'0' } else { b' ' };
        out.extend(std::iter::repeat_n(fill, count));
        out.extend_from_slice(text);
    }
}

/// Whether the verb fits a string.
fn string(out: &mut Vec<u8>, text: &[u8], verb: char, flags: Flags) -> bool {
    let cut;
    let text = match flags.precision {
        Some(limit) if verb != 'x' && verb != 'X' => {
            cut = truncate(text, limit);
            cut
        }
        _ => text,
    };
    match verb {
        'v' if flags.sharp_v => quoted(out, text, flags),
        'v' | 's' => pad(out, text, flags),
        'q' => quoted(out, text, flags),
        'x' | 'X' => hex(out, text, verb, flags),
        _ => return false,
    }
    true
}

fn truncate(text: &[u8], limit: usize) -> &[u8] {
    let mut at = 0;
    for _ in 0..limit {
        let rest = text.get(at..).unwrap_or_default();
        match quote::decode(rest) {
            Some((_, size)) => at += size,
            None => return text,
        }
    }
    text.get(..at).unwrap_or(text)
}

fn quoted(out: &mut Vec<u8>, text: &[u8], flags: Flags) {
    let can_back_quote = flags.sharp
        && std::str::from_utf8(text).is_ok_and(|text| {
            !text
                .chars()
                .any(|c| c == '`' || c == '\u{feff}' || (c != '\t' && (c < ' ' || c == '\u{7f}')))
        });
    let text = if can_back_quote {
        [b"`", text, b"`"].concat()
    } else if flags.plus {
        quote_ascii(text).into_bytes()
    } else {
        quote(text).into_bytes()
    };
    pad(out, &text, flags);
}

fn hex(out: &mut Vec<u8>, text: &[u8], verb: char, flags: Flags) {
    let limit = flags.precision.unwrap_or(text.len());
    let mut made = String::new();
    for (i, b) in text.iter().take(limit).enumerate() {
        if flags.space && i > 0 {
            made.push(' ');
        }
        if flags.sharp && (flags.space || i == 0) {
            made.push_str(if verb == 'x' { "0x" } else { "0X" });
        }
        made.push_str(&if verb == 'x' {
            format!("{b:02x}")
        } else {
            format!("{b:02X}")
        });
    }
    pad(
        out,
        made.as_bytes(),
        Flags {
            zero: false,
            ..flags
        },
    );
}

/// Whether the verb fits an integer.
fn integer(out: &mut Vec<u8>, n: i64, unsigned: bool, verb: char, flags: Flags) -> bool {
    let (negative, size) = if unsigned {
        (false, n as u64)
    } else {
        (n < 0, n.unsigned_abs())
    };
    let digits = match verb {
        'v' if flags.sharp_v && unsigned => format!("{size:x}"),
        'v' | 'd' => size.to_string(),
        'b' => format!("{size:b}"),
        'o' | 'O' => format!("{size:o}"),
        'x' => format!("{size:x}"),
        'X' => format!("{size:X}"),
        'c' => {
            pad(out, rune(size, negative).to_string().as_bytes(), flags);
            return true;
        }
        'q' => {
            let text = quote_rune(rune(size, negative), flags.plus);
            pad(out, text.as_bytes(), flags);
            return true;
        }
        'U' => {
            let mut text = format!("U+{size:04X}");
            if flags.sharp
                && let Some(c) = u32::try_from(size).ok().and_then(char::from_u32)
                && quote::is_print(c)
            {
                text.push_str(&format!(" '{c}'"));
            }
            pad(
                out,
                text.as_bytes(),
                Flags {
                    zero: false,
                    ..flags
                },
            );
            return true;
        }
        _ => return false,
    };
    let mut digits = digits;
    if flags.precision == Some(0) && size == 0 {
        let zero = Flags {
            zero: false,
            ..flags
        };
        pad(out, b"", zero);
        return true;
    }
    let mut wanted = flags.precision.unwrap_or(0);
    if flags.zero && !flags.minus && flags.precision.is_none() {
        let sign = usize::from(negative || flags.plus || flags.space);
        wanted = flags.width.unwrap_or(0).saturating_sub(sign);
    }
    while digits.len() < wanted {
        digits.insert(0, '0');
    }
    let prefix = match verb {
        'v' if flags.sharp_v && unsigned => "0x",
        'O' => "0o",
        'b' if flags.sharp => "0b",
        'o' if flags.sharp && !digits.starts_with('0') => "0",
        'x' if flags.sharp => "0x",
        'X' if flags.sharp => "0X",
        _ => "",
    };
    let sign = match (negative, flags.plus, flags.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let text = format!("{sign}{prefix}{digits}");
    pad(
        out,
        text.as_bytes(),
        Flags {
            zero: false,
            ..flags
        },
    );
    true
}

fn rune(size: u64, negative: bool) -> char {
    u32::try_from(size)
        .ok()
        .filter(|_| !negative)
        .and_then(char::from_u32)
        .unwrap_or('\u{fffd}')
}

/// Whether the verb fits a double.
fn float(out: &mut Vec<u8>, x: f64, verb: char, flags: Flags) -> bool {
    let (form, precision, upper) = match verb {
        'v' => (FloatForm::General, flags.precision, false),
        'g' => (FloatForm::General, flags.precision, false),
        'G' => (FloatForm::General, flags.precision, true),
        'e' => (FloatForm::Exponent, flags.precision.or(Some(6)), false),
        'E' => (FloatForm::Exponent, flags.precision.or(Some(6)), true),
        'f' | 'F' => (FloatForm::Fixed, flags.precision.or(Some(6)), false),
        'b' | 'x' | 'X' => {
            let text = binary_float(x, verb, flags.precision);
            pad(out, text.as_bytes(), flags);
            return true;
        }
        _ => return false,
    };
    let precision = precision.map(|p| p.min(2_000));
    let mut text = float_text(x, form, precision);
    if upper {
        text = text.replace('e', "E");
    }
    if !text.starts_with(['-', '+']) {
        text.insert(0, '+');
    }
    if flags.sharp && x.is_finite() {
        text = with_point(&text, form, precision);
    }
    if flags.space && text.starts_with('+') && !flags.plus {
        text.replace_range(..1, " ");
    }
    let special = !x.is_finite();
    if special {
        if x.is_nan() && !flags.space && !flags.plus {
            text.remove(0);
        }
        let keep = x.is_nan() || flags.plus || flags.space || !text.starts_with('+');
        let text = if keep { text.as_str() } else { &text };
        pad(
            out,
            text.as_bytes(),
            Flags {
                zero: false,
                ..flags
            },
        );
        return true;
    }
    if !flags.plus && text.starts_with('+') {
        text.remove(0);
        pad(out, text.as_bytes(), flags);
        return true;
    }
    match flags.width {
        Some(width) if flags.zero && !flags.minus && width > text.len() => {
            let (sign, digits) = text.split_at(1);
            out.extend_from_slice(sign.as_bytes());
            out.extend(std::iter::repeat_n(b'0', width - text.len()));
            out.extend_from_slice(digits.as_bytes());
        }
        _ => pad(out, text.as_bytes(), flags),
    }
    true
}

/// `#`: a decimal point always, and for `%g` all digits of the precision.
fn with_point(text: &str, form: FloatForm, precision: Option<usize>) -> String {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut mantissa = mantissa.to_owned();
    if !mantissa.contains('.') {
        mantissa.push('.');
    }
    if form == FloatForm::General {
        let wanted = precision.unwrap_or(6);
        let count = |m: &str| {
            m.chars()
                .filter(char::is_ascii_digit)
                .skip_while(|c| *c == '0')
                .count()
        };
        while count(&mantissa) < wanted && mantissa.len() < wanted + 24 {
            mantissa.push('0');
        }
    }
    mantissa + exponent
}

/// `%b` and `%x`: the exact binary value.
fn binary_float(x: f64, verb: char, precision: Option<usize>) -> String {
    let bits = x.to_bits();
    let sign = if x.is_sign_negative() { "-" } else { "" };
    let raw = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = if raw == 0 {
        (fraction, -1074)
    } else {
        (fraction | (1 << 52), raw - 1075)
    };
    if verb == 'b' {
        return format!("{sign}{mantissa}p{exponent:+}");
    }
    let (lead, digits, power) = if mantissa == 0 {
        (0, 0, 0)
    } else {
        let shift = mantissa.leading_zeros() - 11;
        let normal = mantissa << shift;
        (1u64, normal & ((1 << 52) - 1), exponent + 52 - shift as i32)
    };
    let mut lead = lead;
    let mut digits = digits;
    let mut text = match precision {
        Some(places) if places < 13 => {
            let drop = (13 - places) * 4;
            let half = 1u64 << (drop - 1);
            let rest = digits & ((1 << drop) - 1);
            let mut all = (lead << 52 | digits) >> drop;
            if rest > half || (rest == half && all & 1 == 1) {
                all += 1;
            }
            all <<= drop;
            lead = all >> 52;
            digits = all & ((1 << 52) - 1);
            let full = format!("{digits:013x}");
            full.get(..places).unwrap_or_default().to_owned()
        }
        Some(places) => format!("{digits:013x}{}", "0".repeat(places.min(2_000) - 13)),
        None => format!("{digits:013x}").trim_end_matches('0').to_owned(),
    };
    if !text.is_empty() {
        text.insert(0, '.');
    }
    let made = format!("{sign}0x{lead}{text}p{power:+03}");
    if verb == 'X' {
        made.to_uppercase()
    } else {
        made
    }
}

/// A format being read.
struct Scan<'f> {
    format: &'f [u8],
    at: usize,
    arg: usize,
    reordered: bool,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let b = self.peek()?;
        self.at += 1;
        Some(b)
    }

    fn rune(&mut self) -> Option<char> {
        let (c, size) = quote::decode(self.format.get(self.at..).unwrap_or_default())?;
        self.at += size;
        Some(c)
    }

    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        let mut n = 0usize;
        while let Some(b @ b'0'..=b'9') = self.peek() {
            n = (n * 10 + usize::from(b - b'0')).min(MAX_WIDTH);
            self.at += 1;
        }
        (self.at > start).then_some(n)
    }

    /// `[n]`: which argument is next. Whether there was one.
    fn index(&mut self, count: usize, good: &mut bool) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = self.format.get(self.at..).unwrap_or_default();
        let Some(close) = rest.iter().position(|&b| b == b']') else {
            *good = false;
            self.at += 1;
            return false;
        };
        let inside = rest.get(1..close).unwrap_or_default();
        let n = std::str::from_utf8(inside)
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        self.at += close + 1;
        match n {
            Some(n) if n >= 1 && n <= count => {
                self.arg = n - 1;
                true
            }
            _ => {
                *good = false;
                true
            }
        }
    }

    /// `*`: a width or precision from the arguments.
    fn star(&mut self, args: &[Val<'_>]) -> Option<i64> {
        let arg = args.get(self.arg)?;
        self.arg += 1;
        match arg {
            Val::Int(_, n) if n.unsigned_abs() as usize <= MAX_WIDTH => Some(*n),
            _ => None,
        }
    }
}

impl<'a> From<String> for Str<'a> {
    fn from(text: String) -> Str<'a> {
        Str::Owned(text.into_bytes().into())
    }
}
