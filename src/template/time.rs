//! Go's `time`: moments, layouts and durations.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime, civil};
use std::fmt;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A moment in a zone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Time {
    pub(crate) zoned: ZonedDateTime,
}

pub(crate) fn month_name(n: i64) -> String {
    named(&MONTHS, n - 1).map_or_else(|| format!("%!Month({n})"), str::to_owned)
}

pub(crate) fn weekday_name(n: i64) -> String {
    named(&DAYS, n).map_or_else(|| format!("%!Weekday({n})"), str::to_owned)
}

fn named(names: &[&'static str], index: i64) -> Option<&'static str> {
    usize::try_from(index)
        .ok()
        .and_then(|i| names.get(i))
        .copied()
}

/// The zone of a name, as `time.LoadLocation` finds it.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    match name {
        "" | "UTC" => Some(TimeZone::UTC),
        "Local" => Some(local()),
        name if name.contains("..") || name.starts_with('/') || name.contains('\\') => None,
        name => TimeZone::get(name).ok(),
    }
}

pub(crate) fn local() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

impl Time {
    pub(crate) fn now() -> Time {
        Time {
            zoned: Timestamp::now().to_zoned_datetime(local()),
        }
    }

    /// Go's zero time.
    pub(crate) fn zero() -> Time {
        let start = civil::date(1, 1, 1).at(0, 0, 0, 0);
        let zoned = start.to_zoned_datetime(TimeZone::UTC);
        Time {
            zoned: zoned.unwrap_or_else(|_| Timestamp::MIN.to_zoned_datetime(TimeZone::UTC)),
        }
    }

    /// `None` outside of the years that can be shown.
    pub(crate) fn unix(seconds: i64, zone: TimeZone) -> Option<Time> {
        Timestamp::from_second(seconds).ok().map(|t| Time {
            zoned: t.to_zoned_datetime(zone),
        })
    }

    pub(crate) fn nanos(&self) -> i128 {
        self.zoned.timestamp().as_nanosecond()
    }

    pub(crate) fn from_nanos(nanos: i128, zone: TimeZone) -> Option<Time> {
        Timestamp::from_nanosecond(nanos).ok().map(|t| Time {
            zoned: t.to_zoned_datetime(zone),
        })
    }

    pub(crate) fn add(&self, nanos: i64) -> Option<Time> {
        Time::from_nanos(
            self.nanos() + i128::from(nanos),
            self.zoned.time_zone().clone(),
        )
    }

    pub(crate) fn within(&self, zone: TimeZone) -> Time {
        Time {
            zoned: self.zoned.with_time_zone(zone),
        }
    }

    /// The zone's short name, and its offset in seconds.
    fn zone_name(&self) -> (String, i32) {
        let info = self
            .zoned
            .time_zone()
            .to_offset_info(self.zoned.timestamp());
        (
            info.abbreviation().to_owned(),
            self.zoned.offset().seconds(),
        )
    }

    pub(crate) fn format(&self, layout: &str) -> String {
        let mut out = String::new();
        let mut rest = layout;
        loop {
            let (before, std, after) = next_std(rest);
            out.push_str(before);
            let Some(std) = std else {
                return out;
            };
            self.append(&mut out, std);
            rest = after;
        }
    }

