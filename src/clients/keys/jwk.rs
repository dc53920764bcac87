//! JWK sets as text.

use super::{Algorithm, Curve, Family};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes that are wiped when they are dropped.
pub(super) type Secret = Zeroizing<Vec<u8>>;

/// Why a text is no key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error("not a JSON document")]
    Json,
    #[error("not a JSON object with a list `keys`")]
    Shape,
}

/// A key that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the set.
    pub index: usize,
    pub why: &'static str,
}

/// One key. Private parts are wiped with it and never printed.
#[derive(Clone)]
pub struct Jwk {
    pub kid: Option<String>,
    /// `use`.
    pub usage: Option<String>,
    /// As written: a name that isn't known makes the key unusable for everything.
    pub alg: Option<String>,
    pub key_ops: Option<Vec<String>>,
    pub(super) material: Material,
    /// `x5c`, `x5u`, `x5t`, `x5t#S256`: passed on, never used.
    certificates: Map<String, Value>,
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .field("family", &self.family())
            .field("private", &self.is_private())
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(super) enum Material {
    Oct(Secret),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
        private: Option<Box<RsaPrivate>>,
    },
    Ec {
        curve: Curve,
        /// Uncompressed: 4, x, y.
        point: Vec<u8>,
        d: Option<Secret>,
    },
    Ed25519 {
        x: Vec<u8>,
        d: Option<Secret>,
    },
}

#[derive(Clone)]
pub(super) struct RsaPrivate {
    pub(super) d: Secret,
    pub(super) p: Secret,
    pub(super) q: Secret,
    pub(super) dp: Secret,
    pub(super) dq: Secret,
    pub(super) qi: Secret,
}

/// Reads a set. Only the first JSON value of the text counts, as in the reference.
pub fn parse_set(text: &[u8]) -> Result<(Vec<Jwk>, Vec<Skipped>), SetError> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    let Some(Ok(mut set)) = values.next() else {
        return Err(SetError::Json);
    };
    let Some(Value::Array(members)) = set.get_mut("keys").map(Value::take) else {
        return Err(SetError::Shape);
    };
    let mut keys = Vec::new();
    let mut skipped = Vec::new();
    for (index, member) in members.into_iter().enumerate() {
        match Jwk::read(member) {
            Ok(key) => keys.push(key),
            Err(why) => skipped.push(Skipped { index, why }),
        }
    }
    Ok((keys, skipped))
}

#[derive(Deserialize)]
struct Raw {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Jwk {
    fn read(value: Value) -> Result<Jwk, &'static str> {
        let raw: Raw =
            serde_json::from_value(value).map_err(|_| "a member is of the wrong type")?;
        let material = match raw.kty.as_str() {
            "RSA" => rsa(&raw.rest)?,
            "EC" => ec(raw.crv.as_deref(), &raw.rest)?,
            "OKP" => okp(raw.crv.as_deref(), &raw.rest)?,
            "oct" => oct(&raw.rest)?,
            _ => return Err("the key type is not supported"),
        };
        let certificates = ["x5c", "x5u", "x5t", "x5t#S256"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), raw.rest.get(*name)?.clone())))
            .collect();
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Jwk {
            kid: present(raw.kid),
            usage: present(raw.usage),
            alg: present(raw.alg),
            key_ops: raw.key_ops,
            material,
            certificates,
        })
    }

    pub fn family(&self) -> Family {
        match &self.material {
            Material::Oct(_) => Family::Oct,
            Material::Rsa { .. } => Family::Rsa,
            Material::Ec { curve, .. } => Family::Ec(*curve),
            Material::Ed25519 { .. } => Family::Ed25519,
        }
    }

    /// Whether it can sign.
    pub fn is_private(&self) -> bool {
        match &self.material {
            Material::Oct(_) => true,
            Material::Rsa { private, .. } => private.is_some(),
            Material::Ec { d, .. } | Material::Ed25519 { d, .. } => d.is_some(),
        }
    }

    /// Whether the key's own `use`, `key_ops`, `alg`, type and curve let it do `operation` (`sign`, `verify`) with `alg`.
    pub fn serves(&self, operation: &str, alg: Algorithm) -> bool {
        self.family() == alg.family()
            && self.alg.as_deref().is_none_or(|own| own == alg.name())
            && self.may(operation)
    }

    /// Whether `use` and `key_ops`, where present, allow it. A private key may also be listed for the other half of its work.
    pub(super) fn may(&self, operation: &str) -> bool {
        let usage = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let listed = |ops: &Vec<String>| {
            ops.iter()
                .any(|op| op == operation || (op == "sign" && self.is_private()))
        };
        usage && self.key_ops.as_ref().is_none_or(listed)
    }

    /// The public half as JSON, in the reference's order of members; `None` for symmetric keys.
    pub fn published(&self) -> Option<Map<String, Value>> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        if let Some(usage) = &self.usage {
            put("use", json!(usage));
        }
        let kty = match &self.material {
            Material::Oct(_) => return None,
            Material::Rsa { .. } => "RSA",
            Material::Ec { .. } => "EC",
            Material::Ed25519 { .. } => "OKP",
        };
        put("kty", json!(kty));
        if let Some(kid) = &self.kid {
            put("kid", json!(kid));
        }
        match &self.material {
            Material::Ec { curve, .. } => drop(put("crv", json!(curve.name()))),
            Material::Ed25519 { .. } => drop(put("crv", json!("Ed25519"))),
            Material::Oct(_) | Material::Rsa { .. } => {}
        }
        if let Some(alg) = &self.alg {
            put("alg", json!(alg));
        }
        match &self.material {
            Material::Oct(_) => {}
            Material::Rsa { n, e, .. } => {
                put("n", json!(URL_SAFE_NO_PAD.encode(n)));
                put("e", json!(URL_SAFE_NO_PAD.encode(e)));
            }
            Material::Ec { curve, point, .. } => {
                let (x, y) = point.get(1..).unwrap_or_default().split_at(curve.size());
                put("x", json!(URL_SAFE_NO_PAD.encode(x)));
                put("y", json!(URL_SAFE_NO_PAD.encode(y)));
            }
            Material::Ed25519 { x, .. } => drop(put("x", json!(URL_SAFE_NO_PAD.encode(x)))),
        }
        members.extend(self.certificates.clone());
        Some(members)
    }
}

