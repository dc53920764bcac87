//! Verifies JSON Web Tokens against key sets.

use crate::canonical::credentials::TokenFrom;
use crate::clients::Clients;
use crate::clients::jwks::{BadLocation, Issuer, KeyRing, Patience};
use crate::clients::jwt::{
    Demands, Expiry, Nameless, Profile, Refusal, Verified, Verifier, unverified_claims,
};
use crate::clients::keys::Algorithm;
use crate::config::parse_lenient;
use crate::handlers::support::outgoing::{TokenFromSettings, duration};
use crate::handlers::{BuildContext, BuildError, Kind, settings};
use crate::pipeline::{Authenticator, Authn, Denial, Identity, Reason, RequestView};
use crate::scope::Strategy;
use async_trait::async_trait;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const KIND: Kind<dyn Authenticator> = Kind {
    id: "jwt",
    example: r#"{ "jwks_urls": ["https://id.example/.well-known/jwks.json"], "trusted_issuers": ["https://id.example/"],
        "target_audience": ["api"], "required_scope": ["read"], "scope_strategy": "exact",
        "allowed_algorithms": ["RS256", "ES256"], "require_exp": true, "leeway": "5s" }"#,
    build: |raw, context| Ok(Arc::new(Jwt::new(settings(raw)?, context)?)),
};

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default)]
    jwks_urls: Vec<String>,
    issuer_url: Option<String>,
    #[serde(default)]
    required_scope: Vec<String>,
    #[serde(default)]
    target_audience: Vec<String>,
    #[serde(default)]
    trusted_issuers: Vec<String>,
    #[serde(default)]
    allowed_algorithms: Vec<String>,
    jwks_max_wait: Option<String>,
    jwks_ttl: Option<String>,
    #[serde(default)]
    scope_strategy: String,
    token_from: Option<TokenFromSettings>,
    #[serde(default)]
    require_exp: bool,
    leeway: Option<String>,
    #[serde(default)]
    profile: String,
}

#[derive(Debug)]
struct Jwt {
    clients: Arc<Clients>,
    place: TokenFrom,
    keys: Keys,
    verifier: Verifier,
}

/// Where keys come from.
#[derive(Debug)]
enum Keys {
    Named(KeyRing),
    /// Found through the issuer's metadata.
    Found(Issuer),
}

impl Jwt {
    fn new(settings: Settings, context: &BuildContext<'_>) -> Result<Jwt, BuildError> {
        let keys = settings
            .keys(context)
            .map_err(|error| BuildError::new(error.to_string()))?;
        Ok(Jwt {
            verifier: Verifier {
                demands: settings.demands()?,
                // As recorded; an issuer with a single key need not name it (OpenID Connect Core 1.0, 10.1).
                nameless: match keys {
                    Keys::Named(_) => Nameless::Refused,
                    Keys::Found(_) => Nameless::Tried,
                },
                memory: context.clients.cache("jwt"),
            },
            place: TokenFromSettings::place(settings.token_from),
            keys,
            clients: context.clients.clone(),
        })
    }

    async fn verify(&self, token: &[u8]) -> Option<Result<Arc<Verified>, Refusal>> {
        match &self.keys {
            Keys::Named(ring) => self.verifier.verify(token, ring).await,
            Keys::Found(issuer) => {
                let ring = issuer.ring(&self.clients.key_sets).await;
                self.verifier.verify(token, &ring).await
            }
        }
    }
}

impl Settings {
    /// Sets that are named go before those that would be found.
    fn keys(&self, context: &BuildContext<'_>) -> Result<Keys, BadLocation> {
        let key_sets = &context.clients.key_sets;
        match &self.issuer_url {
            Some(issuer) if self.jwks_urls.is_empty() => {
                Ok(Keys::Found(key_sets.issuer(issuer, self.patience())?))
            }
            Some(_) | None => {
                let ring = key_sets.verifying(&self.jwks_urls, self.patience())?;
                Ok(Keys::Named(ring))
            }
        }
    }

    fn patience(&self) -> Patience {
        let default = Patience::default();
        let read = |text: &Option<String>| text.as_deref().map(parse_lenient);
        Patience {
            ttl: read(&self.jwks_ttl).unwrap_or(default.ttl),
            max_wait: read(&self.jwks_max_wait).unwrap_or(default.max_wait),
        }
    }

    fn demands(&self) -> Result<Demands, BuildError> {
        let leeway = duration(self.leeway.as_deref())?.unwrap_or_default();
        Ok(Demands {
            algorithms: self.algorithms(),
            audience: self.target_audience.clone(),
            issuers: self.issuers(),
            scopes: self.required_scope.clone(),
            strategy: Strategy::parse(&self.scope_strategy).unwrap_or_default(),
            expiry: match self.require_exp {
                true => Expiry::Required,
                false => Expiry::Optional,
            },
            leeway: i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX),
            profile: match self.profile.as_str() {
                "rfc9068" => Profile::Rfc9068,
                _ => Profile::None,
            },
        })
    }

    /// An issuer that is named only to find its keys is the one that is trusted.
    fn issuers(&self) -> Vec<String> {
        match &self.issuer_url {
            Some(issuer) if self.trusted_issuers.is_empty() => vec![issuer.clone()],
            Some(_) | None => self.trusted_issuers.clone(),
        }
    }

    /// RS256 where none is written. Names that aren't known allow nothing.
    fn algorithms(&self) -> Vec<Algorithm> {
        if self.allowed_algorithms.is_empty() {
            return vec![Algorithm::RS256];
        }
        self.allowed_algorithms
            .iter()
            .filter_map(|name| Algorithm::parse(name))
            .collect()
    }
}

#[async_trait]
impl Authenticator for Jwt {
    async fn authenticate(&self, request: &RequestView<'_>) -> Result<Authn, Denial> {
        let Some(token) = self.place.find(request.headers, request.canonical.query()) else {
            return Ok(Authn::Skip);
        };
        match self.verify(&token).await {
            None => Ok(Authn::Skip),
            Some(Ok(verified)) => Ok(Authn::Identified(identity(&verified))),
            Some(Err(refusal)) => Err(denial(&refusal, &token)),
        }
    }
}

fn identity(verified: &Verified) -> Identity {
    Identity {
        subject: verified.claims.subject.clone(),
        extra: Some(verified.claims.extra.clone()),
    }
}

/// As recorded, a verbose answer shows the token's own claims to the one who sent it.
fn denial(refusal: &Refusal, token: &[u8]) -> Denial {
    let mut denial = Denial::new(Reason::Unauthorized).because(refusal.to_string());
    if let Some(claims) = unverified_claims(token) {
        let mut details = serde_json::Map::new();
        details.insert("jwt_claims".to_owned(), claims.into());
        denial.details = Some(details);
    }
    denial
}
