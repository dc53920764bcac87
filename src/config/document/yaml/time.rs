//! The timestamps of Go's YAML.

use jiff::civil::Date;

/// A moment as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timestamp {
    date: Date,
    /// Hour, minute, second.
    clock: (u8, u8, u8),
    /// Digits of the fraction, without zeros at the end.
    fraction: String,
    /// `Z` or `+hh:mm`.
    zone: String,
}

impl Timestamp {
    /// As Go encodes a time in JSON.
    pub(super) fn rfc3339(&self) -> String {
        let (hour, minute, second) = self.clock;
        format!(
            "{}T{hour:02}:{minute:02}:{second:02}{}{}",
            self.date,
            self.fraction(),
            self.zone
        )
    }

    /// As Go prints a time: `2024-01-01 00:00:00 +0000 UTC`.
    pub(super) fn printed(&self) -> String {
        let (hour, minute, second) = self.clock;
        let zone = match self.zone.as_str() {
            "Z" => "+0000 UTC".to_owned(),
            zone => format!("{0} {0}", zone.replace(':', "")),
        };
        format!(
            "{} {hour:02}:{minute:02}:{second:02}{} {zone}",
            self.date,
            self.fraction()
        )
    }

    fn fraction(&self) -> String {
        if self.fraction.is_empty() {
            String::new()
        } else {
            format!(".{}", self.fraction)
        }
    }
}

/// `2024-1-2`, `2024-1-2T3:4:5.6Z` with a zone, `2024-1-2 3:4:5.6` without one.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (year, rest) = text.split_once('-')?;
    if year.len() != 4 {
        return None;
    }
    let (month, rest) = short(rest)?;
    let (day, rest) = short(rest.strip_prefix('-')?)?;
    let date = Date::new(
        whole(year)?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()?;
    let mut time = Timestamp {
        date,
        clock: (0, 0, 0),
        fraction: String::new(),
        zone: "Z".to_owned(),
    };
    if rest.is_empty() {
        return Some(time);
    }
    let with_zone = rest.starts_with(['T', 't']);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let rest = clock(rest, &mut time)?;
    match (with_zone, rest) {
        (true, "Z") | (false, "") => Some(time),
        (true, zone) => {
            time.zone = offset(zone)?;
            Some(time)
        }
        (false, _) => None,
    }
}

fn clock<'t>(text: &'t str, time: &mut Timestamp) -> Option<&'t str> {
    let (hour, rest) = short(text)?;
    let (minute, rest) = short(rest.strip_prefix(':')?)?;
    let (second, rest) = short(rest.strip_prefix(':')?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    time.clock = (hour, minute, second);
    let Some(after) = rest.strip_prefix('.') else {
        return Some(rest);
    };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, rest) = after.split_at_checked(digits)?;
    if fraction.is_empty() {
        return None;
    }
    let shown = fraction.get(..9).unwrap_or(fraction);
    time.fraction = shown.trim_end_matches('0').to_owned();
    Some(rest)
}

/// `+hh:mm`; none at all is written `Z`.
fn offset(zone: &str) -> Option<String> {
    let (hour, minute) = zone.strip_prefix(['+', '-'])?.split_once(':')?;
    let two = |text: &str, max: u8| text.len() == 2 && whole::<u8>(text).is_some_and(|n| n <= max);
    if !two(hour, 24) || !two(minute, 59) {
        return None;
    }
    if hour == "00" && minute == "00" {
        return Some("Z".to_owned());
    }
    Some(zone.to_owned())
}

/// One or two digits.
fn short(text: &str) -> Option<(u8, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    Some((whole(number)?, rest))
}

fn whole<T: std::str::FromStr>(digits: &str) -> Option<T> {
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}
