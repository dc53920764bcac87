//! The keys of `keys.json`, which exist for the suites alone, and signatures by them.
//! Only primitives are used, none of Doorward's own code: what it signs is checked by something else.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, RsaEncoding, RsaKeyPair, RsaParameters, UnparsedPublicKey,
};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const PRIVATE: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

pub fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    BASE64.decode(text).map_err(|error| error.to_string())
}

/// Keys in the order of the file: of two with one `kid`, the first verifies.
#[derive(Deserialize)]
pub struct Keys(Map<String, Value>);

impl Keys {
    pub fn named(&self, name: &str) -> Result<Key<'_>, String> {
        let key = self.0.get(name).map(Key);
        key.ok_or_else(|| format!("no key is called `{name}`"))
    }

    pub fn of_kid(&self, kid: &Value) -> Option<Key<'_>> {
        let has = |key: &&Value| key.get("kid").unwrap_or(&Value::Null) == kid;
        self.0.values().find(has).map(Key)
    }

    /// A set of the public parts; `name!` includes the private ones.
    pub fn set(&self, names: &[String]) -> Result<Value, String> {
        let one = |name: &String| {
            if let Some(whole) = name.strip_suffix('!') {
                return self.named(whole).map(|key| key.0.clone());
            }
            let mut key = self.named(name)?.0.clone();
            if let Value::Object(members) = &mut key {
                members.retain(|member, _| !PRIVATE.contains(&member.as_str()));
            }
            Ok(key)
        };
        let keys: Vec<Value> = names.iter().map(one).collect::<Result<_, String>>()?;
        Ok(json!({ "keys": keys }))
    }
}

/// One JSON Web Key.
#[derive(Clone, Copy)]
pub struct Key<'a>(&'a Value);

impl Key<'_> {
    pub fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member).and_then(Value::as_str)
    }

    fn bytes(&self, member: &str) -> Result<Vec<u8>, String> {
        let text = self.text(member);
        decode(text.ok_or_else(|| format!("the key has no `{member}`"))?)
    }

    pub fn sign(&self, alg: &str, data: &[u8]) -> Result<Vec<u8>, String> {
        match Algorithm::of(alg)? {
            Algorithm::None => Ok(Vec::new()),
            Algorithm::Hmac(algorithm) => {
                let key = hmac::Key::new(algorithm, &self.bytes("k")?);
                Ok(hmac::sign(&key, data).as_ref().to_vec())
            }
            Algorithm::Rsa { signing, .. } => {
                let pair = self.rsa_pair()?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(signing, &SystemRandom::new(), data, &mut signature)
                    .map_err(|_| "RSA does not sign")?;
                Ok(signature)
            }
            Algorithm::P256 => {
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                    &self.bytes("d")?,
                    &self.point()?,
                )
                .map_err(|error| error.to_string())?;
                let signature = pair.sign(&SystemRandom::new(), data);
                Ok(signature
                    .map_err(|_| "ECDSA does not sign")?
                    .as_ref()
                    .to_vec())
            }
        }
    }

    /// `Err` where this key and algorithm can't even be tried.
    pub fn verifies(&self, alg: &str, data: &[u8], signature: &[u8]) -> Result<bool, String> {
        match Algorithm::of(alg) {
            Err(_) | Ok(Algorithm::None) => Ok(false),
            Ok(Algorithm::Hmac(algorithm)) => {
                let key = hmac::Key::new(algorithm, &self.bytes("k")?);
                Ok(hmac::verify(&key, data, signature).is_ok())
            }
            Ok(Algorithm::Rsa { verifying, .. }) => {
                let (n, e) = (self.bytes("n")?, self.bytes("e")?);
                let key = PublicKeyComponents { n, e };
                Ok(key.verify(verifying, data, signature).is_ok())
            }
            Ok(Algorithm::P256) => {
                let key =
                    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, self.point()?);
                Ok(key.verify(data, signature).is_ok())
            }
        }
    }

    fn rsa_pair(&self) -> Result<RsaKeyPair, String> {
        RsaKeyPair::from_components(&KeyPairComponents {
            public_key: PublicKeyComponents {
                n: self.bytes("n")?,
                e: self.bytes("e")?,
            },
            d: self.bytes("d")?,
            p: self.bytes("p")?,
            q: self.bytes("q")?,
            dP: self.bytes("dp")?,
            dQ: self.bytes("dq")?,
            qInv: self.bytes("qi")?,
        })
        .map_err(|error| error.to_string())
    }

    /// The public point, uncompressed (SEC 1, 2.3.3).
    fn point(&self) -> Result<Vec<u8>, String> {
        Ok([vec![4], self.bytes("x")?, self.bytes("y")?].concat())
    }
}

enum Algorithm {
    None,
    Hmac(hmac::Algorithm),
    Rsa {
        signing: &'static dyn RsaEncoding,
        verifying: &'static RsaParameters,
    },
    P256,
}

impl Algorithm {
    fn of(name: &str) -> Result<Algorithm, String> {
        let rsa = |signing, verifying| Algorithm::Rsa { signing, verifying };
        Ok(match name {
            "none" => Algorithm::None,
            "HS256" => Algorithm::Hmac(hmac::HMAC_SHA256),
            "HS384" => Algorithm::Hmac(hmac::HMAC_SHA384),
            "HS512" => Algorithm::Hmac(hmac::HMAC_SHA512),
            "RS256" => rsa(
                &signature::RSA_PKCS1_SHA256,
                &signature::RSA_PKCS1_2048_8192_SHA256,
            ),
            "RS384" => rsa(
                &signature::RSA_PKCS1_SHA384,
                &signature::RSA_PKCS1_2048_8192_SHA384,
            ),
            "RS512" => rsa(
                &signature::RSA_PKCS1_SHA512,
                &signature::RSA_PKCS1_2048_8192_SHA512,
            ),
            "ES256" => Algorithm::P256,
            _ => return Err(format!("no signatures by `{name}`")),
        })
    }
}
