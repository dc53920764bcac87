//! Fields, methods and map members: what may stand behind a dot.

use super::exec::Exec;
use super::fail::{fail, failf};
use super::funcs::Ty;
use super::print::stringer;
use super::semver::{Place, Version};
use super::time::{Time, duration_text, month_name, weekday_name, zone};
use super::val::{IntType, Multi, MultiType, Res, SessionCopy, Val, canonical_header};
use crate::gourl::{Url, Values};
use http::HeaderName;
use jiff::tz::TimeZone;
use std::cmp::Ordering;
use std::rc::Rc;

/// The parameters of a method.
pub(crate) struct Params {
    types: &'static [Ty],
    variadic: bool,
}

impl Params {
    pub(crate) fn at(&self, index: usize) -> Ty {
        let last = self.types.last().filter(|_| self.variadic);
        self.types.get(index).or(last).copied().unwrap_or(Ty::Any)
    }
}

const NONE: &[Ty] = &[];
const STRING: &[Ty] = &[Ty::String];
const TIME: &[Ty] = &[Ty::Time];
const DURATION: &[Ty] = &[Ty::Duration];
const VERSION: &[Ty] = &[Ty::Version];

/// The parameters of a value's method; `None` where it has no such method.
pub(crate) fn params(base: &Val<'_>, name: &str) -> Option<Params> {
    let types = match base {
        Val::Session | Val::SessionCopy(_) => match name {
            "Copy" => NONE,
            "SetHeader" => &[Ty::String, Ty::String],
            _ => return None,
        },
        Val::Header(_) | Val::Multi(_) => match name {
            "Get" => STRING,
            "Values" | "Clone" if is_header(base) => {
                if name == "Values" {
                    STRING
                } else {
                    NONE
                }
            }
            "Has" if !is_header(base) => STRING,
            "Encode" if !is_header(base) => NONE,
            "Clone" => NONE,
            "Add" | "Set" => &[Ty::String, Ty::String],
            "Del" => STRING,
            _ => return None,
        },
        Val::Url(_) | Val::NilUrl => match name {
            "EscapedFragment" | "EscapedPath" | "Hostname" | "IsAbs" | "Port" | "Query"
            | "Redacted" | "RequestURI" | "String" => NONE,
            "Parse" => STRING,
            "ResolveReference" => &[Ty::Url],
            "JoinPath" => {
                return Some(Params {
                    types: STRING,
                    variadic: true,
                });
            }
            _ => return None,
        },
        Val::User(_) => match name {
            "Username" | "String" | "Password" => NONE,
            _ => return None,
        },
        Val::Time(_) => match name {
            "Format" => STRING,
            "Add" | "Round" | "Truncate" => DURATION,
            "AddDate" => &[Ty::Int, Ty::Int, Ty::Int],
            "After" | "Before" | "Compare" | "Equal" | "Sub" => TIME,
            "In" => &[Ty::Location],
            "Day" | "Hour" | "IsDST" | "IsZero" | "Local" | "Location" | "Minute" | "Month"
            | "Nanosecond" | "Second" | "String" | "UTC" | "Unix" | "UnixMicro" | "UnixMilli"
            | "UnixNano" | "Weekday" | "Year" | "YearDay" => NONE,
            _ => return None,
        },
        Val::Location(_) => match name {
            "String" => NONE,
            _ => return None,
        },
        Val::Int(IntType::Duration, _) => match name {
            "Abs" | "Hours" | "Microseconds" | "Milliseconds" | "Minutes" | "Nanoseconds"
            | "Seconds" | "String" => NONE,
            "Round" | "Truncate" => DURATION,
            _ => return None,
        },
        Val::Int(IntType::Month | IntType::Weekday, _) => match name {
            "String" => NONE,
            _ => return None,
        },
        Val::Version(_) => match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "Original" | "String"
            | "IncMajor" | "IncMinor" | "IncPatch" => NONE,
            "Compare" | "Equal" | "GreaterThan" | "GreaterThanEqual" | "LessThan"
            | "LessThanEqual" => VERSION,
            "SetMetadata" | "SetPrerelease" => STRING,
            _ => return None,
        },
        _ => return None,
    };
    Some(Params {
        types,
        variadic: false,
    })
}

fn is_header(val: &Val<'_>) -> bool {
    match val {
        Val::Multi(multi) => multi.kind == MultiType::Header,
        _ => true,
    }
}

