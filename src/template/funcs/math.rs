//! Sprig's arithmetic. Integers are 64 bits wide and wrap around.

use super::Ty::{Any, Float, Int, String as Text};
use super::cast::{to_float, to_int};
use super::decimal::Decimal;
use super::{Args, Cx, Function};
use crate::template::fail::fail;
use crate::template::number::parse_int;
use crate::template::val::{Elem, Res, Val};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("int", &[Any], |_, mut args| {
        Ok(Val::int(to_int(&args.val())))
    }),
    Function::new("int64", &[Any], |_, mut args| {
        Ok(Val::int64(to_int(&args.val())))
    }),
    Function::new("float64", &[Any], |_, mut args| {
        Ok(Val::Float(to_float(&args.val())))
    }),
    Function::new("atoi", &[Text], |_, mut args| {
        Ok(Val::int(decimal_int(&args.text())))
    }),
    Function::new("toDecimal", &[Any], |cx, mut args| {
        let text = cx.printer.text(&args.val());
        let text = String::from_utf8(text).unwrap_or_default();
        Ok(Val::int64(parse_int(&text, 8).unwrap_or(0)))
    }),
    Function::variadic("add", &[], Any, |_, args| {
        Ok(fold(0, args, i64::wrapping_add))
    }),
    Function::new("add1", &[Any], |_, mut args| {
        Ok(Val::int64(to_int(&args.val()).wrapping_add(1)))
    }),
    Function::new("sub", &[Any, Any], |_, mut args| {
        let (a, b) = (to_int(&args.val()), to_int(&args.val()));
        Ok(Val::int64(a.wrapping_sub(b)))
    }),
    Function::new("div", &[Any, Any], |_, mut args| {
        let (a, b) = (to_int(&args.val()), to_int(&args.val()));
        if b == 0 {
            return fail("integer divide by zero");
        }
        Ok(Val::int64(a.wrapping_div(b)))
    }),
    Function::new("mod", &[Any, Any], |_, mut args| {
        let (a, b) = (to_int(&args.val()), to_int(&args.val()));
        if b == 0 {
            return fail("integer divide by zero");
        }
        Ok(Val::int64(a.wrapping_rem(b)))
    }),
    Function::variadic("mul", &[Any], Any, |_, args| {
        Ok(fold(1, args, i64::wrapping_mul))
    }),
    Function::variadic("max", &[Any], Any, |_, mut args| {
        let first = to_int(&args.val());
        Ok(fold(first, args, i64::max))
    }),
    Function::variadic("min", &[Any], Any, |_, mut args| {
        let first = to_int(&args.val());
        Ok(fold(first, args, i64::min))
    }),
    Function::variadic("maxf", &[Any], Any, |_, args| {
        Ok(extreme(args, |a, b| if b > a { b } else { a }))
    }),
    Function::variadic("minf", &[Any], Any, |_, args| {
        Ok(extreme(args, |a, b| if b < a { b } else { a }))
    }),
    Function::variadic("addf", &[], Any, |_, args| {
        decimal(Some(0.0), args, Decimal::add, |a, b| a + b)
    }),
    Function::new("add1f", &[Any], |_, mut args| {
        let first = to_float(&args.val());
        decimal(
            Some(first),
            Args::new(vec![Val::int(1)]),
            Decimal::add,
            |a, b| a + b,
        )
    }),
    Function::variadic("subf", &[Any], Any, |_, args| {
        decimal(None, args, Decimal::sub, |a, b| a - b)
    }),
    Function::variadic("mulf", &[Any], Any, |_, args| {
        decimal(None, args, Decimal::mul, |a, b| a * b)
    }),
    Function::variadic("divf", &[Any], Any, |_, args| {
        let args = args.rest();
        if args.iter().skip(1).any(|arg| to_float(arg) == 0.0) {
            return fail("decimal division by 0");
        }
        decimal(None, Args::new(args), Decimal::div, |a, b| a / b)
    }),
    Function::new("ceil", &[Any], |_, mut args| {
        Ok(Val::Float(to_float(&args.val()).ceil()))
    }),
    Function::new("floor", &[Any], |_, mut args| {
        Ok(Val::Float(to_float(&args.val()).floor()))
    }),
    Function::variadic("round", &[Any, Int], Float, |_, mut args| {
        let x = to_float(&args.val());
        let places = args.int();
        let on = match args.val() {
            Val::Float(on) => on,
            _ => 0.5,
        };
        Ok(Val::Float(round(x, places, on)))
    }),
    Function::new("until", &[Int], |cx, mut args| {
        let count = args.int();
        let step = if count < 0 { -1 } else { 1 };
        range_list(cx, 0, count, step)
    }),
    Function::new("untilStep", &[Int, Int, Int], |cx, mut args| {
        let (start, stop, step) = (args.int(), args.int(), args.int());
        range_list(cx, start, stop, step)
    }),
    Function::variadic("seq", &[], Int, |cx, args| {
        let params: Vec<i64> = args.rest().iter().map(to_int).collect();
        let numbers = match params.as_slice() {
            [end] => {
                let step = if *end < 1 { -1 } else { 1 };
                steps(cx, 1, end.saturating_add(step), step)?
            }
            [start, end] => {
                let step = if end < start { -1 } else { 1 };
                steps(cx, *start, end.saturating_add(step), step)?
            }
            [start, step, end] => {
                let past = if end < start { -1 } else { 1 };
                if past < 0 && *step > 0 {
                    return Ok(Val::borrowed(""));
                }
                steps(cx, *start, end.saturating_add(past), *step)?
            }
            _ => Vec::new(),
        };
        let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
        cx.text(texts.join(" "))
    }),
];

