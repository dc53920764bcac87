//! What an introspection endpoint answers, and what a rule demands of it.

use crate::clients::{Portable, unix_seconds};
use crate::pipeline::{Denial, Identity, Reason};
use crate::scope::Strategy;
use crate::value::{self, Map, Value, fold_eq, members};
use std::sync::Arc;
use std::time::Duration;

/// The members that the reference knows; others are dropped.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Introspected {
    active: bool,
    /// What `active` said so far, in any spelling.
    said_active: Option<bool>,
    ext: Map,
    sub: String,
    username: String,
    aud: Vec<String>,
    iss: String,
    client_id: String,
    scope: String,
    /// Seconds since 1970; 0 is none.
    exp: i64,
    token_use: String,
    /// The answer as it came.
    text: Vec<u8>,
}

impl Portable for Introspected {
    fn write(&self) -> Vec<u8> {
        self.text.clone()
    }

    fn read(bytes: &[u8]) -> Option<Introspected> {
        Introspected::parse(bytes)
    }
}

impl Introspected {
    /// Reads the first JSON value, as Go does: members without regard to case, the last one counts, `null` changes nothing.
    /// `None` where it is no object or a member is of the wrong type.
    pub(super) fn parse(body: &[u8]) -> Option<Introspected> {
        let mut read = Introspected {
            text: body.to_vec(),
            ..Introspected::default()
        };
        match value::decode_first(body).ok()? {
            (Value::Null, _) => return Some(read),
            (Value::Map(_), _) => {}
            _ => return None,
        }
        for (name, text) in members(body).ok()? {
            let value = value::decode(text).ok()?;
            if value != Value::Null {
                read.take(&name, text, value)?;
            }
        }
        Some(read)
    }

    fn take(&mut self, name: &str, text: &[u8], value: Value) -> Option<()> {
        let known = |field: &str| fold_eq(name, field);
        if known("active") {
            let Value::Bool(active) = value else {
                return None;
            };
            // Go takes the last of several spellings; an answer that contradicts itself is no yes.
            self.active = active && self.said_active != Some(false);
            self.said_active = Some(self.active);
        } else if known("ext") {
            let Value::Map(ext) = value else { return None };
            self.ext.extend(ext);
        } else if known("aud") {
            self.aud = audience(value)?;
        } else if known("exp") {
            // Go wants a whole number, written as one.
            self.exp = std::str::from_utf8(text).ok()?.parse().ok()?;
        } else if known("token_type") {
            value.as_str()?;
        } else {
            let texts = [
                ("sub", &mut self.sub),
                ("username", &mut self.username),
                ("iss", &mut self.iss),
                ("client_id", &mut self.client_id),
                ("scope", &mut self.scope),
                ("token_use", &mut self.token_use),
            ];
            if let Some((_, field)) = texts.into_iter().find(|(field, _)| known(field)) {
                *field = value.as_str()?.to_owned();
            }
        }
        Some(())
    }

    /// How long the answer may be remembered, never longer than the token lives.
    pub(super) fn life(&self, most: Duration) -> Duration {
        if self.exp == 0 {
            return most;
        }
        let left = u64::try_from(self.exp.saturating_sub(unix_seconds())).unwrap_or(0);
        most.min(Duration::from_secs(left))
    }

    fn identity(&self) -> Identity {
        let mut extra = self.ext.clone();
        for (name, text) in [
            ("username", &self.username),
            ("client_id", &self.client_id),
            ("scope", &self.scope),
        ] {
            extra.insert(name.to_owned(), Value::String(text.clone()));
        }
        if !self.aud.is_empty() {
            extra.insert("aud".to_owned(), Value::Strings(self.aud.clone()));
        }
        Identity {
            subject: self.sub.as_str().into(),
            extra: Some(Arc::new(extra)),
        }
    }
}

/// One text or a list of texts.
fn audience(value: Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one]),
        list => list.into_strings(),
    }
}

/// What one rule demands.
#[derive(Debug)]
pub(super) struct Demands {
    pub(super) strategy: Strategy,
    pub(super) scopes: Vec<String>,
    pub(super) audience: Vec<String>,
    pub(super) issuers: Vec<String>,
}

impl Demands {
    /// Whether the endpoint is left to decide about scopes.
    pub(super) fn are_delegated(&self) -> bool {
        self.strategy == Strategy::None && !self.scopes.is_empty()
    }

