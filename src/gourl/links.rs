//! URLs that are made of a configured one and that of a request.

use super::{ParseError, Url, path};
use std::fmt::Write as _;

/// Where a session is checked: the configured URL, with the request's path unless `preserve_path`, and with the request's query
/// unless `preserve_query`. The request never changes scheme or host.
pub fn session_check_url(
    check: &Url,
    request: &Url,
    preserve_path: bool,
    preserve_query: bool,
) -> Url {
    let mut url = check.clone();
    if !preserve_query {
        url.raw_query.clone_from(&request.raw_query);
    }
    if !preserve_path {
        url.path.clone_from(&request.path);
    }
    url
}

/// Where a redirect leads: `to`, with the request's URL in a query parameter if one is configured. A `to` that cannot be parsed is
/// used as it is.
pub fn redirect_url(to: &str, return_to_query_param: &str, request: &Url) -> String {
    if return_to_query_param.is_empty() {
        return to.to_owned();
    }
    let Ok(mut url) = Url::parse(to) else {
        return to.to_owned();
    };
    let mut query = url.query();
    query.set(return_to_query_param, request.to_string());
    url.raw_query = query.encode();
    url.to_string()
}

/// The `Location` header for [`redirect_url`]: a relative one is made absolute against the request's path, and is ASCII.
///
/// The path is the client's. Unlike the reference it goes in encoded, so that no byte of it ends the header, begins a query or makes
/// a browser see another host (`/\evil.test`).
pub fn location(target: &str, request_path: &[u8]) -> String {
    let absolute = absolute_location(target, request_path);
    let mut out = String::with_capacity(absolute.len());
    for byte in absolute.bytes() {
        if byte.is_ascii() && !byte.is_ascii_control() {
            out.push(char::from(byte));
        } else {
            // INVARIANT: writing to a string cannot fail.
            let _infallible = write!(out, "%{byte:02x}");
        }
    }
    out
}

/// The same for a reader: what is not ASCII stands as it is.
pub fn absolute_location(target: &str, request_path: &[u8]) -> String {
    let relative = Url::parse(target).is_ok_and(|url| !url.is_abs() && url.host.is_empty());
    if relative {
        join_to_folder(target, request_path)
    } else {
        target.to_owned()
    }
}

fn join_to_folder(target: &str, request_path: &[u8]) -> String {
    let mut full = Vec::new();
    if !target.starts_with('/') {
        let folder_end = request_path
            .iter()
            .rposition(|&b| b == b'/')
            .map_or(0, |at| at + 1);
        let folder = request_path.get(..folder_end).unwrap_or_default();
        push_harmless(&mut full, if folder.is_empty() { b"/" } else { folder });
    }
    let (path_part, query) = match target.find('?').and_then(|at| target.split_at_checked(at)) {
        Some(parts) => parts,
        None => (target, ""),
    };
    full.extend_from_slice(path_part.as_bytes());
    let mut out = path::clean(&full);
    if full.ends_with(b"/") && !out.ends_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(query.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// Encodes the ASCII bytes that mean something else in a header, a query or to a browser; other bytes are encoded later, or are
/// replaced where they are not UTF-8.
fn push_harmless(out: &mut Vec<u8>, path: &[u8]) {
    for &byte in path {
        let harmful = byte.is_ascii_control()
            || matches!(
                byte,
                b' ' | b'"'
                    | b'#'
                    | b'%'
                    | b'<'
                    | b'>'
                    | b'?'
                    | b'\\'
                    | b'^'
                    | b'`'
                    | b'{'
                    | b'|'
                    | b'}'
            );
        if harmful || byte >= 0x80 {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        } else {
            out.push(byte);
        }
    }
}

/// Where rules come from (`access_rules.repositories`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub url: Url,
    /// The path of a local file; `None` for a remote source or inline content.
    pub file: Option<Vec<u8>>,
}

/// Reads a rule source. `file://` is often written before a relative path, so what follows it is a path unless that begins with `/`;
/// `c:\` and `\\server\share` are local files too.
pub fn repository(text: &str) -> Result<Repository, ParseError> {
    let url = repository_url(text)?;
    let local = matches!(url.scheme.as_str(), "" | "file");
    let file = local.then(|| path::clean(&url.path));
    Ok(Repository { url, file })
}

fn repository_url(text: &str) -> Result<Url, ParseError> {
    const FILE: &str = "file://";
    let rest = match text.split_at_checked(FILE.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(FILE) => rest,
        Some(_) | None => text,
    };
    if rest.len() < text.len() && rest.starts_with('/') {
        return Url::parse(text);
    }
    match rest.as_bytes() {
        [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic() => {
            Url::parse(&format!("file:///{rest}"))
        }
        [b'\\', b'\\', ..] => {
            let share = rest.trim_start_matches('\\');
            let (host, path) = share.split_once('\\').unwrap_or((share, ""));
            Url::parse(&format!("file://{host}/{}", path.replace('\\', "/")))
        }
        _ => Url::parse(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gourl::goldens::{cases, json};
    use serde_json::json;

    #[test]
    fn redirects_lead_where_recorded() {
        for case in cases("urls.json", "redirect") {
            let request = Url::parse(&case.text("request_url")).expect("a url");
            let url = redirect_url(
                &case.text("to"),
                &case.text("return_to_query_param"),
                &request,
            );
            let actual = json!({ "location": location(&url, &request.path), "url": url });
            assert_eq!(case.output(), Some(&actual), "{}", case.name());
        }
    }

    #[test]
    fn the_request_path_cannot_leave_the_site_or_the_header() {
        for path in [
            &b"/\\evil.test/x"[..],
            b"//evil.test/x",
            b"/a\r\nSet-Cookie: x/",
            b"/a?b#c/d",
            b"/\t/evil.test/x",
        ] {
            let location = location("login", path);
            assert!(
                location.starts_with('/')
                    && !location.starts_with("//")
                    && !location.contains('\\'),
                "{location}"
            );
            assert!(
                location.bytes().all(|b| b.is_ascii_graphic()) && !location.contains(['?', '#']),
                "{location}"
            );
        }
    }

    #[test]
    fn session_checks_go_where_recorded() {
        for case in cases("urls.json", "session_check_url") {
            let request = Url::parse_request_uri(&case.text("target")).expect("a target");
            let actual = Url::parse(&case.text("check_session_url"))
                .ok()
                .map(|check| {
                    session_check_url(
                        &check,
                        &request,
                        case.flag("preserve_path"),
                        case.flag("preserve_query"),
                    )
                    .to_string()
                    .into()
                });
            assert_eq!(case.output(), actual.as_ref(), "{}", case.name());
        }
    }

    #[test]
    fn the_request_never_chooses_where_its_session_is_checked() {
        let check = Url::parse("http://store/whoami").expect("a url");
        let request = Url::parse_request_uri("//evil.test/x").expect("a target");
        let url = session_check_url(&check, &request, false, false);
        assert_eq!(Url::parse(&url.to_string()).expect("a url").host, "store");
    }

    #[test]
    fn rule_sources_are_read_as_recorded() {
        for case in cases("urls.json", "repository") {
            let actual = repository(&case.text("url")).ok().map(|repository| {
                let mut value = json!({
                    "local": repository.file.is_some(), "scheme": repository.url.scheme, "string": repository.url.to_string(),
                });
                if let Some(file) = &repository.file {
                    value["file"] = json(file);
                }
                value
            });
            assert_eq!(case.output(), actual.as_ref(), "{}", case.name());
        }
    }
}
