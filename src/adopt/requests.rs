//! Requests to replay, read from what people have: JSON lines, HAR files, access logs.

use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// One request as a gateway would describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    pub host: String,
    /// As the client wrote it, with the query.
    pub target: String,
    pub headers: Vec<(String, String)>,
}

impl fmt::Display for Recorded {
    /// Without the query, which may carry credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{} {}://{}{path}", self.method, self.scheme, self.host)
    }
}

/// A line or entry that is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct Unreadable {
    /// Counted from 1; for a HAR file the entry.
    pub line: usize,
    pub message: String,
}

/// Requests in the order of the text, and what could not be read. Access logs name no host: `host` stands for it.
pub fn read(text: &str, host: &str) -> (Vec<Recorded>, Vec<Unreadable>) {
    if let Ok(Value::Object(document)) = serde_json::from_str(text)
        && document.contains_key("log")
    {
        return sorted(har(&Value::Object(document)));
    }
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    sorted(lines.map(|(index, line)| {
        let read = if line.trim_start().starts_with('{') {
            json_line(line)
        } else {
            log_line(line, host)
        };
        read.map_err(|message| Unreadable {
            line: index + 1,
            message,
        })
    }))
}

fn sorted(
    read: impl IntoIterator<Item = Result<Recorded, Unreadable>>,
) -> (Vec<Recorded>, Vec<Unreadable>) {
    let (mut requests, mut unreadable) = (Vec::new(), Vec::new());
    for one in read {
        match one {
            Ok(request) => requests.push(request),
            Err(problem) => unreadable.push(problem),
        }
    }
    (requests, unreadable)
}

/// `{"method": "GET", "url": "https://host/path?query", "headers": {"Cookie": "a=b"}}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
}

fn get() -> String {
    "GET".to_owned()
}

fn json_line(line: &str) -> Result<Recorded, String> {
    let line: JsonLine = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let headers = line
        .headers
        .into_iter()
        .flat_map(|(name, value)| match value {
            Value::Array(values) => values
                .into_iter()
                .map(|value| (name.clone(), text(&value)))
                .collect::<Vec<_>>(),
            value => vec![(name, text(&value))],
        });
    recorded(line.method, &line.url, headers.collect())
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// HTTP Archive 1.2, as browsers save it.
fn har(document: &Value) -> Vec<Result<Recorded, Unreadable>> {
    let entries = document.pointer("/log/entries").and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(index, entry)| {
            let request = entry.get("request").ok_or("an entry without `request`");
            let member = |name: &str| {
                request
                    .ok()
                    .and_then(|request| request.get(name))
                    .and_then(Value::as_str)
            };
            let headers = request
                .ok()
                .and_then(|request| request.get("headers"))
                .and_then(Value::as_array);
            let headers = headers.into_iter().flatten().filter_map(|header| {
                let name = header.get("name")?.as_str()?;
                // HTTP/2's own fields are told by method and url.
                (!name.starts_with(':'))
                    .then(|| Some((name.to_owned(), header.get("value")?.as_str()?.to_owned())))?
            });
            let url = member("url").ok_or("an entry without `request.url`");
            url.map_err(str::to_owned)
                .and_then(|url| {
                    recorded(
                        member("method").unwrap_or("GET").to_owned(),
                        url,
                        headers.collect(),
                    )
                })
                .map_err(|message| Unreadable {
                    line: index + 1,
                    message,
                })
        })
        .collect()
}

fn recorded(method: String, url: &str, headers: Vec<(String, String)>) -> Result<Recorded, String> {
    let (scheme, host, target) = split(url).ok_or_else(|| format!("`{url}` is no absolute url"))?;
    let target = target.split('#').next().unwrap_or_default().to_owned();
    Ok(Recorded {
        method,
        scheme: scheme.to_owned(),
        host: host.to_owned(),
        target,
        headers,
    })
}

/// Scheme, host and request target of an absolute URL, as they are written.
pub fn split(url: &str) -> Option<(&str, &str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at_checked(end)?;
    let target = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    };
    Some((scheme, host, target))
}

/// The common and combined formats: the first quoted part is `METHOD TARGET VERSION`.
fn log_line(line: &str, host: &str) -> Result<Recorded, String> {
    let request = line.split('"').nth(1).ok_or("no quoted request line")?;
    let mut parts = request.split(' ');
    let (Some(method), Some(target)) = (
        parts.next(),
        parts.next().filter(|target| target.starts_with('/')),
    ) else {
        return Err(format!("`{request}` is no request line"));
    };
    Ok(Recorded {
        method: method.to_owned(),
        scheme: "http".to_owned(),
        host: host.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_reported_and_the_rest_is_read() {
        let text = "# a comment\n{\"url\": \"no-scheme\"}\n127.0.0.1 - - [date] \"-\" 400 0\n{\"url\": \"https://h.test/a?b\"}\n";
        let (requests, unreadable) = read(text, "x.test");
        assert_eq!(requests.len(), 1);
        assert_eq!(
            unreadable
                .iter()
                .map(|problem| problem.line)
                .collect::<Vec<_>>(),
            [2, 3]
        );
    }

    #[test]
    fn the_usual_forms_say_the_same() {
        let json = r#"{"method":"POST","url":"http://h.test/a/b?c=d","headers":{"X-A":"1"}}"#;
        let har = r#"{"log":{"entries":[{"request":{"method":"POST","url":"http://h.test/a/b?c=d#e","headers":[{"name":":path","value":"/"},{"name":"X-A","value":"1"}]}}]}}"#;
        let expected = Recorded {
            method: "POST".into(),
            scheme: "http".into(),
            host: "h.test".into(),
            target: "/a/b?c=d".into(),
            headers: vec![("X-A".into(), "1".into())],
        };
        assert_eq!(read(json, "").0, std::slice::from_ref(&expected));
        assert_eq!(read(har, "").0, std::slice::from_ref(&expected));
        let log = r#"10.0.0.1 - - [24/Nov/2026:11:00:00 +0000] "POST /a/b?c=d HTTP/1.1" 200 2 "-" "curl""#;
        assert_eq!(
            read(log, "h.test").0,
            [Recorded {
                headers: Vec::new(),
                ..expected
            }]
        );
    }
}