/// What `name` is of a value, without arguments: a method, a field or a map's member.
pub(crate) fn field<'a>(exec: &Exec<'a, '_>, base: &Val<'a>, name: &str) -> Res<Val<'a>> {
    if let Some(val) = struct_field(exec, base, name)? {
        return Ok(val);
    }
    if params(base, name).is_some() {
        return call(exec, base, name, Vec::new());
    }
    if let Some(val) = base.member(name.as_bytes()) {
        return Ok(val);
    }
    match base {
        Val::Nil => failf(format!("nil pointer evaluating interface {{}}.{name}")),
        Val::NilUrl => failf(format!("nil pointer evaluating *url.URL.{name}")),
        other => failf(format!(
            "can't evaluate field {name} in type {}",
            other.type_name()
        )),
    }
}

/// `Ok(None)` where this is no struct or it has no such field.
fn struct_field<'a>(exec: &Exec<'a, '_>, base: &Val<'a>, name: &str) -> Res<Option<Val<'a>>> {
    Ok(Some(match (base, name) {
        (Val::Session | Val::SessionCopy(_), "Subject") => Val::borrowed(exec.data.subject()),
        (Val::Session, "Extra") => exec.root_extra(),
        (Val::SessionCopy(copy), "Extra") => copy.extra.clone(),
        (Val::Session | Val::SessionCopy(_), "Header") => Val::Multi(Rc::new(exec.data.header())),
        (Val::Session | Val::SessionCopy(_), "MatchContext") => Val::Context,
        (Val::Context, "RegexpCaptureGroups") => Val::JsonStrings(exec.data.groups()),
        (Val::Context, "Method") => Val::borrowed(exec.data.method()),
        (Val::Context, "Header") => match exec.data.request_header() {
            Some(headers) => Val::Header(headers),
            None => Val::Multi(Rc::new(Multi::nil_header())),
        },
        (Val::Context, "URL") => exec
            .data
            .url()
            .map_or(Val::NilUrl, |url| Val::Url(Rc::new(url))),
        (Val::Url(url), _) => match url_field(url, name) {
            Some(val) => val,
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

fn url_field<'a>(url: &Rc<Url>, name: &str) -> Option<Val<'a>> {
    Some(match name {
        "Scheme" => Val::str(&url.scheme),
        "Opaque" => Val::str(&url.opaque),
        "User" => Val::User(url.user.is_some().then(|| url.clone())),
        "Host" => Val::str(&url.host),
        "Path" => Val::str(&url.path),
        "RawPath" => Val::str(&url.raw_path),
        "OmitHost" => Val::Bool(url.omit_host),
        "ForceQuery" => Val::Bool(url.force_query),
        "RawQuery" => Val::str(&url.raw_query),
        "Fragment" => Val::str(&url.fragment),
        "RawFragment" => Val::str(&url.raw_fragment),
        _ => return None,
    })
}

/// A session of its own, with an `extra` that further changes do not reach.
pub(crate) fn copy_of(extra: Val<'_>) -> Val<'_> {
    Val::SessionCopy(Rc::new(SessionCopy { extra }))
}

/// Calls a method; `args` are of the types that [`params`] names.
pub(crate) fn call<'a>(
    exec: &Exec<'a, '_>,
    base: &Val<'a>,
    name: &str,
    args: Vec<Val<'a>>,
) -> Res<Val<'a>> {
    let Some(params) = params(base, name) else {
        return failf(format!("no method {name} in {}", base.type_name()));
    };
    let wanted = params.types.len();
    if !params.variadic && args.len() != wanted {
        return failf(format!(
            "wrong number of arguments for {name}: want {wanted} got {}",
            args.len()
        ));
    }
    match base {
        Val::Session | Val::SessionCopy(_) if name == "Copy" => {
            let extra = match base {
                Val::SessionCopy(copy) => copy.extra.clone(),
                _ => exec.root_extra(),
            };
            let mut cx = super::funcs::Cx {
                printer: super::print::Printer::new(exec.data),
                budget: exec.cx.budget,
            };
            let extra = super::funcs::deep_copy(&mut cx, &extra)?;
            Ok(copy_of(extra))
        }
        Val::Header(_) | Val::Multi(_) => multi(base, name, &args),
        Val::Url(url) => url_method(url, name, &args),
        Val::User(user) => user_method(user.as_deref(), base, name),
        Val::Time(time) => time_method(time, name, &args),
        Val::Location(location) => Ok(Val::str(location.as_bytes())),
        Val::Int(kind, n) => int_method(*kind, *n, name, &args),
        Val::Version(version) => version_method(version, name, &args),
        _ => failf(format!("can't call method {name} of {}", base.type_name())),
    }
}

fn text(args: &[Val<'_>], index: usize) -> Vec<u8> {
    match args.get(index) {
        Some(Val::Str(text)) => text.bytes().to_vec(),
        _ => Vec::new(),
    }
}

fn multi<'a>(base: &Val<'a>, name: &str, args: &[Val<'a>]) -> Res<Val<'a>> {
    let key = text(args, 0);
    let values: Vec<Vec<u8>> = match base {
        Val::Header(headers) => match HeaderName::from_bytes(&key) {
            Ok(found) if found == http::header::HOST => Vec::new(),
            Ok(found) => {
                if name == "Get" {
                    // The usual case: nothing is copied.
                    let value = headers.get(&found).map(http::HeaderValue::as_bytes);
                    return Ok(Val::Str(super::val::Str::Borrowed(value.unwrap_or(b""))));
                }
                let all = headers.get_all(&found).iter();
                all.map(|value| value.as_bytes().to_vec()).collect()
            }
            Err(_) => Vec::new(),
        },
        Val::Multi(multi) => {
            let key = match multi.kind {
                MultiType::Header => canonical_header(&key),
                MultiType::Query => key,
            };
            multi.entries.get(&key).cloned().unwrap_or_default()
        }
        _ => Vec::new(),
    };
    Ok(match name {
        "Get" => Val::str(values.first().map_or(&[][..], Vec::as_slice)),
        "Has" => Val::Bool(!values.is_empty()),
        "Values" if values.is_empty() => Val::nil_list(super::val::Elem::String),
        "Values" => Val::strings(values),
        "Clone" => base.clone(),
        "Encode" => {
            let mut query = Values::default();
            if let Val::Multi(multi) = base {
                for (name, values) in &multi.entries {
                    for value in values {
                        query.add(name.clone(), value.clone());
                    }
                }
            }
            Val::str(query.encode())
        }
        _ => return failf(format!("can't call method {name} with 0 results")),
    })
}

fn url_method<'a>(url: &Rc<Url>, name: &str, args: &[Val<'a>]) -> Res<Val<'a>> {
    Ok(match name {
        "String" => Val::str(url.to_string()),
        "Hostname" => Val::str(url.hostname()),
        "Port" => Val::str(url.port()),
        "IsAbs" => Val::Bool(url.is_abs()),
        "EscapedPath" => Val::str(url.escaped_path().as_bytes()),
        "EscapedFragment" => Val::str(url.escaped_fragment().as_bytes()),
        "RequestURI" => Val::str(url.request_uri()),
        "Redacted" => Val::str(url.redacted()),
        "Query" => Val::Multi(Rc::new(Multi {
            kind: MultiType::Query,
            nil: false,
            entries: url
                .query()
                .iter()
                .map(|(name, values)| (name.to_vec(), values.to_vec()))
                .collect(),
        })),
        "JoinPath" => {
            let elements: Vec<String> = args
                .iter()
                .map(|arg| match arg {
                    Val::Str(text) => text.lossy(),
                    _ => String::new(),
                })
                .collect();
            Val::Url(Rc::new(url.join_path(&elements)))
        }
        "Parse" => match Url::parse(&super::val::lossy(&text(args, 0))) {
            Ok(reference) => Val::Url(Rc::new(url.resolve_reference(&reference))),
            Err(error) => return failf(error.to_string()),
        },
        "ResolveReference" => match args.first() {
            Some(Val::Url(reference)) => Val::Url(Rc::new(url.resolve_reference(reference))),
            _ => return fail("nil pointer"),
        },
        _ => return failf(format!("no method {name} in *url.URL")),
    })
}

fn user_method<'a>(url: Option<&Url>, base: &Val<'_>, name: &str) -> Res<Val<'a>> {
    let user = url.and_then(|url| url.user.as_ref());
    match name {
        "Username" => Ok(Val::str(user.map_or(&[][..], |user| &user.username))),
        "String" => Ok(Val::str(stringer(base).unwrap_or_default())),
        _ => fail("can't call a method with two results of which the second is no error"),
    }
}

