//! Sprig's dates. What is no date counts as now.

use super::Ty::{Any, String as Text, Time as Moment};
use super::{Args, Cx, Function};
use crate::template::fail::failf;
use crate::template::time::{Time, duration_text, local, zone};
use crate::template::val::{IntType, Res, Val};
use crate::value::parse_duration;
use jiff::tz::TimeZone;
use std::rc::Rc;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], |_, _| Ok(Val::Time(Rc::new(Time::now())))),
    Function::new("date", &[Text, Any], |cx, mut args| {
        let layout = args.text();
        shown(cx, &layout, &args.val(), "Local")
    }),
    Function::new("dateInZone", &[Text, Any, Text], |cx, mut args| {
        let layout = args.text();
        let date = args.val();
        shown(cx, &layout, &date, &args.text())
    }),
    Function::new("htmlDate", &[Any], |cx, mut args| {
        shown(cx, "2006-01-02", &args.val(), "Local")
    }),
    Function::new("htmlDateInZone", &[Any, Text], |cx, mut args| {
        let date = args.val();
        shown(cx, "2006-01-02", &date, &args.text())
    }),
    Function::new("dateModify", &[Text, Moment], |_, mut args| {
        let by = parse_duration(&args.text());
        let date = args.val();
        Ok(match by {
            Some(by) => moved(&date, by),
            None => date,
        })
    }),
    Function::new("mustDateModify", &[Text, Moment], |_, mut args| {
        let text = args.text();
        match parse_duration(&text) {
            Some(by) => Ok(moved(&args.val(), by)),
            None => failf(format!("not a duration: `{text}`")),
        }
    }),
    Function::new("toDate", &[Text, Text], |_, mut args| {
        let date = parsed(&mut args).unwrap_or_else(|_| Time::zero());
        Ok(Val::Time(Rc::new(date)))
    }),
    Function::new("mustToDate", &[Text, Text], |_, mut args| {
        Ok(Val::Time(Rc::new(parsed(&mut args)?)))
    }),
    Function::new("unixEpoch", &[Moment], |cx, mut args| {
        let seconds = match args.val() {
            Val::Time(time) => time.zoned.timestamp().as_second(),
            _ => 0,
        };
        cx.text(seconds.to_string())
    }),
    Function::new("ago", &[Any], |cx, mut args| {
        let then = moment(&args.val());
        let nanos = Time::now().nanos() - then.nanos();
        // Whole seconds, half of one rounded up.
        let seconds = (nanos + 500_000_000).div_euclid(1_000_000_000);
        let nanos = i64::try_from(seconds * 1_000_000_000).unwrap_or(i64::MAX);
        cx.text(duration_text(nanos))
    }),
    Function::new("duration", &[Any], |cx, mut args| {
        let seconds = match args.val() {
            Val::Str(text) => super::math::decimal_int(&text.lossy()),
            Val::Int(IntType::Int64, n) => n,
            _ => 0,
        };
        cx.text(duration_text(seconds.wrapping_mul(1_000_000_000)))
    }),
    Function::new("durationRound", &[Any], |cx, mut args| {
        let nanos = match args.val() {
            Val::Str(text) => parse_duration(&text.lossy()).unwrap_or(0),
            Val::Int(IntType::Int64, n) => n,
            Val::Time(time) => {
                i64::try_from(Time::now().nanos() - time.nanos()).unwrap_or(i64::MAX)
            }
            _ => 0,
        };
        cx.text(rounded(nanos))
    }),
];

/// A date, or now.
fn moment(val: &Val<'_>) -> Time {
    let seconds = match val {
        Val::Time(time) => return Time::clone(time),
        Val::Int(IntType::Int | IntType::Int64, n) => *n,
        _ => return Time::now(),
    };
    Time::unix(seconds, local()).unwrap_or_else(Time::zero)
}

fn shown<'a>(cx: &mut Cx<'_>, layout: &str, date: &Val<'_>, name: &str) -> Res<Val<'a>> {
    let zone = zone(name).unwrap_or(TimeZone::UTC);
    cx.text(moment(date).within(zone).format(layout))
}

fn moved<'a>(date: &Val<'a>, nanos: i64) -> Val<'a> {
    match date {
        Val::Time(time) => Val::Time(Rc::new(
            time.add(nanos).unwrap_or_else(|| Time::clone(time)),
        )),
        other => other.clone(),
    }
}

fn parsed(args: &mut Args<'_>) -> Res<Time> {
    let (layout, text) = (args.text(), args.text());
    match Time::parse(&layout, &text, local()) {
        Some(time) => Ok(time),
        None => failf(format!("not a date in the layout `{layout}`")),
    }
}

/// The largest unit of which there is more than one.
fn rounded(nanos: i64) -> String {
    const SECOND: u64 = 1_000_000_000;
    const DAY: u64 = 86_400 * SECOND;
    let units = [
        (365 * DAY, "y"),
        (30 * DAY, "mo"),
        (DAY, "d"),
        (3_600 * SECOND, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
    ];
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    let found = units.iter().find(|(unit, _)| size > *unit);
    match found {
        Some((unit, name)) => format!("{sign}{}{name}", size / unit),
        None => format!("{sign}0s"),
    }
}
