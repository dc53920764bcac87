//! What values are: emptiness, types, equality; and Sprig's choices that depend on it.

use super::Function;
use super::Ty::{Any, Bool, String as Text};
use crate::template::fail::failf;
use crate::template::val::{MAX_NESTING, Val};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("default", &[Any], Any, |_, mut args| {
        let default = args.val();
        let given = args.rest().into_iter().next().unwrap_or(Val::Nil);
        Ok(if is_empty(&given) { default } else { given })
    }),
    Function::new("empty", &[Any], |_, mut args| {
        Ok(Val::Bool(is_empty(&args.val())))
    }),
    Function::variadic("coalesce", &[], Any, |_, args| {
        let found = args.rest().into_iter().find(|val| !is_empty(val));
        Ok(found.unwrap_or(Val::Nil))
    }),
    Function::variadic("all", &[], Any, |_, args| {
        Ok(Val::Bool(!args.rest().iter().any(is_empty)))
    }),
    Function::variadic("any", &[], Any, |_, args| {
        Ok(Val::Bool(args.rest().iter().any(|val| !is_empty(val))))
    }),
    Function::new("ternary", &[Any, Any, Bool], |_, mut args| {
        let (yes, no) = (args.val(), args.val());
        Ok(if args.bool() { yes } else { no })
    }),
    Function::new("fail", &[Text], |_, mut args| failf(args.text())),
    Function::new("typeOf", &[Any], |_, mut args| {
        Ok(Val::borrowed(args.val().type_name()))
    }),
    Function::new("typeIs", &[Text, Any], |_, mut args| {
        let wanted = args.text();
        Ok(Val::Bool(args.val().type_name() == wanted))
    }),
    Function::new("typeIsLike", &[Text, Any], |_, mut args| {
        let wanted = args.text();
        let found = args.val().type_name();
        Ok(Val::Bool(
            found == wanted || found.strip_prefix('*') == Some(&wanted),
        ))
    }),
    Function::new("kindOf", &[Any], |_, mut args| {
        Ok(Val::borrowed(args.val().kind_name()))
    }),
    Function::new("kindIs", &[Text, Any], |_, mut args| {
        let wanted = args.text();
        Ok(Val::Bool(args.val().kind_name() == wanted))
    }),
    Function::new("deepEqual", &[Any, Any], |_, mut args| {
        let (left, right) = (args.val(), args.val());
        Ok(Val::Bool(deep_equal(&left, &right)))
    }),
];

/// Sprig's `empty`: zero, no elements, nil; structs never are.
pub(super) fn is_empty(val: &Val<'_>) -> bool {
    match val {
        Val::Context | Val::Time(_) => false,
        other => !other.truth(),
    }
}

/// `reflect.DeepEqual`: equal types and equal values; a nil list differs from an empty one.
pub(super) fn deep_equal(left: &Val<'_>, right: &Val<'_>) -> bool {
    equal_at(left, right, 0)
}

/// What nests deeper than a session can counts as different.
fn equal_at(left: &Val<'_>, right: &Val<'_>, depth: usize) -> bool {
    if depth > MAX_NESTING
        || left.type_name() != right.type_name()
        || left.is_nil() != right.is_nil()
    {
        return false;
    }
    match (left, right) {
        (Val::Nil, Val::Nil) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Int(_, a), Val::Int(_, b)) => a == b,
        (Val::Float(a), Val::Float(b)) => a == b,
        (Val::Complex(a, b), Val::Complex(c, d)) => a == c && b == d,
        (Val::Str(a), Val::Str(b)) => a.bytes() == b.bytes(),
        (Val::Time(a), Val::Time(b)) => a == b,
        (Val::Url(a), Val::Url(b)) => a == b,
        (Val::User(a), Val::User(b)) => {
            a.as_ref().map(|url| &url.user) == b.as_ref().map(|url| &url.user)
        }
        (Val::Location(a), Val::Location(b)) => a == b,
        (Val::Version(a), Val::Version(b)) => a.to_string() == b.to_string(),
        _ => {
            if let (Some(a), Some(b)) = (left.items(), right.items()) {
                return a.len() == b.len()
                    && a.iter().zip(&b).all(|(a, b)| equal_at(a, b, depth + 1));
            }
            match (left.entries(), right.entries()) {
                (Some(a), Some(b)) => {
                    a.len() == b.len()
                        && a.iter().zip(&b).all(|(a, b)| {
                            equal_at(&a.0, &b.0, depth + 1) && equal_at(&a.1, &b.1, depth + 1)
                        })
                }
                // Sessions and match contexts: there is only the one.
                _ => true,
            }
        }
    }
}