fn time_method<'a>(time: &Rc<Time>, name: &str, args: &[Val<'a>]) -> Res<Val<'a>> {
    let z = &time.zoned;
    let whole = |n: i64| Ok(Val::int(n));
    let other = match args.first() {
        Some(Val::Time(other)) => Some(other.clone()),
        _ => None,
    };
    let nanos = match args.first() {
        Some(Val::Int(IntType::Duration, n)) => *n,
        _ => 0,
    };
    let order = other
        .as_ref()
        .map_or(Ordering::Equal, |other| time.nanos().cmp(&other.nanos()));
    let moved = |time: Option<Time>| match time {
        Some(time) => Ok(Val::Time(Rc::new(time))),
        None => fail("time out of range"),
    };
    match name {
        "Format" => Ok(Val::str(time.format(&super::val::lossy(&text(args, 0))))),
        "String" => Ok(Val::str(time.to_string())),
        "Year" => whole(i64::from(z.year())),
        "Month" => Ok(Val::Int(IntType::Month, i64::from(z.month()))),
        "Day" => whole(i64::from(z.day())),
        "Hour" => whole(i64::from(z.hour())),
        "Minute" => whole(i64::from(z.minute())),
        "Second" => whole(i64::from(z.second())),
        "Nanosecond" => whole(i64::from(z.subsec_nanosecond())),
        "YearDay" => whole(i64::from(z.day_of_year())),
        "Weekday" => Ok(Val::Int(IntType::Weekday, time.weekday())),
        "Unix" => Ok(Val::int64(z.timestamp().as_second())),
        "UnixMilli" => Ok(Val::int64(z.timestamp().as_millisecond())),
        "UnixMicro" => Ok(Val::int64(z.timestamp().as_microsecond())),
        // Wraps around outside of the years that an `int64` of nanoseconds can hold, as in Go.
        "UnixNano" => Ok(Val::int64(time.nanos() as i64)),
        "IsZero" => Ok(Val::Bool(time.nanos() == Time::zero().nanos())),
        "IsDST" => {
            let info = z.time_zone().to_offset_info(z.timestamp());
            Ok(Val::Bool(info.dst().is_dst()))
        }
        "UTC" => Ok(Val::Time(Rc::new(time.within(TimeZone::UTC)))),
        "Local" => Ok(Val::Time(Rc::new(time.within(super::time::local())))),
        "Location" => Ok(Val::Location(
            z.time_zone().iana_name().unwrap_or("").into(),
        )),
        "In" => match args.first() {
            Some(Val::Location(name)) => {
                let zone = zone(name).unwrap_or(TimeZone::UTC);
                Ok(Val::Time(Rc::new(time.within(zone))))
            }
            _ => fail("time: missing Location in call to Time.In"),
        },
        "Add" => moved(time.add(nanos)),
        "Sub" => {
            let span = other.map_or(0, |other| time.nanos() - other.nanos());
            let span = span.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            Ok(Val::Int(IntType::Duration, span as i64))
        }
        "After" => Ok(Val::Bool(order == Ordering::Greater)),
        "Before" => Ok(Val::Bool(order == Ordering::Less)),
        "Equal" => Ok(Val::Bool(order == Ordering::Equal)),
        "Compare" => whole(order as i64),
        "Truncate" | "Round" if nanos <= 0 => Ok(Val::Time(time.clone())),
        "Truncate" | "Round" => {
            // Counted from Go's zero time.
            let since = time.nanos() - Time::zero().nanos();
            let rest = since.rem_euclid(i128::from(nanos));
            let up = name == "Round" && rest * 2 >= i128::from(nanos);
            let shift = if up { i128::from(nanos) - rest } else { -rest };
            moved(Time::from_nanos(
                time.nanos() + shift,
                z.time_zone().clone(),
            ))
        }
        "AddDate" => moved(add_date(time, args)),
        _ => failf(format!("no method {name} in time.Time")),
    }
}

