//! Makes the tokens that suites ask for and shows what others hold.

use crate::json_text::{Members, json_text};
use crate::keys::{Keys, decode, encode};
use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// Claims that differ from run to run; only that they are there is told.
const TIMES: [&str; 5] = ["auth_time", "exp", "iat", "jti", "nbf"];

static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*").unwrap());

/// A `{"$jwt": …}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    key: String,
    alg: Option<String>,
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    claims: Map<String, Value>,
    sign_with: Option<String>,
    #[serde(default)]
    tamper: bool,
}

/// Keys, and the tokens made so far: the same claims must give the same token, also where a signature is random.
pub struct Tokens {
    pub keys: Keys,
    made: Mutex<HashMap<String, String>>,
}

impl Tokens {
    pub fn new(keys: Keys) -> Tokens {
        Tokens {
            keys,
            made: Mutex::default(),
        }
    }

    pub fn make(&self, wanted: Value) -> Result<String, String> {
        let wanted: Wanted = serde_json::from_value(wanted).map_err(|error| error.to_string())?;
        let key = self.keys.named(&wanted.key)?;
        let own = key.text("alg").unwrap_or("RS256").to_owned();
        let alg = wanted.alg.clone().unwrap_or(own);
        let mut header = Map::from_iter([
            ("alg".to_owned(), json!(alg)),
            ("typ".to_owned(), json!("JWT")),
        ]);
        if let Some(kid) = key.text("kid") {
            header.insert("kid".into(), kid.into());
        }
        header.extend(wanted.header);
        header.retain(|_, value| !value.is_null());
        let claims: Map<String, Value> = wanted
            .claims
            .into_iter()
            .map(|(name, claim)| (name, from_now(claim)))
            .collect();
        let signer = wanted.sign_with.unwrap_or(wanted.key);
        let data = format!("{}.{}", part(&header.into()), part(&claims.into()));

        let same = format!("{signer} {alg} {} {data}", wanted.tamper);
        if let Some(token) = self.made.lock().unwrap().get(&same) {
            return Ok(token.clone());
        }
        let mut signature = self.keys.named(&signer)?.sign(&alg, data.as_bytes())?;
        if let Some(first) = signature.first_mut().filter(|_| wanted.tamper) {
            *first ^= 1;
        }
        let token = format!("{data}.{}", encode(&signature));
        Ok(self
            .made
            .lock()
            .unwrap()
            .entry(same)
            .or_insert(token)
            .clone())
    }

    /// Puts in place of the first token what it holds; one that can't be read stays.
    pub fn shown(&self, text: &str) -> String {
        TOKEN
            .replace(text, |found: &Captures<'_>| {
                let token = &found[0];
                match self.view(token) {
                    Ok(view) => format!("<jwt {}>", json_text(&view, Members::Sorted)),
                    Err(_) => token.to_owned(),
                }
            })
            .into_owned()
    }

    fn view(&self, token: &str) -> Result<Value, String> {
        let mut parts = token.split('.');
        let mut next = || parts.next().ok_or("a token of three parts");
        let (header, claims, signature) = (next()?, next()?, decode(next()?)?);
        let data = format!("{header}.{claims}");
        let header = object(header)?;
        let mut claims = object(claims)?;

        let kid = header.get("kid").cloned().unwrap_or(Value::Null);
        let alg = header.get("alg").cloned().unwrap_or(Value::Null);
        let signature_ok = match self.keys.of_kid(&kid) {
            Some(key) => {
                let alg = alg.as_str().ok_or("a token without `alg`")?;
                Some(key.verifies(alg, data.as_bytes(), &signature)?)
            }
            None => None,
        };
        let lifetime = match (claims.get("exp"), claims.get("iat")) {
            (Some(end), Some(begin)) => Some(difference(end, begin)?),
            _ => None,
        };
        let has = TIMES.map(|name| claims.shift_remove(name).map(|_| name));
        Ok(json!({
            "alg": alg,
            "kid": kid,
            "signature_ok": signature_ok,
            "lifetime": lifetime,
            "has": has.into_iter().flatten().collect::<Vec<_>>(),
            "claims": claims,
        }))
    }
}

/// `"+60"` and `"-60"` are seconds from now.
fn from_now(claim: Value) -> Value {
    let seconds = claim.as_str().and_then(|text| {
        let digits = text.strip_prefix(['+', '-'])?;
        let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        only_digits.then(|| text.parse::<i64>().ok())?
    });
    match seconds {
        Some(seconds) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            (now.as_secs() as i64 + seconds).into()
        }
        None => claim,
    }
}

fn part(value: &Value) -> String {
    encode(value.to_string().as_bytes())
}

fn object(part: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(&decode(part)?).map_err(|error| error.to_string())
}

fn difference(end: &Value, begin: &Value) -> Result<Value, String> {
    match (end.as_i64(), begin.as_i64(), end.as_f64(), begin.as_f64()) {
        (Some(end), Some(begin), ..) => Ok((end - begin).into()),
        (.., Some(end), Some(begin)) => Ok((end - begin).into()),
        _ => Err("times that are no numbers".into()),
    }
}
