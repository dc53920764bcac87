//! The public half of keys: whether a signature is theirs.

use super::jwk::{Jwk, Material, SetError, Skipped, parse_set};
use super::{Algorithm, Curve, Family};
use aws_lc_rs::signature::{self, ParsedPublicKey};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A key that verifies. Holds no private part but that of a symmetric key.
pub struct VerifyingKey {
    jwk: Bounds,
    material: Public,
}

/// What the key itself says about its use.
struct Bounds {
    kid: Option<String>,
    family: Family,
    alg: Option<String>,
    verifies: bool,
    says_sig: bool,
}

enum Public {
    Secret(Box<[hmac::Key; 3]>),
    Library(DecodingKey),
    P521(ParsedPublicKey),
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.jwk.kid)
            .field("family", &self.jwk.family)
            .finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// `Err` where the key's numbers make no key.
    fn new(jwk: &Jwk) -> Result<VerifyingKey, &'static str> {
        let material = match &jwk.material {
            Material::Oct(secret) => {
                let key = |alg| hmac::Key::new(alg, secret);
                Public::Secret(Box::new([
                    key(hmac::HMAC_SHA256),
                    key(hmac::HMAC_SHA384),
                    key(hmac::HMAC_SHA512),
                ]))
            }
            Material::Rsa { n, e, .. } => {
                Public::Library(DecodingKey::from_rsa_raw_components(n, e))
            }
            Material::Ec { curve, point, .. } => on_curve(*curve, point)?,
            Material::Ed25519 { x, .. } => {
                ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| "not a point")?;
                Public::Library(DecodingKey::from_ed_der(x))
            }
        };
        Ok(VerifyingKey {
            jwk: Bounds {
                kid: jwk.kid.clone(),
                family: jwk.family(),
                alg: jwk.alg.clone(),
                verifies: jwk.may("verify"),
                says_sig: jwk.usage.is_some(),
            },
            material,
        })
    }

    pub fn kid(&self) -> Option<&str> {
        self.jwk.kid.as_deref()
    }

    /// Whether the key's type, curve, `alg`, `use` and `key_ops` let it verify `alg`.
    pub fn serves(&self, alg: Algorithm) -> bool {
        self.jwk.verifies
            && self.jwk.family == alg.family()
            && self.jwk.alg.as_deref().is_none_or(|own| own == alg.name())
    }

    /// Whether `signature` (base64url) is this key's over `message`. False too where the key doesn't serve `alg`.
    pub fn verify(&self, alg: Algorithm, message: &[u8], signature: &str) -> bool {
        if !self.serves(alg) {
            return false;
        }
        match &self.material {
            Public::Secret(keys) => verify_hmac(keys, alg, message, signature),
            Public::Library(key) => alg.library().is_some_and(|alg| {
                jsonwebtoken::crypto::verify(signature, message, key, alg).unwrap_or(false)
            }),
            Public::P521(key) => URL_SAFE_NO_PAD
                .decode(signature)
                .is_ok_and(|signature| key.verify_sig(message, &signature).is_ok()),
        }
    }
}

fn on_curve(curve: Curve, point: &[u8]) -> Result<Public, &'static str> {
    let alg = match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED,
    };
    let key = ParsedPublicKey::new(alg, point).map_err(|_| "the point is not on the curve")?;
    Ok(match curve {
        Curve::P256 | Curve::P384 => Public::Library(DecodingKey::from_ec_der(point)),
        Curve::P521 => Public::P521(key),
    })
}

fn verify_hmac(keys: &[hmac::Key; 3], alg: Algorithm, message: &[u8], signature: &str) -> bool {
    let size = match alg {
        Algorithm::HS256 => digest::SHA256_OUTPUT_LEN,
        Algorithm::HS384 => digest::SHA384_OUTPUT_LEN,
        Algorithm::HS512 => digest::SHA512_OUTPUT_LEN,
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512
        | Algorithm::ES256
        | Algorithm::ES384
        | Algorithm::ES512
        | Algorithm::EdDSA => return false,
    };
    let key = keys
        .iter()
        .find(|key| key.algorithm().digest_algorithm().output_len() == size);
    let Ok(tag) = URL_SAFE_NO_PAD.decode(signature) else {
        return false;
    };
    key.is_some_and(|key| hmac::verify(key, message, &tag).is_ok())
}

/// The keys of one document, for verification.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<VerifyingKey>>,
    by_kid: HashMap<String, Vec<usize>>,
    pub skipped: Vec<Skipped>,
}

impl KeySet {
    pub fn parse(text: &[u8]) -> Result<KeySet, SetError> {
        let (jwks, skipped) = parse_set(text)?;
        let mut set = KeySet {
            skipped,
            ..KeySet::default()
        };
        for (index, jwk) in jwks.iter().enumerate() {
            match VerifyingKey::new(jwk) {
                Ok(key) => set.push(key),
                Err(why) => set.skipped.push(Skipped { index, why }),
            }
        }
        Ok(set)
    }

    fn push(&mut self, key: VerifyingKey) {
        if let Some(kid) = key.kid() {
            let places = self.by_kid.entry(kid.to_owned()).or_default();
            places.push(self.keys.len());
        }
        self.keys.push(Arc::new(key));
    }

    pub fn keys(&self) -> &[Arc<VerifyingKey>] {
        &self.keys
    }

    /// Whether any key has that id, whatever it is for.
    pub fn knows(&self, kid: &str) -> bool {
        self.by_kid.contains_key(kid)
    }

    /// The first key with that id that serves `alg`; one that says `use: sig` goes before one that says nothing.
    pub fn find(&self, kid: &str, alg: Algorithm) -> Option<&Arc<VerifyingKey>> {
        let fitting = || {
            self.by_kid
                .get(kid)
                .into_iter()
                .flatten()
                .filter_map(|place| self.keys.get(*place))
                .filter(|key| key.serves(alg))
        };
        fitting()
            .find(|key| key.jwk.says_sig)
            .or_else(|| fitting().next())
    }
}