/// Days beyond a month's end run over into the next, as in Go.
fn add_date(time: &Time, args: &[Val<'_>]) -> Option<Time> {
    let number = |i: usize| match args.get(i) {
        Some(Val::Int(_, n)) => *n,
        _ => 0,
    };
    let z = &time.zoned;
    let months = i64::from(z.year())
        .checked_add(number(0))?
        .checked_mul(12)?
        .checked_add(i64::from(z.month()) - 1)?
        .checked_add(number(1))?;
    let year = i16::try_from(months.div_euclid(12)).ok()?;
    let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
    let days = (i64::from(z.day()) - 1).checked_add(number(2))?;
    let first = jiff::civil::Date::new(year, month, 1).ok()?;
    let date = first
        .checked_add(jiff::SignedDuration::from_hours(days.checked_mul(24)?))
        .ok()?;
    date.to_datetime(z.time())
        .to_zoned_datetime(z.time_zone().clone())
        .ok()
        .map(|zoned| Time { zoned })
}

fn int_method<'a>(kind: IntType, n: i64, name: &str, args: &[Val<'a>]) -> Res<Val<'a>> {
    let by = match args.first() {
        Some(Val::Int(_, by)) => *by,
        _ => 0,
    };
    let float = |unit: f64| Ok(Val::Float(n as f64 / unit));
    match (kind, name) {
        (IntType::Month, _) => Ok(Val::str(month_name(n))),
        (IntType::Weekday, _) => Ok(Val::str(weekday_name(n))),
        (_, "String") => Ok(Val::str(duration_text(n))),
        (_, "Hours") => float(3.6e12),
        (_, "Minutes") => float(6e10),
        (_, "Seconds") => float(1e9),
        (_, "Milliseconds") => Ok(Val::int64(n / 1_000_000)),
        (_, "Microseconds") => Ok(Val::int64(n / 1_000)),
        (_, "Nanoseconds") => Ok(Val::int64(n)),
        (_, "Abs") => Ok(Val::Int(kind, n.saturating_abs())),
        (_, "Truncate" | "Round") if by <= 0 => Ok(Val::Int(kind, n)),
        (_, "Truncate") => Ok(Val::Int(kind, n - n.wrapping_rem(by))),
        (_, "Round") => {
            let rest = n.wrapping_rem(by);
            let down = n - rest;
            let away = i128::from(rest.unsigned_abs()) * 2 >= i128::from(by);
            let rounded = match (away, n < 0) {
                (false, _) => down,
                (true, true) => down.saturating_sub(by),
                (true, false) => down.saturating_add(by),
            };
            Ok(Val::Int(kind, rounded))
        }
        _ => failf(format!("no method {name} in time.Duration")),
    }
}

