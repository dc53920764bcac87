//! Go's comparisons: strict about types, except that integers of all sizes compare.

use super::Function;
use super::Ty::Any;
use crate::template::fail::{fail, failf};
use crate::template::val::{Res, Val};
use std::cmp::Ordering;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("eq", &[Any], Any, |_, mut args| {
        let left = args.val();
        let rest = args.rest();
        if rest.is_empty() {
            return fail("missing argument for comparison");
        }
        for right in &rest {
            if equal(&left, right)? {
                return Ok(Val::Bool(true));
            }
        }
        Ok(Val::Bool(false))
    }),
    Function::new("ne", &[Any, Any], |_, mut args| {
        let (left, right) = (args.val(), args.val());
        Ok(Val::Bool(!equal(&left, &right)?))
    }),
    Function::new("lt", &[Any, Any], |_, mut args| {
        let (left, right) = (args.val(), args.val());
        Ok(Val::Bool(order(&left, &right)? == Some(Ordering::Less)))
    }),
    Function::new("le", &[Any, Any], |_, mut args| {
        let (left, right) = (args.val(), args.val());
        Ok(Val::Bool(at_most(&left, &right)?))
    }),
    Function::new("gt", &[Any, Any], |_, mut args| {
        let (left, right) = (args.val(), args.val());
        Ok(Val::Bool(!at_most(&left, &right)?))
    }),
    Function::new("ge", &[Any, Any], |_, mut args| {
        let (left, right) = (args.val(), args.val());
        Ok(Val::Bool(order(&left, &right)? != Some(Ordering::Less)))
    }),
];

/// Go's kinds of comparable values.
#[derive(PartialEq, Eq)]
enum Basic {
    Bool,
    Complex,
    Int,
    Float,
    String,
    None,
}

fn basic(val: &Val<'_>) -> Basic {
    match val {
        Val::Bool(_) => Basic::Bool,
        Val::Int(..) => Basic::Int,
        Val::Float(_) => Basic::Float,
        Val::Complex(..) => Basic::Complex,
        Val::Str(_) => Basic::String,
        _ => Basic::None,
    }
}

/// An integer of any type in one that holds them all.
fn wide(val: &Val<'_>) -> i128 {
    match val {
        Val::Int(kind, n) if kind.unsigned() => i128::from(*n as u64),
        Val::Int(_, n) => i128::from(*n),
        _ => 0,
    }
}

fn equal(left: &Val<'_>, right: &Val<'_>) -> Res<bool> {
    if basic(left) != basic(right) {
        return if matches!(left, Val::Nil) || matches!(right, Val::Nil) {
            Ok(false)
        } else {
            fail("incompatible types for comparison")
        };
    }
    Ok(match (left, right) {
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Int(..), Val::Int(..)) => wide(left) == wide(right),
        (Val::Float(a), Val::Float(b)) => a == b,
        (Val::Complex(a, b), Val::Complex(c, d)) => a == c && b == d,
        (Val::Str(a), Val::Str(b)) => a.bytes() == b.bytes(),
        _ if left.is_nil() || right.is_nil() => left.is_nil() && right.is_nil(),
        (Val::Time(a), Val::Time(b)) => a == b,
        (Val::Url(a), Val::Url(b)) => std::rc::Rc::ptr_eq(a, b),
        (Val::User(Some(a)), Val::User(Some(b))) => std::rc::Rc::ptr_eq(a, b),
        (Val::Location(a), Val::Location(b)) => a == b,
        (Val::Version(a), Val::Version(b)) => std::rc::Rc::ptr_eq(a, b),
        (Val::Session, Val::Session) => true,
        (Val::SessionCopy(a), Val::SessionCopy(b)) => {
            std::rc::Rc::as_ptr(a).cast::<()>() == std::rc::Rc::as_ptr(b).cast::<()>()
        }
        (Val::Session, Val::SessionCopy(_)) | (Val::SessionCopy(_), Val::Session) => false,
        _ if right.is_list()
            || right.entries().is_some()
            || matches!(right, Val::Context)
            || left.is_list()
            || left.entries().is_some() =>
        {
            return failf(format!(
                "non-comparable types {} and {}",
                left.type_name(),
                right.type_name()
            ));
        }
        _ => return fail("incompatible types for comparison"),
    })
}

/// `None` where a NaN is on either side.
fn order(left: &Val<'_>, right: &Val<'_>) -> Res<Option<Ordering>> {
    match (left, right) {
        (Val::Int(..), Val::Int(..)) => Ok(Some(wide(left).cmp(&wide(right)))),
        (Val::Float(a), Val::Float(b)) => Ok(a.partial_cmp(b)),
        (Val::Str(a), Val::Str(b)) => Ok(Some(a.bytes().cmp(b.bytes()))),
        _ if basic(left) == Basic::None || basic(right) == Basic::None => {
            fail("invalid type for comparison")
        }
        _ => fail("incompatible types for comparison"),
    }
}

fn at_most(left: &Val<'_>, right: &Val<'_>) -> Res<bool> {
    Ok(matches!(
        order(left, right)?,
        Some(Ordering::Less | Ordering::Equal)
    ))
}