/// A base64url member; padding is tolerated, as in the reference.
fn bytes(members: &Map<String, Value>, name: &str) -> Result<Option<Secret>, &'static str> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map(|bytes| Some(Zeroizing::new(bytes)))
            .map_err(|_| "a member is not base64url"),
        Some(_) => Err("a member is of the wrong type"),
    }
}

fn need(members: &Map<String, Value>, name: &str) -> Result<Secret, &'static str> {
    bytes(members, name)?
        .filter(|bytes| !bytes.is_empty())
        .ok_or("a member is missing")
}

/// Without leading zeros.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default().to_vec()
}

fn rsa(members: &Map<String, Value>) -> Result<Material, &'static str> {
    let n = unsigned(&need(members, "n")?);
    let e = unsigned(&need(members, "e")?);
    if n.len() < 256 {
        return Err("RSA keys need 2048 bits or more");
    }
    let private = match bytes(members, "d")? {
        None => None,
        Some(d) => Some(Box::new(RsaPrivate {
            d,
            p: need(members, "p")?,
            q: need(members, "q")?,
            dp: need(members, "dp")?,
            dq: need(members, "dq")?,
            qi: need(members, "qi")?,
        })),
    };
    Ok(Material::Rsa { n, e, private })
}

fn ec(crv: Option<&str>, members: &Map<String, Value>) -> Result<Material, &'static str> {
    let curve = crv
        .and_then(Curve::parse)
        .ok_or("the curve is not supported")?;
    let x = need(members, "x")?;
    let y = need(members, "y")?;
    if x.len() != curve.size() || y.len() != curve.size() {
        return Err("a coordinate is of the wrong size");
    }
    let mut point = vec![4];
    point.extend_from_slice(&x);
    point.extend_from_slice(&y);
    let d = bytes(members, "d")?.map(|d| padded(&d, curve.size()));
    Ok(Material::Ec { curve, point, d })
}

/// With zeros in front up to `size`: some write private keys without them.
fn padded(bytes: &[u8], size: usize) -> Secret {
    let mut out = Zeroizing::new(vec![0; size.saturating_sub(bytes.len())]);
    out.extend_from_slice(bytes);
    out
}

fn okp(crv: Option<&str>, members: &Map<String, Value>) -> Result<Material, &'static str> {
    if crv != Some("Ed25519") {
        return Err("the curve is not supported");
    }
    let x = need(members, "x")?;
    if x.len() != 32 {
        return Err("a coordinate is of the wrong size");
    }
    Ok(Material::Ed25519 {
        x: x.to_vec(),
        d: bytes(members, "d")?,
    })
}

fn oct(members: &Map<String, Value>) -> Result<Material, &'static str> {
    Ok(Material::Oct(need(members, "k")?))
}
