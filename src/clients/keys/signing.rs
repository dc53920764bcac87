//! The private half of keys: signing tokens.

use super::jwk::{Jwk, Material, RsaPrivate};
use super::{Algorithm, Curve, Family};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// Why nothing can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the key set has no private key with `kid` and `alg` that can sign")]
    NoKey,
    #[error("the signature could not be made")]
    Failed,
}

/// One private key, ready to sign. `Debug` shows its name alone.
pub struct Signer {
    alg: Algorithm,
    kid: String,
    /// Encoded header and the dot behind it.
    head: String,
    pair: Pair,
}

enum Pair {
    Hmac(Box<hmac::Key>),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("alg", &self.alg)
            .field("kid", &self.kid)
            .field("key", &"***")
            .finish()
    }
}

impl Signer {
    /// The first key of `keys` that can sign: private, with `kid` and a known `alg` that fits it.
    pub fn choose(keys: &[Jwk]) -> Result<Signer, SignError> {
        keys.iter().find_map(Signer::new).ok_or(SignError::NoKey)
    }

    fn new(jwk: &Jwk) -> Option<Signer> {
        let alg = Algorithm::parse(jwk.alg.as_deref()?)?;
        let kid = jwk.kid.clone()?;
        if alg.family() != jwk.family() {
            return None;
        }
        let pair = pair(&jwk.material, alg)?;
        let header = serde_json::json!({ "alg": alg.name(), "kid": kid, "typ": "JWT" });
        let head = format!("{}.", URL_SAFE_NO_PAD.encode(header.to_string()));
        Some(Signer {
            alg,
            kid,
            head,
            pair,
        })
    }

    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A complete JWT over `claims`, which is a JSON object.
    pub fn sign(&self, claims: &[u8]) -> Result<String, SignError> {
        let mut token = self.head.clone();
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Pair::Rsa(pair, encoding) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut out)
                    .map(|()| out)
                    .map_err(|_| SignError::Failed)
            }
            Pair::Ec(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SignError::Failed),
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SignError::Failed),
        }
    }
}

fn pair(material: &Material, alg: Algorithm) -> Option<Pair> {
    match material {
        Material::Oct(secret) => {
            let key = hmac::Key::new(hmac_of(alg)?, secret);
            Some(Pair::Hmac(Box::new(key)))
        }
        Material::Rsa { n, e, private } => {
            let pair = rsa(n, e, private.as_deref()?)?;
            Some(Pair::Rsa(Box::new(pair), encoding_of(alg)?))
        }
        Material::Ec { point, d, .. } => {
            EcdsaKeyPair::from_private_key_and_public_key(curve_of(alg)?, d.as_ref()?, point)
                .ok()
                .map(Pair::Ec)
        }
        Material::Ed25519 { x, d } => Ed25519KeyPair::from_seed_and_public_key(d.as_ref()?, x)
            .ok()
            .map(Pair::Ed25519),
    }
}

fn rsa(n: &[u8], e: &[u8], private: &RsaPrivate) -> Option<RsaKeyPair> {
    RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d: private.d.as_slice(),
        p: private.p.as_slice(),
        q: private.q.as_slice(),
        dP: private.dp.as_slice(),
        dQ: private.dq.as_slice(),
        qInv: private.qi.as_slice(),
    })
    .ok()
}

fn hmac_of(alg: Algorithm) -> Option<hmac::Algorithm> {
    [
        (Algorithm::HS256, hmac::HMAC_SHA256),
        (Algorithm::HS384, hmac::HMAC_SHA384),
        (Algorithm::HS512, hmac::HMAC_SHA512),
    ]
    .into_iter()
    .find(|(name, _)| *name == alg)
    .map(|(_, hmac)| hmac)
}

fn encoding_of(alg: Algorithm) -> Option<&'static dyn RsaEncoding> {
    let all: [(Algorithm, &'static dyn RsaEncoding); 6] = [
        (Algorithm::RS256, &signature::RSA_PKCS1_SHA256),
        (Algorithm::RS384, &signature::RSA_PKCS1_SHA384),
        (Algorithm::RS512, &signature::RSA_PKCS1_SHA512),
        (Algorithm::PS256, &signature::RSA_PSS_SHA256),
        (Algorithm::PS384, &signature::RSA_PSS_SHA384),
        (Algorithm::PS512, &signature::RSA_PSS_SHA512),
    ];
    all.into_iter()
        .find(|(name, _)| *name == alg)
        .map(|(_, encoding)| encoding)
}

fn curve_of(alg: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match alg.family() {
        Family::Ec(curve) => Some(signing_curve(curve)),
        Family::Oct | Family::Rsa | Family::Ed25519 => None,
    }
}

pub(super) fn signing_curve(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}