    fn append(&self, out: &mut String, std: Std) {
        let z = &self.zoned;
        let hour12 = match z.hour() % 12 {
            0 => 12,
            hour => hour,
        };
        let pm = z.hour() >= 12;
        match std {
            Std::LongMonth => out.push_str(&month_name(i64::from(z.month()))),
            Std::Month => out.extend(month_name(i64::from(z.month())).chars().take(3)),
            Std::NumMonth => out.push_str(&z.month().to_string()),
            Std::ZeroMonth => out.push_str(&format!("{:02}", z.month())),
            Std::LongWeekday => out.push_str(&weekday_name(self.weekday())),
            Std::Weekday => out.extend(weekday_name(self.weekday()).chars().take(3)),
            Std::Day => out.push_str(&z.day().to_string()),
            Std::UnderDay => out.push_str(&format!("{:2}", z.day())),
            Std::ZeroDay => out.push_str(&format!("{:02}", z.day())),
            Std::UnderYearDay => out.push_str(&format!("{:3}", z.day_of_year())),
            Std::ZeroYearDay => out.push_str(&format!("{:03}", z.day_of_year())),
            Std::Hour => out.push_str(&format!("{:02}", z.hour())),
            Std::Hour12 => out.push_str(&hour12.to_string()),
            Std::ZeroHour12 => out.push_str(&format!("{hour12:02}")),
            Std::Minute => out.push_str(&z.minute().to_string()),
            Std::ZeroMinute => out.push_str(&format!("{:02}", z.minute())),
            Std::Second => out.push_str(&z.second().to_string()),
            Std::ZeroSecond => out.push_str(&format!("{:02}", z.second())),
            Std::LongYear if z.year() < 0 => out.push_str(&format!("-{:04}", -z.year())),
            Std::LongYear => out.push_str(&format!("{:04}", z.year())),
            Std::Year => out.push_str(&format!("{:02}", z.year().rem_euclid(100))),
            Std::Pm(upper) => out.push_str(match (pm, upper) {
                (true, true) => "PM",
                (false, true) => "AM",
                (true, false) => "pm",
                (false, false) => "am",
            }),
            Std::Zone(zone) => self.append_zone(out, zone),
            Std::Tz => {
                let (name, _) = self.zone_name();
                // Go shows an offset where a zone has no letters for a name.
                out.push_str(&name);
            }
            Std::Fraction {
                digits,
                trim,
                point,
            } => {
                let nanos = format!("{:09}", z.subsec_nanosecond());
                let mut text: String = nanos.chars().take(digits).collect();
                if trim {
                    text.truncate(text.trim_end_matches('0').len());
                    if text.is_empty() {
                        return;
                    }
                }
                out.push(point);
                out.push_str(&text);
            }
        }
    }

    fn append_zone(&self, out: &mut String, zone: Zone) {
        let (_, offset) = self.zone_name();
        if zone.iso && offset == 0 {
            out.push('Z');
            return;
        }
        let size = offset.unsigned_abs();
        out.push(if offset < 0 { '-' } else { '+' });
        out.push_str(&format!("{:02}", size / 3600));
        if zone.fields >= 2 {
            if zone.colon {
                out.push(':');
            }
            out.push_str(&format!("{:02}", size / 60 % 60));
        }
        if zone.fields >= 3 {
            if zone.colon {
                out.push(':');
            }
            out.push_str(&format!("{:02}", size % 60));
        }
    }

    /// From 0 for Sunday.
    pub(crate) fn weekday(&self) -> i64 {
        i64::from(self.zoned.weekday().to_sunday_zero_offset())
    }

    /// As `encoding/json` writes it.
    pub(crate) fn json(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }

