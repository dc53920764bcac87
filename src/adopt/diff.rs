//! `doorward diff`: the same requests to two decision APIs, and only the differences.

use super::requests::Recorded;
use crate::gourl::Url;
use crate::matcher::{Entry, Found, Key, Matcher, Protocol, Strategy};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Headers that differ between two servers or two moments without meaning anything.
const VOLATILE: [&str; 8] = [
    "date",
    "content-length",
    "connection",
    "server",
    "vary",
    "keep-alive",
    "transfer-encoding",
    "ory-error-id",
];
const TIMEOUT: Duration = Duration::from_secs(30);

/// What one decision API said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub status: u16,
    /// In lower case; JWTs stand as their claims without times and ids, since each is new.
    pub headers: BTreeMap<String, String>,
}

/// A request that two APIs decide differently.
#[derive(Debug)]
pub struct Difference {
    pub request: String,
    pub old: Said,
    pub new: Said,
    /// The rules that match, as far as `/rules` tells.
    pub old_rule: Option<String>,
    pub new_rule: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.request)?;
        let rule = |rule: &Option<String>| {
            rule.as_deref()
                .map_or(String::new(), |id| format!(" by rule `{id}`"))
        };
        writeln!(f, "  old: {}{}", self.old.status, rule(&self.old_rule))?;
        writeln!(f, "  new: {}{}", self.new.status, rule(&self.new_rule))?;
        let names: std::collections::BTreeSet<&String> = self
            .old
            .headers
            .keys()
            .chain(self.new.headers.keys())
            .collect();
        for name in names {
            let (old, new) = (self.old.headers.get(name), self.new.headers.get(name));
            if old != new && is_secret(name) {
                writeln!(f, "  header {name} differs")?;
            } else if old != new {
                let shown = |value: Option<&String>| {
                    value.map_or("absent".to_owned(), |value| format!("`{value}`"))
                };
                writeln!(f, "  header {name}: {} → {}", shown(old), shown(new))?;
            }
        }
        Ok(())
    }
}

/// One of the two sides.
#[derive(Debug)]
pub struct Side {
    url: String,
    client: reqwest::Client,
    rules: Option<Rules>,
}

#[derive(Debug)]
struct Rules {
    matcher: Matcher,
    ids: Vec<String>,
}

impl Side {
    /// Asks for the rules too, so that differences can name them; an API that doesn't show them is fine.
    pub async fn connect(url: &str, strategy: Strategy) -> Result<Side, reqwest::Error> {
        let url = url.trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .no_proxy()
            .build()?;
        client.get(format!("{url}/health/alive")).send().await?;
        let rules = match client.get(format!("{url}/rules?limit=500")).send().await {
            Ok(answer) => answer
                .bytes()
                .await
                .ok()
                .and_then(|text| Rules::read(&text, strategy)),
            Err(_) => None,
        };
        Ok(Side { url, client, rules })
    }

    async fn ask(&self, request: &Recorded) -> Result<Said, reqwest::Error> {
        let mut asked = self.client.get(format!("{}/decisions", self.url));
        for (name, value) in &request.headers {
            let folded = name.to_ascii_lowercase().replace(['_', '.'], "-");
            if !folded.starts_with("x-forwarded")
                && !matches!(
                    &*folded,
                    "host" | "connection" | "content-length" | "transfer-encoding"
                )
            {
                asked = asked.header(name, value);
            }
        }
        let answer = asked
            .header("X-Forwarded-Method", &request.method)
            .header("X-Forwarded-Proto", &request.scheme)
            .header("X-Forwarded-Host", &request.host)
            .header("X-Forwarded-Uri", &request.target)
            .send()
            .await?;
        let headers = answer
            .headers()
            .iter()
            .filter(|(name, _)| is_compared(name.as_str()))
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    comparable(&String::from_utf8_lossy(value.as_bytes())),
                )
            })
            .collect();
        Ok(Said {
            status: answer.status().as_u16(),
            headers,
        })
    }
}

impl Rules {
    fn read(text: &[u8], strategy: Strategy) -> Option<Rules> {
        #[derive(Deserialize)]
        struct Listed {
            id: String,
            #[serde(rename = "match")]
            matching: Option<Match>,
        }
        #[derive(Deserialize)]
        struct Match {
            #[serde(default)]
            methods: Vec<String>,
            #[serde(default)]
            url: String,
        }
        let listed: Vec<Listed> = serde_json::from_slice(text).ok()?;
        let matches: Vec<Match> = listed
            .iter()
            .map(|rule| {
                rule.matching.as_ref().map_or(
                    Match {
                        methods: Vec::new(),
                        url: String::new(),
                    },
                    |m| Match {
                        methods: m.methods.clone(),
                        url: m.url.clone(),
                    },
                )
            })
            .collect();
        let entries: Vec<Entry<'_>> = matches
            .iter()
            .map(|m| Entry {
                protocol: Protocol::Http,
                methods: &m.methods,
                url: &m.url,
            })
            .collect();
        let (matcher, _) = Matcher::build(strategy, &entries);
        Some(Rules {
            matcher,
            ids: listed.into_iter().map(|rule| rule.id).collect(),
        })
    }

    fn rule(&self, request: &Recorded) -> Option<String> {
        let mut url = Url::default();
        url.set_path(request.target.split('?').next().unwrap_or_default())
            .ok()?;
        let path = String::from_utf8_lossy(&crate::gourl::path::clean(&url.path)).into_owned();
        let host = request.host.to_lowercase();
        let key = Key {
            protocol: Protocol::Http,
            method: &request.method,
            scheme: &request.scheme,
            host: &host,
            path: &path,
        };
        match self.matcher.find(&key) {
            Found::One(index) => self.ids.get(index as usize).cloned(),
            Found::None | Found::Several(..) | Found::Overrun(_) => None,
        }
    }
}

/// What was asked comes back from `noop` and says nothing about the decision.
fn is_compared(name: &str) -> bool {
    !VOLATILE.contains(&name) && !name.starts_with("x-forwarded")
}

/// Values that are credentials are compared and never shown.
fn is_secret(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "set-cookie")
}

/// A JWT without what is new in each one.
fn comparable(value: &str) -> String {
    use base64::Engine as _;
    let token = value.rsplit(' ').next().unwrap_or_default();
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return value.to_owned();
    };
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .ok();
    let Some(serde_json::Value::Object(mut claims)) =
        decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok())
    else {
        return value.to_owned();
    };
    for volatile in ["iat", "exp", "nbf", "jti"] {
        claims.remove(volatile);
    }
    claims.sort_keys();
    format!("jwt {}", serde_json::Value::Object(claims))
}

/// Replays all requests, in order, and returns those that the two sides decide differently.
pub async fn compare(
    old: &Side,
    new: &Side,
    requests: &[Recorded],
) -> Result<Vec<Difference>, reqwest::Error> {
    let mut found = Vec::new();
    for request in requests {
        let (said_old, said_new) = (old.ask(request).await?, new.ask(request).await?);
        if said_old != said_new {
            found.push(Difference {
                request: request.to_string(),
                old: said_old,
                new: said_new,
                old_rule: old.rules.as_ref().and_then(|rules| rules.rule(request)),
                new_rule: new.rules.as_ref().and_then(|rules| rules.rule(request)),
            });
        }
    }
    Ok(found)
}
