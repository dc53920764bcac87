//! New signing keys, as `credentials generate` prints them.

use super::signing::signing_curve;
use super::{Algorithm, Curve, Family};
use aws_lc_rs::encoding::{AsBigEndian, AsDer};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// Why no key was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    #[error("unknown algorithm `{0}`")]
    Algorithm(String),
    #[error("{alg} keys can't have {bits} bits: use {allowed}")]
    Bits {
        alg: &'static str,
        bits: u32,
        allowed: &'static str,
    },
    #[error("the key could not be generated")]
    Failed,
}

/// A set with one private key. `kid` is a random UUID where absent; `bits` of 0 is the algorithm's default.
pub fn generate(alg: &str, kid: Option<&str>, bits: u32) -> Result<Value, GenerateError> {
    let alg = Algorithm::parse(alg).ok_or_else(|| GenerateError::Algorithm(alg.to_owned()))?;
    let kid = kid.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    let mut key = Map::new();
    let kty = match alg.family() {
        Family::Rsa => "RSA",
        Family::Ec(_) => "EC",
        Family::Ed25519 => "OKP",
        Family::Oct => "oct",
    };
    for (name, value) in [("use", "sig"), ("kty", kty), ("kid", &kid)] {
        key.insert(name.to_owned(), json!(value));
    }
    match alg.family() {
        Family::Rsa => rsa(&mut key, alg, bits)?,
        Family::Ec(curve) => ec(&mut key, alg, curve, bits)?,
        Family::Ed25519 => ed25519(&mut key, alg, bits)?,
        Family::Oct => oct(&mut key, alg, bits)?,
    }
    Ok(json!({ "keys": [key] }))
}

fn put(key: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    key.insert(name.to_owned(), json!(URL_SAFE_NO_PAD.encode(bytes)));
}

fn rsa(key: &mut Map<String, Value>, alg: Algorithm, bits: u32) -> Result<(), GenerateError> {
    let size = match bits {
        0 | 2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        8192 => KeySize::Rsa8192,
        _ => return Err(wrong(alg, bits, "2048, 3072, 4096 or 8192")),
    };
    let pair = RsaKeyPair::generate(size).map_err(|_| GenerateError::Failed)?;
    let der = pair.as_der().map_err(|_| GenerateError::Failed)?;
    let numbers = private_numbers(der.as_ref()).ok_or(GenerateError::Failed)?;
    key.insert("alg".to_owned(), json!(alg.name()));
    for (name, number) in ["n", "e", "d", "p", "q", "dp", "dq", "qi"]
        .iter()
        .zip(&numbers)
    {
        put(key, name, number);
    }
    Ok(())
}

fn ec(
    key: &mut Map<String, Value>,
    alg: Algorithm,
    curve: Curve,
    bits: u32,
) -> Result<(), GenerateError> {
    let (own, text) = match curve {
        Curve::P256 => (256, "256"),
        Curve::P384 => (384, "384"),
        Curve::P521 => (521, "521"),
    };
    if bits != 0 && bits != own {
        return Err(wrong(alg, bits, text));
    }
    let pair = EcdsaKeyPair::generate(signing_curve(curve)).map_err(|_| GenerateError::Failed)?;
    let d = pair.private_key();
    let d = AsBigEndian::as_be_bytes(&d).map_err(|_| GenerateError::Failed)?;
    let point = pair.public_key().as_ref();
    let (x, y) = point.get(1..).unwrap_or_default().split_at(curve.size());
    key.insert("crv".to_owned(), json!(curve.name()));
    key.insert("alg".to_owned(), json!(alg.name()));
    put(key, "x", x);
    put(key, "y", y);
    put(key, "d", d.as_ref());
    Ok(())
}

fn ed25519(key: &mut Map<String, Value>, alg: Algorithm, bits: u32) -> Result<(), GenerateError> {
    if bits != 0 && bits != 256 {
        return Err(wrong(alg, bits, "256"));
    }
    let pair = Ed25519KeyPair::generate().map_err(|_| GenerateError::Failed)?;
    let seed = pair.seed().map_err(|_| GenerateError::Failed)?;
    let seed = seed.as_be_bytes().map_err(|_| GenerateError::Failed)?;
    key.insert("crv".to_owned(), json!("Ed25519"));
    key.insert("alg".to_owned(), json!(alg.name()));
    put(key, "x", pair.public_key().as_ref());
    put(key, "d", seed.as_ref());
    Ok(())
}

fn oct(key: &mut Map<String, Value>, alg: Algorithm, bits: u32) -> Result<(), GenerateError> {
    let (least, default, text) = match alg {
        Algorithm::HS384 => (384, 384, "384 or more, a multiple of 8"),
        Algorithm::HS512 => (512, 1024, "512 or more, a multiple of 8"),
        _ => (256, 256, "256 or more, a multiple of 8"),
    };
    let size = if bits == 0 { default } else { bits };
    if size < least || !size.is_multiple_of(8) || size > 1 << 20 {
        return Err(wrong(alg, bits, text));
    }
    let mut secret = Zeroizing::new(vec![0; (size / 8) as usize]);
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| GenerateError::Failed)?;
    key.insert("alg".to_owned(), json!(alg.name()));
    put(key, "k", &secret);
    Ok(())
}

fn wrong(alg: Algorithm, bits: u32, allowed: &'static str) -> GenerateError {
    GenerateError::Bits {
        alg: alg.name(),
        bits,
        allowed,
    }
}

/// n, e, d, p, q, dp, dq, qi out of PKCS #8 (RFC 5958) around PKCS #1 (RFC 8017, A.1.2).
fn private_numbers(der: &[u8]) -> Option<Vec<Zeroizing<Vec<u8>>>> {
    let (outer, _) = element(der, 0x30)?;
    let (_version, rest) = element(outer, 0x02)?;
    let (_algorithm, rest) = element(rest, 0x30)?;
    let (inner, _) = element(rest, 0x04)?;
    let (mut numbers, _) = element(inner, 0x30)?;
    let (_version, rest) = element(numbers, 0x02)?;
    numbers = rest;
    let mut found = Vec::new();
    for _ in 0..8 {
        let (number, rest) = element(numbers, 0x02)?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        found.push(Zeroizing::new(number.get(zeros..)?.to_vec()));
        numbers = rest;
    }
    Some(found)
}

/// The content of the DER element of that tag at the start of `der`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..0x80 => (usize::from(*length), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let length = digits
                .iter()
                .fold(0usize, |sum, digit| (sum << 8) | usize::from(*digit));
            (length, rest)
        }
    };
    rest.split_at_checked(length)
}