    /// `time.ParseInLocation`; zones that the text names but that are unknown count as UTC offsets of zero, as in Go.
    pub(crate) fn parse(layout: &str, text: &str, zone: TimeZone) -> Option<Time> {
        parse(layout, text, zone)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Zone {
    /// `Z07:00` rather than `-07:00`.
    iso: bool,
    colon: bool,
    /// Hours, minutes, seconds.
    fields: u8,
}

/// The elements of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Std {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    Pm(bool),
    Tz,
    Zone(Zone),
    Fraction {
        digits: usize,
        trim: bool,
        point: char,
    },
}

/// Longest first where one begins with the other.
const FIXED: &[(&str, Std)] = &[
    ("January", Std::LongMonth),
    ("Monday", Std::LongWeekday),
    ("MST", Std::Tz),
    ("2006", Std::LongYear),
    ("_2006", Std::LongYear),
    ("__2", Std::UnderYearDay),
    ("002", Std::ZeroYearDay),
    ("01", Std::ZeroMonth),
    ("02", Std::ZeroDay),
    ("03", Std::ZeroHour12),
    ("04", Std::ZeroMinute),
    ("05", Std::ZeroSecond),
    ("06", Std::Year),
    ("15", Std::Hour),
    ("_2", Std::UnderDay),
    ("PM", Std::Pm(true)),
    ("pm", Std::Pm(false)),
    ("1", Std::NumMonth),
    ("2", Std::Day),
    ("3", Std::Hour12),
    ("4", Std::Minute),
    ("5", Std::Second),
];

const ZONES: &[(&str, bool, u8)] = &[
    ("07:00:00", true, 3),
    ("070000", false, 3),
    ("07:00", true, 2),
    ("0700", false, 2),
    ("07", false, 1),
];

/// The first element of a layout, with what stands before and behind it.
fn next_std(layout: &str) -> (&str, Option<Std>, &str) {
    for (at, _) in layout.char_indices() {
        let (before, rest) = layout.split_at(at);
        let lower_follows = |name: &str| {
            rest.get(name.len()..)
                .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        if rest.starts_with("_2006") {
            // The underscore is text.
            return (
                layout.get(..=at).unwrap_or(before),
                Some(Std::LongYear),
                rest.get(5..).unwrap_or_default(),
            );
        }
        for (name, std) in FIXED {
            if let Some(after) = rest.strip_prefix(name) {
                return (before, Some(*std), after);
            }
        }
        if rest.starts_with("Jan") && !lower_follows("Jan") {
            return (before, Some(Std::Month), rest.get(3..).unwrap_or_default());
        }
        if rest.starts_with("Mon") && !lower_follows("Mon") {
            return (
                before,
                Some(Std::Weekday),
                rest.get(3..).unwrap_or_default(),
            );
        }
        if let Some(zone) = rest.strip_prefix(['-', 'Z']) {
            let iso = rest.starts_with('Z');
            for (name, colon, fields) in ZONES {
                if let Some(after) = zone.strip_prefix(name) {
                    let zone = Zone {
                        iso,
                        colon: *colon,
                        fields: *fields,
                    };
                    return (before, Some(Std::Zone(zone)), after);
                }
            }
        }
        if let Some(fraction) = rest.strip_prefix(['.', ',']) {
            let digit = fraction.chars().next();
            if let Some(c @ ('0' | '9')) = digit {
                let after = fraction.trim_start_matches(c);
                if !after.starts_with(|c: char| c.is_ascii_digit()) {
                    let std = Std::Fraction {
                        digits: (fraction.len() - after.len()).min(9),
                        trim: c == '9',
                        point: if rest.starts_with('.') { '.' } else { ',' },
                    };
                    return (before, Some(std), after);
                }
            }
        }
    }
    (layout, None, "")
}

/// What a text said so far.
struct Parsed {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    year_day: Option<i16>,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    pm: Option<bool>,
    offset: Option<i32>,
    zone_name: Option<String>,
}

fn parse(layout: &str, text: &str, zone: TimeZone) -> Option<Time> {
    let mut parsed = Parsed {
        year: 0,
        month: None,
        day: None,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        pm: None,
        offset: None,
        zone_name: None,
    };
    let mut layout = layout;
    let mut text = text;
    loop {
        let (before, std, after) = next_std(layout);
        text = skip(text, before)?;
        let Some(std) = std else {
            return if text.is_empty() {
                parsed.finish(zone)
            } else {
                None
            };
        };
        layout = after;
        text = parsed.take(std, text, layout)?;
    }
}

/// Literal text; a space in the layout stands for any number of them.
fn skip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let mut text = text;
    let mut prefix = prefix;
    while let Some(c) = prefix.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            prefix = prefix.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c)?;
        prefix = prefix.strip_prefix(c)?;
    }
    Some(text)
}

/// One or two digits, exactly two if `fixed`.
fn two(text: &str, fixed: bool) -> Option<(i8, &str)> {
    let count = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if count == 0 || (fixed && count < 2) {
        return None;
    }
    let (digits, rest) = text.split_at(count);
    digits.parse().ok().map(|n| (n, rest))
}

fn exactly(text: &str, count: usize) -> Option<(i32, &str)> {
    let digits = text.get(..count)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, text.get(count..)?))
}

