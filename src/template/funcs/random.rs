//! Random texts and numbers. They come from the operating system's generator.

use super::Ty::{Int, String as Text};
use super::strings::chars;
use super::{Args, Cx, Function};
use crate::template::fail::fail;
use crate::template::val::{Res, Val};
use rand::Rng as _;
use rand::seq::SliceRandom as _;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("randAlphaNum", &[Int], |cx, args| {
        letters(cx, args, |b| b.is_ascii_alphanumeric())
    }),
    Function::new("randAlpha", &[Int], |cx, args| {
        letters(cx, args, |b| b.is_ascii_alphabetic())
    }),
    Function::new("randNumeric", &[Int], |cx, args| {
        letters(cx, args, |b| b.is_ascii_digit())
    }),
    Function::new("randAscii", &[Int], |cx, args| {
        letters(cx, args, |b| (b' '..b'\x7f').contains(b))
    }),
    Function::new("randBytes", &[Int], |cx, mut args| {
        let Ok(count) = usize::try_from(args.int()) else {
            return fail("randBytes: negative count");
        };
        cx.spend(count.saturating_mul(2))?;
        let mut bytes = vec![0; count];
        rand::rng().fill(bytes.as_mut_slice());
        cx.text(super::encoding::base64(&bytes))
    }),
    Function::new("randInt", &[Int, Int], |_, mut args| {
        let (low, high) = (args.int(), args.int());
        if low >= high {
            return fail("randInt: the upper bound must be above the lower one");
        }
        Ok(Val::int(rand::rng().random_range(low..high)))
    }),
    Function::new("uuidv4", &[], |cx, _| {
        cx.text(uuid::Uuid::new_v4().to_string())
    }),
    Function::new("shuffle", &[Text], |cx, mut args| {
        let mut chars = chars(args.str().bytes());
        chars.shuffle(&mut rand::rng());
        cx.text(chars.into_iter().collect::<String>())
    }),
];

/// That many ASCII characters; none for a negative count.
fn letters<'a>(cx: &mut Cx<'_>, mut args: Args<'a>, wanted: fn(&u8) -> bool) -> Res<Val<'a>> {
    let count = usize::try_from(args.int()).unwrap_or(0);
    cx.spend(count)?;
    let set: Vec<u8> = (0..128).filter(wanted).collect();
    let mut random = rand::rng();
    let text: Vec<u8> = (0..count)
        .filter_map(|_| set.get(random.random_range(0..set.len())).copied())
        .collect();
    Ok(Val::str(text))
}
