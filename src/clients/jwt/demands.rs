//! What a rule demands of a token with a right signature.

use super::{Claims, Refusal};
use crate::clients::keys::Algorithm;
use crate::scope::Strategy;
use crate::value::Value;

/// A stricter kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    #[default]
    None,
    /// Access tokens of OAuth 2: `typ` and the claims that RFC 9068, 2.2 requires.
    Rfc9068,
}

/// The demands of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demands {
    pub algorithms: Vec<Algorithm>,
    /// All of them must be in `aud`.
    pub audience: Vec<String>,
    /// `iss` must be one of them, where there are any.
    pub issuers: Vec<String>,
    /// All of them must be granted.
    pub scopes: Vec<String>,
    pub strategy: Strategy,
    pub expiry: Expiry,
    /// Seconds that clocks may differ.
    pub leeway: i64,
    pub profile: Profile,
}

/// Whether a token must say when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Expiry {
    #[default]
    Optional,
    Required,
}

impl Demands {
    pub(super) fn allows(&self, alg: Algorithm) -> bool {
        self.algorithms.contains(&alg)
    }

    /// In the reference's order: times, audience, issuer, scope.
    pub(super) fn judge(&self, claims: &Claims, now: i64) -> Result<(), Refusal> {
        self.times(claims, now)?;
        self.profile(claims)?;
        if let Some(wanted) = self
            .audience
            .iter()
            .find(|wanted| !claims.audience.contains(wanted))
        {
            return Err(Refusal::Audience(wanted.clone()));
        }
        if !self.issuers.is_empty() && !self.issuers.contains(&claims.issuer) {
            return Err(Refusal::Issuer);
        }
        self.scopes(claims)
    }

    fn times(&self, claims: &Claims, now: i64) -> Result<(), Refusal> {
        match claims.expires {
            None if self.expiry == Expiry::Required => return Err(Refusal::NoExpiry),
            Some(expires) if now >= expires.saturating_add(self.leeway) => {
                return Err(Refusal::Expired);
            }
            None | Some(_) => {}
        }
        let later = now.saturating_add(self.leeway);
        if claims.not_before.is_some_and(|start| later < start) {
            return Err(Refusal::NotYet);
        }
        if claims.issued.is_some_and(|issued| later < issued) {
            return Err(Refusal::Future);
        }
        Ok(())
    }

    fn scopes(&self, claims: &Claims) -> Result<(), Refusal> {
        if self.strategy == Strategy::None && !self.scopes.is_empty() {
            return Err(Refusal::ScopeStrategy);
        }
        let missing = |wanted: &&String| !self.strategy.grants(&claims.scopes, wanted);
        match self.scopes.iter().find(missing) {
            Some(wanted) => Err(Refusal::Scope(wanted.clone())),
            None => Ok(()),
        }
    }

    fn profile(&self, claims: &Claims) -> Result<(), Refusal> {
        if self.profile == Profile::None {
            return Ok(());
        }
        let typ = claims.typ.as_deref().unwrap_or_default();
        let typ = typ.to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != "at+jwt" {
            return Err(Refusal::Profile("`typ` is not `at+jwt`"));
        }
        for name in ["iss", "sub", "client_id", "jti"] {
            let present = claims.extra.get(name).and_then(Value::as_str);
            if present.is_none_or(str::is_empty) {
                return Err(Refusal::Profile("a claim that it requires is missing"));
            }
        }
        if claims.expires.is_none() || claims.issued.is_none() || claims.audience.is_empty() {
            return Err(Refusal::Profile("a claim that it requires is missing"));
        }
        Ok(())
    }
}
