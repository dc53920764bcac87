//! JSON, base64, base32 and checksums.

use super::Ty::{Any, String as Text};
use super::{Cx, Function};
use crate::template::fail::{fail, failf};
use crate::template::print::context_fields;
use crate::template::val::{Elem, IntType, MAX_NESTING, Res, Val};
use crate::value::{self, Escape, encode_indented, encode_number, encode_string};
use aws_lc_rs::digest;

pub(super) const FUNCTIONS: &[Function] = &[
    // What cannot be encoded becomes nothing; the `must` variants fail instead.
    Function::new("toJson", &[Any], |cx, mut args| {
        let json = lenient(cx, &args.val())?;
        cx.text(json)
    }),
    Function::new("mustToJson", &[Any], |cx, mut args| {
        let json = encode(cx, &args.val(), Escape::Html)?;
        cx.text(json)
    }),
    Function::new("toPrettyJson", &[Any], |cx, mut args| {
        let json = lenient(cx, &args.val())?;
        cx.text(encode_indented(&json, "  "))
    }),
    Function::new("mustToPrettyJson", &[Any], |cx, mut args| {
        let json = encode(cx, &args.val(), Escape::Html)?;
        cx.text(encode_indented(&json, "  "))
    }),
    Function::new("toRawJson", &[Any], |cx, mut args| {
        let json = encode(cx, &args.val(), Escape::Plain)?;
        cx.text(json)
    }),
    Function::new("mustToRawJson", &[Any], |cx, mut args| {
        let json = encode(cx, &args.val(), Escape::Plain)?;
        cx.text(json)
    }),
    Function::new("fromJson", &[Text], |cx, mut args| {
        let text = args.str();
        cx.spend(text.bytes().len().saturating_mul(8))?;
        Ok(value::decode(text.bytes()).map_or(Val::Nil, |value| Val::owned(&value)))
    }),
    Function::new("mustFromJson", &[Text], |cx, mut args| {
        let text = args.str();
        cx.spend(text.bytes().len().saturating_mul(8))?;
        match value::decode(text.bytes()) {
            Ok(value) => Ok(Val::owned(&value)),
            Err(error) => failf(error.to_string()),
        }
    }),
    Function::new("b64enc", &[Text], |cx, mut args| {
        let text = base64(args.str().bytes());
        cx.text(text)
    }),
    Function::new("b64dec", &[Text], |cx, mut args| {
        match decode64(args.str().bytes()) {
            Ok(bytes) => cx.text(bytes),
            Err(at) => cx.text(format!("illegal base64 data at input byte {at}")),
        }
    }),
    Function::new("b32enc", &[Text], |cx, mut args| {
        let text = base32(args.str().bytes());
        cx.text(text)
    }),
    Function::new("b32dec", &[Text], |cx, mut args| {
        match decode32(args.str().bytes()) {
            Ok(bytes) => cx.text(bytes),
            Err(at) => cx.text(format!("illegal base32 data at input byte {at}")),
        }
    }),
    Function::new("sha1sum", &[Text], |cx, mut args| {
        cx.text(hex_digest(
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            args.str().bytes(),
        ))
    }),
    Function::new("sha256sum", &[Text], |cx, mut args| {
        cx.text(hex_digest(&digest::SHA256, args.str().bytes()))
    }),
    Function::new("sha512sum", &[Text], |cx, mut args| {
        cx.text(hex_digest(&digest::SHA512, args.str().bytes()))
    }),
    Function::new("adler32sum", &[Text], |cx, mut args| {
        let (mut a, mut b) = (1u32, 0u32);
        for byte in args.str().bytes() {
            a = (a + u32::from(*byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        cx.text(((b << 16) | a).to_string())
    }),
];

fn hex_digest(algorithm: &'static digest::Algorithm, text: &[u8]) -> String {
    hex(digest::digest(algorithm, text).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Why a value has no JSON.
enum Unencodable {
    /// Numbers that are not finite, complex ones.
    NoJson,
    TooLarge,
}

/// As `encoding/json` writes a value.
pub(crate) fn encode(cx: &Cx<'_>, val: &Val<'_>, escape: Escape) -> Res<Vec<u8>> {
    let mut out = Vec::new();
    match encode_into(cx, &mut out, val, escape, 0) {
        Ok(()) => Ok(out),
        Err(Unencodable::NoJson) => fail("the value has no JSON"),
        Err(Unencodable::TooLarge) => fail("the value is too large for JSON"),
    }
}

/// Nothing for what has no JSON.
fn lenient(cx: &Cx<'_>, val: &Val<'_>) -> Res<Vec<u8>> {
    let mut out = Vec::new();
    match encode_into(cx, &mut out, val, Escape::Html, 0) {
        Ok(()) => Ok(out),
        Err(Unencodable::NoJson) => Ok(Vec::new()),
        Err(Unencodable::TooLarge) => fail("the value is too large for JSON"),
    }
}

/// What nests deeper than a session can is refused, not followed.
fn encode_into(
    cx: &Cx<'_>,
    out: &mut Vec<u8>,
    val: &Val<'_>,
    escape: Escape,
    depth: usize,
) -> Result<(), Unencodable> {
    if depth > MAX_NESTING || out.len() > cx.budget {
        return Err(Unencodable::TooLarge);
    }
    match val {
        Val::Nil | Val::NilUrl | Val::User(None) | Val::JsonMap(None) | Val::JsonStrings(None) => {
            out.extend_from_slice(b"null");
        }
        Val::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Val::Int(kind, n) if kind.unsigned() => {
            out.extend_from_slice((*n as u64).to_string().as_bytes());
        }
        Val::Int(_, n) => out.extend_from_slice(n.to_string().as_bytes()),
        Val::Float(x) if !x.is_finite() => return Err(Unencodable::NoJson),
        Val::Float(x) => encode_number(out, *x),
        Val::Complex(..) => return Err(Unencodable::NoJson),
        Val::Str(text) => encode_string(out, text.bytes(), escape),
        Val::JsonList(items) => {
            for_each(out, b"[]", items.iter(), |out, item| {
                value::encode(out, item, escape);
                Ok(())
            })?;
        }
        Val::JsonMap(Some(map)) => {
            for_each(out, b"{}", map.iter(), |out, (name, value)| {
                encode_string(out, name.as_bytes(), escape);
                out.push(b':');
                value::encode(out, value, escape);
                Ok(())
            })?;
        }
        Val::List(list) if list.nil => out.extend_from_slice(b"null"),
        Val::List(list) if list.elem == Elem::Byte => {
            let bytes: Vec<u8> = list.items.iter().map(byte).collect();
            encode_string(out, base64(&bytes).as_bytes(), escape);
        }
        Val::Multi(multi) if multi.nil => out.extend_from_slice(b"null"),
        Val::Time(time) => encode_string(out, time.json().as_bytes(), escape),
        Val::Version(version) => encode_string(out, version.original.as_bytes(), escape),
        Val::Location(_) => out.extend_from_slice(b"{}"),
        Val::User(Some(_)) => out.extend_from_slice(b"{}"),
        Val::Url(url) => {
            let text = |bytes: &[u8]| Val::str(bytes);
            let fields = [
                ("Scheme", text(url.scheme.as_bytes())),
                ("Opaque", text(url.opaque.as_bytes())),
                ("User", Val::User(url.user.is_some().then(|| url.clone()))),
                ("Host", text(url.host.as_bytes())),
                ("Path", text(&url.path)),
                ("Fragment", text(&url.fragment)),
                ("RawQuery", text(url.raw_query.as_bytes())),
                ("RawPath", text(url.raw_path.as_bytes())),
                ("RawFragment", text(url.raw_fragment.as_bytes())),
                ("ForceQuery", Val::Bool(url.force_query)),
                ("OmitHost", Val::Bool(url.omit_host)),
            ];
            encode_fields(cx, out, &fields, escape, depth)?;
        }
        Val::Context => {
            let [groups, url, method, header] = context_fields(cx.printer.data);
            let fields = [
                ("regexp_capture_groups", groups.1),
                ("url", url.1),
                ("method", method.1),
                ("header", header.1),
            ];
            encode_fields(cx, out, &fields, escape, depth)?;
        }
        Val::Session | Val::SessionCopy(_) => {
            let data = cx.printer.data;
            out.extend_from_slice(b"{\"subject\":");
            encode_string(out, data.subject().as_bytes(), escape);
            out.extend_from_slice(b",\"extra\":");
            match val {
                Val::SessionCopy(copy) => encode_into(cx, out, &copy.extra, escape, depth + 1)?,
                _ => encode_into(cx, out, &Val::JsonMap(data.extra()), escape, depth + 1)?,
            }
            out.extend_from_slice(b",\"header\":");
            encode_into(
                cx,
                out,
                &Val::Multi(data.header().into()),
                escape,
                depth + 1,
            )?;
            out.extend_from_slice(b",\"match_context\":");
            encode_into(cx, out, &Val::Context, escape, depth + 1)?;
            out.push(b'}');
        }
        Val::List(_) | Val::JsonStrings(Some(_)) => {
            let items = val.items().unwrap_or_default();
            for_each(out, b"[]", items.iter(), |out, item| {
                encode_into(cx, out, item, escape, depth + 1)
            })?;
        }
        Val::Map(_) | Val::Header(_) | Val::Multi(_) => {
            let entries = val.entries().unwrap_or_default();
            for_each(out, b"{}", entries.iter(), |out, (name, value)| {
                encode_into(cx, out, name, escape, depth + 1)?;
                out.push(b':');
                encode_into(cx, out, value, escape, depth + 1)
            })?;
        }
    }
    Ok(())
}

fn byte(val: &Val<'_>) -> u8 {
    match val {
        Val::Int(IntType::Uint8, n) => *n as u8,
        _ => 0,
    }
}

fn for_each<T>(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    items: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut Vec<u8>, T) -> Result<(), Unencodable>,
) -> Result<(), Unencodable> {
    let [open, close] = brackets;
    out.push(*open);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        each(out, item)?;
    }
    out.push(*close);
    Ok(())
}

fn encode_fields(
    cx: &Cx<'_>,
    out: &mut Vec<u8>,
    fields: &[(&str, Val<'_>)],
    escape: Escape,
    depth: usize,
) -> Result<(), Unencodable> {
    for_each(out, b"{}", fields.iter(), |out, (name, value)| {
        encode_string(out, name.as_bytes(), escape);
        out.push(b':');
        encode_into(cx, out, value, escape, depth + 1)
    })
}

pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn sextet(b: u8) -> Option<u32> {
    Some(u32::from(match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Decodes as Go does: line breaks are skipped, padding is required. `Err` is the byte that Go complains of.
pub(super) fn decode64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut at = 0;
    let newline = |at: usize| matches!(text.get(at), Some(b'\n' | b'\r'));
    loop {
        let (mut bits, mut count) = (0u32, 0usize);
        while count < 4 {
            let Some(&b) = text.get(at) else {
                return if count == 0 { Ok(out) } else { Err(at - count) };
            };
            at += 1;
            if let Some(value) = sextet(b) {
                bits = (bits << 6) | value;
                count += 1;
                continue;
            }
            if b == b'\n' || b == b'\r' {
                continue;
            }
            if b != b'=' || count < 2 {
                return Err(at - 1);
            }
            if count == 2 {
                while newline(at) {
                    at += 1;
                }
                match text.get(at) {
                    None => return Err(text.len()),
                    Some(b'=') => at += 1,
                    Some(_) => return Err(at - 1),
                }
            }
            while newline(at) {
                at += 1;
            }
            if at < text.len() {
                return Err(at);
            }
            let bits = bits << (6 * (4 - count));
            let bytes = bits.to_be_bytes();
            out.extend(bytes.iter().skip(1).take(count - 1));
            return Ok(out);
        }
        out.extend(bits.to_be_bytes().iter().skip(1));
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut bits = 0u64;
        for i in 0..5 {
            bits = (bits << 8) | u64::from(chunk.get(i).copied().unwrap_or(0));
        }
        let used = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let index = (bits >> (35 - 5 * i)) & 31;
            let c = BASE32.get(index as usize).copied().unwrap_or(b'=');
            out.push(if i < used { char::from(c) } else { '=' });
        }
    }
    out
}

/// As [`decode64`], for base32.
fn decode32(text: &[u8]) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| *b != b'\n' && *b != b'\r')
        .collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5);
    let mut at = 0;
    let mut end = false;
    while at < text.len() && !end {
        let (mut bits, mut count) = (0u64, 0usize);
        while count < 8 {
            let Some(&b) = text.get(at) else {
                return Err(text.len() - count);
            };
            at += 1;
            let left = text.len() - at;
            if b == b'=' && count >= 2 && left < 8 {
                if left + count < 7 {
                    return Err(text.len());
                }
                for k in 0..7 - count {
                    if text.get(at + k).is_some_and(|b| *b != b'=') {
                        return Err((at + k).saturating_sub(1));
                    }
                }
                if matches!(count, 3 | 6) {
                    return Err(at - 1);
                }
                end = true;
                break;
            }
            match BASE32.iter().position(|known| *known == b) {
                Some(value) => bits = (bits << 5) | value as u64,
                None => return Err(at - 1),
            }
            count += 1;
        }
        let bits = bits << (5 * (8 - count));
        out.extend(bits.to_be_bytes().iter().skip(3).take(count * 5 / 8));
    }
    Ok(out)
}
