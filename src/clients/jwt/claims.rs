//! The claims of a token, normalised once.

use super::Refusal;
use crate::value::{Map, Value};
use std::sync::Arc;

/// What is asked of a token at every request, and what handlers get to see.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// Empty where the claim is absent or no text.
    pub subject: Arc<str>,
    /// All claims, with the scopes as `scp`.
    pub extra: Arc<Map>,
    pub(super) typ: Option<String>,
    pub(super) issuer: String,
    pub(super) audience: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) expires: Option<i64>,
    pub(super) not_before: Option<i64>,
    pub(super) issued: Option<i64>,
}

impl Claims {
    /// `Err` where a time is no number.
    pub(super) fn new(mut claims: Map, typ: Option<String>) -> Result<Claims, Refusal> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let (subject, issuer) = (text("sub").into(), text("iss").to_owned());
        let audience = audience(claims.get("aud"));
        let expires = time(&claims, "exp")?;
        let not_before = time(&claims, "nbf")?;
        let issued = time(&claims, "iat")?;
        let scopes = take_scopes(&mut claims);
        claims.insert("scp".to_owned(), Value::Strings(scopes.clone()));
        Ok(Claims {
            subject,
            extra: Arc::new(claims),
            typ,
            issuer,
            audience,
            scopes,
            expires,
            not_before,
            issued,
        })
    }

    /// Until `exp`; without one, as long as anyone likes.
    pub(super) fn seconds_left(&self, now: i64) -> u64 {
        match self.expires {
            None => u64::MAX,
            Some(expires) => u64::try_from(expires.saturating_sub(now)).unwrap_or(0),
        }
    }
}

/// Whole seconds. Absent and 0 are none, as in the reference, but an end in 1970 is one: no issuer means "never" by it. What is no number is an error, and so is what no clock shows.
fn time(claims: &Map, name: &'static str) -> Result<Option<i64>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(seconds)) if *seconds == 0.0 && name != "exp" => Ok(None),
        #[allow(clippy::cast_possible_truncation, reason = "bounded by the guard")]
        Some(Value::Number(seconds)) if seconds.abs() < 9.0e18 => Ok(Some(seconds.trunc() as i64)),
        Some(_) => Err(Refusal::Claim(name)),
    }
}

/// A text is a list of one; a list with anything but texts is none.
fn audience(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::List(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Takes out the first of the three claims that scopes come in.
fn take_scopes(claims: &mut Map) -> Vec<String> {
    let found = ["scp", "scope", "scopes"]
        .iter()
        .find_map(|name| claims.remove(*name));
    match found {
        Some(Value::String(text)) if text.is_empty() => Vec::new(),
        Some(Value::String(text)) => text.split(' ').map(str::to_owned).collect(),
        Some(Value::List(items)) => items
            .iter()
            .map(|item| item.as_str().unwrap_or_default().to_owned())
            .collect(),
        _ => Vec::new(),
    }
}