    /// In the reference's order and words.
    pub(super) fn judge(&self, found: &Introspected) -> Result<Identity, Denial> {
        let refuse = |reason, why: String| Err(Denial::new(reason).because(why));
        if !found.token_use.is_empty() && found.token_use != "access_token" {
            let why = format!(
                "Use of introspected token is not an access token but \"{}\"",
                found.token_use
            );
            return refuse(Reason::Forbidden, why);
        }
        if !found.active {
            return refuse(
                Reason::Unauthorized,
                "Access token is not active".to_owned(),
            );
        }
        // 0 stands for an answer without an end; before 1970 every token has ended.
        if found.exp != 0 && found.exp <= unix_seconds() {
            return refuse(Reason::Unauthorized, "Access token expired".to_owned());
        }
        if let Some(wanted) = self
            .audience
            .iter()
            .find(|wanted| !found.aud.contains(wanted))
        {
            let why = format!("Token audience is not intended for target audience {wanted}");
            return refuse(Reason::Forbidden, why);
        }
        if !self.issuers.is_empty() && !self.issuers.contains(&found.iss) {
            let why = "Token issuer does not match any trusted issuer".to_owned();
            return refuse(Reason::Forbidden, why);
        }
        if let Some(wanted) = self.missing_scope(found) {
            return refuse(Reason::Forbidden, format!("Scope {wanted} was not granted"));
        }
        Ok(found.identity())
    }

    fn missing_scope(&self, found: &Introspected) -> Option<&String> {
        if self.strategy == Strategy::None {
            return None;
        }
        let granted: Vec<&str> = found.scope.split(' ').collect();
        self.scopes
            .iter()
            .find(|wanted| !self.strategy.grants(&granted, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demands() -> Demands {
        Demands {
            strategy: Strategy::Exact,
            scopes: Vec::new(),
            audience: Vec::new(),
            issuers: Vec::new(),
        }
    }

    fn judge(body: &str) -> Option<Result<Identity, Reason>> {
        let found = Introspected::parse(body.as_bytes())?;
        Some(demands().judge(&found).map_err(|denial| denial.reason))
    }

    #[test]
    fn only_an_active_access_token_that_has_not_ended_identifies() {
        for (body, reason) in [
            (r#"{"active":false,"sub":"a"}"#, Reason::Unauthorized),
            (r#"{"sub":"a"}"#, Reason::Unauthorized),
            ("{}", Reason::Unauthorized),
            ("null", Reason::Unauthorized),
            (r#"{"active":null}"#, Reason::Unauthorized),
            (r#"{"active":true,"active":false}"#, Reason::Unauthorized),
            (r#"{"active":true,"exp":1}"#, Reason::Unauthorized),
            (
                r#"{"active":true,"token_use":"refresh_token"}"#,
                Reason::Forbidden,
            ),
            (
                r#"{"active":true,"token_use":"ACCESS_TOKEN"}"#,
                Reason::Forbidden,
            ),
        ] {
            assert_eq!(judge(body), Some(Err(reason)), "{body}");
        }
    }

    #[test]
    fn what_is_of_the_wrong_type_is_no_answer() {
        for body in [
            "",
            "[]",
            "\"active\"",
            "<html>",
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":true,"exp":"4102444800"}"#,
            r#"{"active":true,"exp":4e9}"#,
            r#"{"active":true,"exp":1.5}"#,
            r#"{"active":true,"aud":5}"#,
            r#"{"active":true,"aud":["x",5]}"#,
            r#"{"active":true,"ext":[]}"#,
            r#"{"active":true,"sub":5}"#,
            r#"{"active":true,"token_type":5}"#,
            r#"{"active":true"#,
        ] {
            assert_eq!(judge(body), None, "{body}");
        }
    }

    #[test]
    fn the_token_s_own_members_go_over_those_of_ext() {
        let body = r#"{"active":true,"sub":"a","username":"u","aud":"x","ext":{"username":"evil","k":1}} trailing"#;
        let identity = judge(body).unwrap().unwrap();
        assert_eq!(&*identity.subject, "a");
        let extra = identity.extra.unwrap();
        assert_eq!(extra["username"], Value::String("u".to_owned()));
        assert_eq!(extra["aud"], Value::Strings(vec!["x".to_owned()]));
        assert_eq!(extra["scope"], Value::String(String::new()));
        assert_eq!(extra["k"], Value::Number(1.0));
    }

    #[test]
    fn an_answer_is_not_remembered_longer_than_its_token_lives() {
        let with = |exp: i64| Introspected {
            exp,
            ..Introspected::default()
        };
        let most = Duration::from_secs(60);
        assert_eq!(with(0).life(most), most);
        assert_eq!(with(unix_seconds() - 1).life(most), Duration::ZERO);
        assert!(with(unix_seconds() + 5).life(most) <= Duration::from_secs(5));
        assert_eq!(with(unix_seconds() + 3600).life(most), most);
    }
}