/// A decimal integer as `strconv` reads it where its error is ignored: 0, or the nearest one if it does not fit.
pub(super) fn decimal_int(text: &str) -> i64 {
    parse_int(text, 10).unwrap_or_else(|| saturated(text))
}

/// What `strconv.Atoi` leaves where a number does not fit.
fn saturated(text: &str) -> i64 {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    }
}

fn fold<'a>(start: i64, args: Args<'_>, f: fn(i64, i64) -> i64) -> Val<'a> {
    Val::int64(args.rest().iter().map(to_int).fold(start, f))
}

fn extreme<'a>(args: Args<'_>, better: fn(f64, f64) -> f64) -> Val<'a> {
    let best = args.rest().iter().map(to_float).reduce(|a, b| {
        // NaN wins, as in Go's `math.Max` and `math.Min`.
        if a.is_nan() || b.is_nan() {
            f64::NAN
        } else {
            better(a, b)
        }
    });
    Val::Float(best.unwrap_or(0.0))
}

/// Folds exactly where the decimals fit, else in doubles.
fn decimal<'a>(
    start: Option<f64>,
    args: Args<'_>,
    exact: fn(Decimal, Decimal) -> Option<Decimal>,
    rough: fn(f64, f64) -> f64,
) -> Res<Val<'a>> {
    let mut numbers: Vec<f64> = start.into_iter().collect();
    numbers.extend(args.rest().iter().map(to_float));
    if !numbers.iter().all(|x| x.is_finite()) {
        return fail("not a finite number");
    }
    let mut decimals = numbers.iter().map(|x| Decimal::from_float(*x));
    let first = decimals.next().flatten();
    let folded = decimals.fold(first, |sum, next| exact(sum?, next?));
    Ok(Val::Float(match folded {
        Some(sum) if sum.is_zero() => 0.0,
        Some(sum) => sum.to_float(),
        None => numbers.into_iter().reduce(rough).unwrap_or(0.0),
    }))
}

/// Rounds up from `on`, which for negative numbers never happens: they go down. The reference does so.
fn round(x: f64, places: i64, on: f64) -> f64 {
    let power = 10f64.powf(places as f64);
    let digit = power * x;
    let rounded = if digit.fract() >= on {
        digit.ceil()
    } else {
        digit.floor()
    };
    rounded / power
}

fn range_list<'a>(cx: &mut Cx<'_>, start: i64, stop: i64, step: i64) -> Res<Val<'a>> {
    let numbers = steps(cx, start, stop, step)?;
    Ok(Val::list_of(
        Elem::Int,
        numbers.into_iter().map(Val::int).collect(),
    ))
}

/// From `start` up to, not including, `stop`.
fn steps(cx: &mut Cx<'_>, start: i64, stop: i64, step: i64) -> Res<Vec<i64>> {
    let forward = stop >= start;
    if step == 0 || forward != (step > 0) {
        return Ok(Vec::new());
    }
    let span = stop.abs_diff(start);
    let count = span.div_ceil(step.unsigned_abs());
    cx.spend(
        usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_mul(32),
    )?;
    Ok((0..count)
        .map(|i| start.wrapping_add(step.wrapping_mul(i as i64)))
        .collect())
}
