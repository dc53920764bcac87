//! Paths, URLs and versions.

use super::Ty::{Map, String as Text};
use super::{Args, Function};
use crate::gourl::{Url, path};
use crate::template::fail::{fail, failf};
use crate::template::print::stringer;
use crate::template::semver::{Version, satisfies};
use crate::template::val::{Entries, Res, Val};
use std::rc::Rc;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("base", &[Text], |cx, mut args| {
        let name = base(args.str().bytes());
        cx.text(name)
    }),
    Function::new("dir", &[Text], |cx, mut args| {
        let folder = dir(args.str().bytes());
        cx.text(folder)
    }),
    Function::new("ext", &[Text], |cx, mut args| {
        let text = args.str();
        let bytes = text.bytes();
        let name = bytes
            .iter()
            .rposition(|&b| b == b'/')
            .map_or(0, |at| at + 1);
        let dot = bytes
            .iter()
            .rposition(|&b| b == b'.')
            .filter(|at| *at >= name);
        cx.text(dot.and_then(|at| bytes.get(at..)).unwrap_or_default())
    }),
    Function::new("clean", &[Text], |cx, mut args| {
        let clean = path::clean(args.str().bytes());
        cx.text(clean)
    }),
    Function::new("isAbs", &[Text], |_, mut args| {
        Ok(Val::Bool(args.str().bytes().starts_with(b"/")))
    }),
    Function::new("urlParse", &[Text], |cx, mut args| {
        let text = args.text();
        cx.spend(text.len().saturating_mul(4))?;
        let Ok(url) = Url::parse(&text) else {
            return fail("unable to parse url");
        };
        Ok(parts(url))
    }),
    Function::new("urlJoin", &[Map], |cx, mut args| {
        let url = joined(&args.val())?;
        cx.text(url)
    }),
    Function::new("semver", &[Text], |_, args| {
        Ok(Val::Version(Rc::new(version(args)?)))
    }),
    Function::new("semverCompare", &[Text, Text], |_, mut args| {
        let constraint = args.text();
        let version = version(args)?;
        match satisfies(&constraint, &version) {
            Some(satisfied) => Ok(Val::Bool(satisfied)),
            None => failf(format!("not a version constraint: `{constraint}`")),
        }
    }),
];

fn version(mut args: Args<'_>) -> Res<Version> {
    let text = args.text();
    match Version::parse(&text) {
        Some(version) => Ok(version),
        None => failf(format!("not a version: `{text}`")),
    }
}

/// `path.Base`
fn base(text: &[u8]) -> Vec<u8> {
    if text.is_empty() {
        return b".".to_vec();
    }
    let end = text.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
    let trimmed = text.get(..end).unwrap_or_default();
    let name = trimmed.rsplit(|&b| b == b'/').next().unwrap_or_default();
    if name.is_empty() {
        return b"/".to_vec();
    }
    name.to_vec()
}

/// `path.Dir`
fn dir(text: &[u8]) -> Vec<u8> {
    let end = text.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    path::clean(text.get(..end).unwrap_or_default())
}

fn parts<'a>(url: Url) -> Val<'a> {
    let url = Rc::new(url);
    let user = url.user.is_some().then(|| Val::User(Some(url.clone())));
    let user = user.as_ref().and_then(stringer).unwrap_or_default();
    let fields: [(&str, &[u8]); 8] = [
        ("scheme", url.scheme.as_bytes()),
        ("host", url.host.as_bytes()),
        ("hostname", url.hostname().as_bytes()),
        ("path", &url.path),
        ("query", url.raw_query.as_bytes()),
        ("opaque", url.opaque.as_bytes()),
        ("fragment", &url.fragment),
        ("userinfo", &user),
    ];
    Val::map(
        fields
            .into_iter()
            .map(|(name, text)| (Rc::from(name.as_bytes()), Val::str(text)))
            .collect::<Entries<'a>>(),
    )
}

fn joined(map: &Val<'_>) -> Res<String> {
    let part = |name: &str| -> Res<Vec<u8>> {
        if !map.has_member(name.as_bytes()) {
            return Ok(Vec::new());
        }
        match map.member(name.as_bytes()) {
            Some(Val::Str(text)) => Ok(text.bytes().to_vec()),
            _ => failf(format!("urlJoin: `{name}` is no string")),
        }
    };
    let text = |name: &str| part(name).map(|bytes| crate::template::val::lossy(&bytes));
    let userinfo = text("userinfo")?;
    let user = if userinfo.is_empty() {
        None
    } else {
        match Url::parse(&format!("proto://{userinfo}@host")) {
            Ok(url) => url.user,
            Err(_) => return fail("urlJoin: `userinfo` is malformed"),
        }
    };
    let url = Url {
        scheme: text("scheme")?,
        host: text("host")?,
        path: part("path")?,
        raw_query: text("query")?,
        opaque: text("opaque")?,
        fragment: part("fragment")?,
        user,
        ..Url::default()
    };
    Ok(url.to_string())
}