fn version_method<'a>(version: &Rc<Version>, name: &str, args: &[Val<'a>]) -> Res<Val<'a>> {
    let number = |n: u64| Ok(Val::Int(IntType::Uint64, n as i64));
    let made = |version: Version| Ok(Val::Version(Rc::new(version)));
    let order = match args.first() {
        Some(Val::Version(other)) => version.compare(other),
        _ => Ordering::Equal,
    };
    match name {
        "Major" => number(version.major),
        "Minor" => number(version.minor),
        "Patch" => number(version.patch),
        "Prerelease" => Ok(Val::str(&version.pre)),
        "Metadata" => Ok(Val::str(&version.metadata)),
        "Original" => Ok(Val::str(&version.original)),
        "String" => Ok(Val::str(version.to_string())),
        "IncMajor" => made(version.bumped(Place::Major)),
        "IncMinor" => made(version.bumped(Place::Minor)),
        "IncPatch" => made(version.bumped(Place::Patch)),
        "Compare" => Ok(Val::int(order as i64)),
        "Equal" => Ok(Val::Bool(order == Ordering::Equal)),
        "GreaterThan" => Ok(Val::Bool(order == Ordering::Greater)),
        "GreaterThanEqual" => Ok(Val::Bool(order != Ordering::Less)),
        "LessThan" => Ok(Val::Bool(order == Ordering::Less)),
        "LessThanEqual" => Ok(Val::Bool(order != Ordering::Greater)),
        "SetMetadata" | "SetPrerelease" => {
            let mut changed = Version::clone(version);
            let part = super::val::lossy(&text(args, 0));
            if name == "SetMetadata" {
                changed.metadata = part;
            } else {
                changed.pre = part;
            }
            let Some(mut checked) = Version::parse(&changed.to_string()) else {
                return fail("invalid part of a version");
            };
            checked.original = checked.to_string();
            made(checked)
        }
        _ => failf(format!("no method {name} in *semver.Version")),
    }
}
