//! Keys as JSON (RFC 7517): which a set holds, what they verify and sign, and how new ones are made.
//!
//! A key that can't be used is left out with a reason and spoils no other. The primitives are AWS-LC's.

mod generate;
mod jwk;
mod signing;
#[cfg(test)]
mod tests;
mod verifying;

pub use generate::{GenerateError, generate};
pub use jwk::{Jwk, SetError, Skipped, parse_set};
pub use signing::{SignError, Signer};
pub use verifying::{KeySet, VerifyingKey};

/// The signature algorithms of RFC 7518 and RFC 8037. There is no `none`: nothing can ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

/// What kind of key an algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    Oct,
    Rsa,
    Ec(Curve),
    Ed25519,
}

/// The curves of the ES algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) fn parse(name: &str) -> Option<Curve> {
        match name {
            "P-256" => Some(Curve::P256),
            "P-384" => Some(Curve::P384),
            "P-521" => Some(Curve::P521),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate.
    pub(super) fn size(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }
}

impl Algorithm {
    pub const ALL: [Algorithm; 13] = [
        Algorithm::HS256,
        Algorithm::HS384,
        Algorithm::HS512,
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::EdDSA,
    ];

    /// By its exact name.
    pub fn parse(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|alg| alg.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Algorithm::HS256 => "HS256",
            Algorithm::HS384 => "HS384",
            Algorithm::HS512 => "HS512",
            Algorithm::RS256 => "RS256",
            Algorithm::RS384 => "RS384",
            Algorithm::RS512 => "RS512",
            Algorithm::PS256 => "PS256",
            Algorithm::PS384 => "PS384",
            Algorithm::PS512 => "PS512",
            Algorithm::ES256 => "ES256",
            Algorithm::ES384 => "ES384",
            Algorithm::ES512 => "ES512",
            Algorithm::EdDSA => "EdDSA",
        }
    }

    pub fn family(self) -> Family {
        match self {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Family::Oct,
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => Family::Rsa,
            Algorithm::ES256 => Family::Ec(Curve::P256),
            Algorithm::ES384 => Family::Ec(Curve::P384),
            Algorithm::ES512 => Family::Ec(Curve::P521),
            Algorithm::EdDSA => Family::Ed25519,
        }
    }

    /// The same in the JWT library's terms; ES512 is not among them.
    pub(super) fn library(self) -> Option<jsonwebtoken::Algorithm> {
        use jsonwebtoken::Algorithm as Theirs;
        match self {
            Algorithm::HS256 => Some(Theirs::HS256),
            Algorithm::HS384 => Some(Theirs::HS384),
            Algorithm::HS512 => Some(Theirs::HS512),
            Algorithm::RS256 => Some(Theirs::RS256),
            Algorithm::RS384 => Some(Theirs::RS384),
            Algorithm::RS512 => Some(Theirs::RS512),
            Algorithm::PS256 => Some(Theirs::PS256),
            Algorithm::PS384 => Some(Theirs::PS384),
            Algorithm::PS512 => Some(Theirs::PS512),
            Algorithm::ES256 => Some(Theirs::ES256),
            Algorithm::ES384 => Some(Theirs::ES384),
            Algorithm::ES512 => None,
            Algorithm::EdDSA => Some(Theirs::EdDSA),
        }
    }
}