fn name_in<'t>(text: &'t str, names: &[&str], length: Option<usize>) -> Option<(usize, &'t str)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let wanted = length.map_or(*name, |n| name.get(..n).unwrap_or(name));
        let found = text.get(..wanted.len())?;
        let rest = text.get(wanted.len()..)?;
        found.eq_ignore_ascii_case(wanted).then_some((i, rest))
    })
}

impl Parsed {
    fn take<'t>(&mut self, std: Std, text: &'t str, layout: &str) -> Option<&'t str> {
        let rest = match std {
            Std::Year => {
                let (n, rest) = two(text, true)?;
                self.year = i16::from(n) + if n >= 69 { 1900 } else { 2000 };
                rest
            }
            Std::LongYear => {
                let (n, rest) = exactly(text, 4)?;
                self.year = i16::try_from(n).ok()?;
                rest
            }
            Std::Month => {
                let (i, rest) = name_in(text, &MONTHS, Some(3))?;
                self.month = i8::try_from(i + 1).ok();
                rest
            }
            Std::LongMonth => {
                let (i, rest) = name_in(text, &MONTHS, None)?;
                self.month = i8::try_from(i + 1).ok();
                rest
            }
            Std::NumMonth | Std::ZeroMonth => {
                let (n, rest) = two(text, std == Std::ZeroMonth)?;
                self.month = Some(n).filter(|n| (1..=12).contains(n));
                self.month?;
                rest
            }
            Std::Weekday => name_in(text, &DAYS, Some(3))?.1,
            Std::LongWeekday => name_in(text, &DAYS, None)?.1,
            Std::Day | Std::UnderDay | Std::ZeroDay => {
                let text = match std {
                    Std::UnderDay => text.strip_prefix(' ').unwrap_or(text),
                    _ => text,
                };
                let (n, rest) = two(text, std == Std::ZeroDay)?;
                self.day = Some(n);
                rest
            }
            Std::UnderYearDay | Std::ZeroYearDay => {
                let padded = text.trim_start_matches(' ');
                let spaces = text.len() - padded.len();
                if spaces > 2 || (spaces > 0 && std == Std::ZeroYearDay) {
                    return None;
                }
                let (n, rest) = exactly(padded, 3 - spaces)?;
                self.year_day = i16::try_from(n).ok();
                rest
            }
            Std::Hour => {
                let (n, rest) = two(text, false)?;
                self.hour = n;
                rest
            }
            Std::Hour12 | Std::ZeroHour12 => {
                let (n, rest) = two(text, std == Std::ZeroHour12)?;
                self.hour = n;
                if !(0..=12).contains(&n) {
                    return None;
                }
                rest
            }
            Std::Minute | Std::ZeroMinute => {
                let (n, rest) = two(text, std == Std::ZeroMinute)?;
                self.minute = n;
                rest
            }
            Std::Second | Std::ZeroSecond => {
                let (n, rest) = two(text, std == Std::ZeroSecond)?;
                self.second = n;
                self.take_fraction(rest, layout)?
            }
            Std::Pm(upper) => {
                let (am, pm) = if upper { ("AM", "PM") } else { ("am", "pm") };
                let (is_pm, rest) = match (text.strip_prefix(pm), text.strip_prefix(am)) {
                    (Some(rest), _) => (true, rest),
                    (None, Some(rest)) => (false, rest),
                    (None, None) => return None,
                };
                self.pm = Some(is_pm);
                rest
            }
            Std::Zone(zone) => self.take_zone(zone, text)?,
            Std::Tz => self.take_zone_name(text)?,
            Std::Fraction { digits, trim, .. } => {
                if trim {
                    match text.strip_prefix(['.', ',']) {
                        Some(after) if after.starts_with(|c: char| c.is_ascii_digit()) => {
                            self.fraction(after)?
                        }
                        _ => text,
                    }
                } else {
                    let after = text.strip_prefix(['.', ','])?;
                    let (found, rest) = (after.get(..digits)?, after.get(digits..)?);
                    if !found.bytes().all(|b| b.is_ascii_digit()) {
                        return None;
                    }
                    self.fraction(found)?;
                    rest
                }
            }
        };
        Some(rest)
    }

    /// A fraction behind seconds is taken even where the layout names none.
    fn take_fraction<'t>(&mut self, text: &'t str, layout: &str) -> Option<&'t str> {
        let (before, std, _) = next_std(layout);
        if before.is_empty() && matches!(std, Some(Std::Fraction { .. })) {
            return Some(text);
        }
        match text.strip_prefix(['.', ',']) {
            Some(after) if after.starts_with(|c: char| c.is_ascii_digit()) => self.fraction(after),
            _ => Some(text),
        }
    }

    fn fraction<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let count = text.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = text.split_at(count);
        let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
        self.nanos = nine.parse().ok()?;
        Some(rest)
    }

    fn take_zone<'t>(&mut self, zone: Zone, text: &'t str) -> Option<&'t str> {
        if zone.iso
            && let Some(rest) = text.strip_prefix('Z')
        {
            self.offset = Some(0);
            return Some(rest);
        }
        let sign = match text.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let mut rest = text.get(1..)?;
        let mut offset = 0;
        for (field, unit) in (0..zone.fields).zip([3600, 60, 1]) {
            if field > 0 && zone.colon {
                rest = rest.strip_prefix(':')?;
            }
            let (n, after) = exactly(rest, 2)?;
            if n > if field == 0 { 24 } else { 60 } {
                return None;
            }
            offset += n * unit;
            rest = after;
        }
        self.offset = Some(sign * offset);
        Some(rest)
    }

    fn take_zone_name<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let count = text.bytes().take_while(|b| b.is_ascii_uppercase()).count();
        if text.starts_with("UTC") {
            self.offset = Some(0);
            return text.get(3..);
        }
        if !(3..=5).contains(&count) {
            return None;
        }
        let (name, rest) = text.split_at(count);
        self.zone_name = Some(name.to_owned());
        Some(rest)
    }

    fn finish(mut self, zone: TimeZone) -> Option<Time> {
        match self.pm {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let time = civil::Time::new(self.hour, self.minute, self.second, self.nanos).ok()?;
        let date = match self.year_day {
            Some(n) => {
                let date = civil::date(self.year, 1, 1);
                let date = date.with().day_of_year(n).build().ok()?;
                let fits = self.month.is_none_or(|m| m == date.month())
                    && self.day.is_none_or(|d| d == date.day());
                if !fits {
                    return None;
                }
                date
            }
            None => {
                civil::Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok()?
            }
        };
        let zone = match (self.offset, self.zone_name) {
            (Some(0), _) => TimeZone::UTC,
            (Some(offset), _) => TimeZone::fixed(jiff::tz::Offset::from_seconds(offset).ok()?),
            (None, Some(_)) => TimeZone::UTC,
            (None, None) => zone,
        };
        date.to_datetime(time)
            .to_zoned_datetime(zone)
            .ok()
            .map(|zoned| Time { zoned })
    }
}

/// `time.Duration.String`
pub(crate) fn duration_text(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    if size == 0 {
        return "0s".to_owned();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let (unit, name, places) = match size {
        0..=999 => return format!("{sign}{size}ns"),
        1_000..=999_999 => (1_000, "µs", 3),
        1_000_000..=999_999_999 => (1_000_000, "ms", 6),
        _ => (1_000_000_000, "s", 9),
    };
    let fraction = |rest: u64, places: usize| {
        let digits = format!("{rest:0places$}");
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            String::new()
        } else {
            format!(".{digits}")
        }
    };
    if name != "s" {
        return format!(
            "{sign}{}{}{name}",
            size / unit,
            fraction(size % unit, places)
        );
    }
    let seconds = size / unit;
    let tail = format!("{}{}s", seconds % 60, fraction(size % unit, 9));
    match seconds / 60 {
        0 => format!("{sign}{tail}"),
        minutes @ 1..60 => format!("{sign}{minutes}m{tail}"),
        minutes => format!("{sign}{}h{}m{tail}", minutes / 60, minutes % 60),
    }
}
