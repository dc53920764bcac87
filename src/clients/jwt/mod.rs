//! JSON Web Tokens: read strictly, verified once, judged at every request.
//!
//! Whether a signature is right doesn't depend on the rule; what the rule demands of a right token does. So the first is
//! remembered, with the very key that verified it, and the second is asked each time, as is whether the rule still trusts the key.

mod claims;
mod demands;
#[cfg(test)]
mod tests;
mod token;

pub use claims::Claims;
pub use demands::{Demands, Expiry, Profile};
pub use token::unverified_claims;

use super::cache::{Cache, Key, KeyBuilder};
use super::jwks::{FindError, KeyRing};
use super::keys::{Algorithm, VerifyingKey};
use super::unix_seconds;
use std::sync::Arc;
use std::time::Duration;
use token::Token;

/// How many keys are tried for a token that doesn't name its own.
const MAX_KEYS: usize = 16;
/// How long a verified token is remembered at most.
const MAX_LIFE: u64 = 600;

/// Why a token is refused. Says nothing of the token's contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Token is malformed: {0}")]
    Malformed(&'static str),
    #[error("Token uses an algorithm that is not allowed")]
    Algorithm,
    #[error("Token demands an extension that is not understood")]
    Critical,
    #[error("Token does not name its key")]
    NoKeyId,
    #[error("Token is unverifiable: {0}")]
    Key(#[from] FindError),
    #[error("Token signature is invalid")]
    Signature,
    #[error("Token is expired")]
    Expired,
    #[error("Token has no expiry")]
    NoExpiry,
    #[error("Token is not valid yet")]
    NotYet,
    #[error("Token used before issued")]
    Future,
    #[error("Token claim `{0}` is invalid")]
    Claim(&'static str),
    #[error("Token audience is not intended for target audience {0}.")]
    Audience(String),
    #[error("Token issuer does not match any trusted issuer.")]
    Issuer,
    #[error("JSON Web Token is missing required scope \"{0}\".")]
    Scope(String),
    #[error("Scope validation was requested but scope strategy is set to \"NONE\".")]
    ScopeStrategy,
    #[error("Token does not follow RFC 9068: {0}")]
    Profile(&'static str),
}

/// A token whose signature was right, and the key that said so.
#[derive(Debug)]
pub struct Verified {
    pub claims: Claims,
    alg: Algorithm,
    kid: Option<String>,
    key: Arc<VerifyingKey>,
}

/// How tokens without `kid` are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nameless {
    /// As the reference does.
    Refused,
    /// Every key that fits is tried.
    Tried,
}

/// Verifies tokens for one rule.
#[derive(Debug, Clone)]
pub struct Verifier {
    pub demands: Demands,
    pub nameless: Nameless,
    pub memory: Cache<Verified>,
}

impl Verifier {
    /// `None` where the text is no JWT at all: somebody else's credentials.
    pub async fn verify(
        &self,
        token: &[u8],
        ring: &KeyRing,
    ) -> Option<Result<Arc<Verified>, Refusal>> {
        let key = memory_key(token);
        if let Some(known) = self.memory.get(&key)
            && known.is_trusted(ring)
        {
            return Some(self.judge(known));
        }
        let token = Token::split(token)?;
        Some(self.verify_anew(&token, ring, key).await)
    }

    async fn verify_anew(
        &self,
        token: &Token<'_>,
        ring: &KeyRing,
        memory_key: Key,
    ) -> Result<Arc<Verified>, Refusal> {
        let header = token.header()?;
        let claims = token.claims()?;
        let allowed = header.alg.filter(|alg| self.demands.allows(*alg));
        let alg = allowed.ok_or(Refusal::Algorithm)?;
        if header.critical {
            return Err(Refusal::Critical);
        }
        let key = self.key(token, header.kid.as_deref(), alg, ring).await?;
        let verified = Arc::new(Verified {
            claims: Claims::new(claims, header.typ)?,
            alg,
            kid: header.kid,
            key,
        });
        let verified = self.judge(verified)?;
        let life = verified.claims.seconds_left(unix_seconds()).min(MAX_LIFE);
        self.memory.put(
            memory_key,
            verified.clone(),
            token.len() * 3,
            Duration::from_secs(life),
        );
        Ok(verified)
    }

    /// The key whose signature the token carries.
    async fn key(
        &self,
        token: &Token<'_>,
        kid: Option<&str>,
        alg: Algorithm,
        ring: &KeyRing,
    ) -> Result<Arc<VerifyingKey>, Refusal> {
        let keys = match (kid, self.nameless) {
            (Some(kid), _) => vec![ring.find(kid, alg).await?],
            (None, Nameless::Tried) => ring.all(alg, MAX_KEYS).await?,
            (None, Nameless::Refused) => return Err(Refusal::NoKeyId),
        };
        keys.into_iter()
            .find(|key| key.verify(alg, token.message, token.signature))
            .ok_or(Refusal::Signature)
    }

    fn judge(&self, verified: Arc<Verified>) -> Result<Arc<Verified>, Refusal> {
        if !self.demands.allows(verified.alg) {
            return Err(Refusal::Algorithm);
        }
        if verified.kid.is_none() && self.nameless == Nameless::Refused {
            return Err(Refusal::NoKeyId);
        }
        self.demands.judge(&verified.claims, unix_seconds())?;
        Ok(verified)
    }
}

impl Verified {
    /// Whether the rule's key sets hold, under the token's key id, the very key that verified it.
    fn is_trusted(&self, ring: &KeyRing) -> bool {
        match &self.kid {
            Some(kid) => ring
                .peek(kid, self.alg)
                .is_some_and(|key| Arc::ptr_eq(&key, &self.key)),
            None => ring.contains(&self.key),
        }
    }
}

fn memory_key(token: &[u8]) -> Key {
    KeyBuilder::new("jwt").part(token).finish()
}
