use super::*;
use serde_json::{Value, json};

fn set(value: &Value) -> KeySet {
    KeySet::parse(value.to_string().as_bytes()).unwrap()
}

fn signer(value: &Value) -> Result<Signer, SignError> {
    Signer::choose(&parse_set(value.to_string().as_bytes()).unwrap().0)
}

fn halves(token: &str) -> (&str, &str) {
    token.rsplit_once('.').unwrap()
}

#[test]
fn what_a_generated_key_signs_its_public_half_verifies() {
    for alg in Algorithm::ALL {
        let keys = generate(alg.name(), Some("k"), 0).unwrap();
        let token = signer(&keys).unwrap().sign(b"{\"sub\":\"a\"}").unwrap();
        let (message, signature) = halves(&token);
        let private = set(&keys);
        let found = private.find("k", alg).unwrap();
        assert!(found.verify(alg, message.as_bytes(), signature), "{alg:?}");
        assert!(!found.verify(alg, b"another", signature), "{alg:?}");
        let Some(public) = parse_set(keys.to_string().as_bytes()).unwrap().0[0].published() else {
            assert_eq!(alg.family(), Family::Oct);
            continue;
        };
        for secret in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(!public.contains_key(secret), "{alg:?} publishes {secret}");
        }
        let public = set(&json!({ "keys": [public] }));
        let found = public.find("k", alg).unwrap();
        assert!(found.verify(alg, message.as_bytes(), signature), "{alg:?}");
    }
}

#[test]
fn a_signature_counts_for_one_algorithm_and_one_key_only() {
    let one = generate("RS256", Some("k"), 0).unwrap();
    let token = signer(&one).unwrap().sign(b"{}").unwrap();
    let (message, signature) = halves(&token);
    let key = set(&one);
    let key = key.find("k", Algorithm::RS256).unwrap();
    for alg in Algorithm::ALL {
        let right = alg == Algorithm::RS256;
        assert_eq!(
            key.verify(alg, message.as_bytes(), signature),
            right,
            "{alg:?}"
        );
    }
    let other = set(&generate("RS256", Some("k"), 0).unwrap());
    let other = other.find("k", Algorithm::RS256).unwrap();
    assert!(!other.verify(Algorithm::RS256, message.as_bytes(), signature));
}

#[test]
fn one_bad_key_does_not_spoil_the_set() {
    let good = generate("ES256", Some("good"), 0).unwrap()["keys"][0].clone();
    let mut off_curve = good.clone();
    off_curve["y"] = off_curve["x"].clone();
    let keys = json!({ "keys": [
        { "kid": "no-type" },
        { "kty": "OKP", "crv": "X25519", "x": "AQ" },
        { "kty": "RSA", "n": "!!", "e": "AQAB" },
        { "kty": "RSA", "n": "AQAB", "e": "AQAB" },
        { "kty": "EC", "crv": "secp256k1", "x": "AQ", "y": "AQ" },
        { "kty": "RSA", "kid": 5, "n": "AQAB", "e": "AQAB" },
        { "kty": "oct", "k": "" },
        off_curve,
        "text",
        good,
    ]});
    let set = set(&keys);
    assert_eq!(set.skipped.len(), 9, "{:?}", set.skipped);
    assert!(set.find("good", Algorithm::ES256).is_some());
}

#[test]
fn what_a_key_says_of_itself_is_enforced() {
    let key = generate("RS256", Some("k"), 0).unwrap()["keys"][0].clone();
    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        if value.is_null() {
            key.as_object_mut().unwrap().remove(name);
        } else {
            key[name] = value;
        }
        set(&json!({ "keys": [key] }))
            .find("k", Algorithm::RS256)
            .is_some()
    };
    assert!(with("use", Value::Null), "a missing use is accepted");
    assert!(!with("use", json!("enc")));
    assert!(!with("use", json!("SIG")));
    assert!(with("alg", Value::Null));
    assert!(!with("alg", json!("RS512")));
    assert!(!with("alg", json!("nonsense")));
    assert!(with("key_ops", json!(["verify"])));
    assert!(!with("key_ops", json!(["encrypt"])));
}

#[test]
fn the_first_fitting_key_under_an_id_counts_and_sig_goes_before_silence() {
    let mut silent = generate("RS256", Some("k"), 0).unwrap()["keys"][0].clone();
    silent.as_object_mut().unwrap().remove("use");
    let says = generate("RS256", Some("k"), 0).unwrap()["keys"][0].clone();
    let both = set(&json!({ "keys": [silent, says] }));
    let token = signer(&json!({ "keys": [says] })).unwrap();
    let token = token.sign(b"{}").unwrap();
    let (message, signature) = halves(&token);
    let found = both.find("k", Algorithm::RS256).unwrap();
    assert!(found.verify(Algorithm::RS256, message.as_bytes(), signature));
}

#[test]
fn the_first_usable_private_key_signs_under_its_own_name() {
    let key = |alg: &str, kid: &str| generate(alg, Some(kid), 0).unwrap()["keys"][0].clone();
    let public = |key: &Value| {
        let set = json!({ "keys": [key] }).to_string();
        let (keys, _) = parse_set(set.as_bytes()).unwrap();
        Value::Object(keys[0].published().unwrap())
    };
    let (a, b) = (key("RS256", "a"), key("ES512", "b"));
    let mut nameless = key("RS256", "x");
    nameless.as_object_mut().unwrap().remove("kid");
    let mut unsure = key("RS256", "y");
    unsure.as_object_mut().unwrap().remove("alg");
    let chosen =
        |keys: Value| signer(&json!({ "keys": keys })).map(|signer| signer.kid().to_owned());
    assert_eq!(chosen(json!([a, b])), Ok("a".to_owned()));
    assert_eq!(chosen(json!([public(&a), b])), Ok("b".to_owned()));
    assert_eq!(chosen(json!([nameless, unsure, b])), Ok("b".to_owned()));
    assert_eq!(chosen(json!([public(&a)])), Err(SignError::NoKey));
    assert_eq!(chosen(json!([])), Err(SignError::NoKey));
}

#[test]
fn generated_keys_have_the_members_and_sizes_of_the_reference() {
    let members = |alg: &str, bits: u32| {
        let keys = generate(alg, None, bits).unwrap();
        let names: Vec<String> = keys["keys"][0]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        names.join(" ")
    };
    assert_eq!(members("RS256", 0), "use kty kid alg n e d p q dp dq qi");
    assert_eq!(members("ES512", 521), "use kty kid crv alg x y d");
    assert_eq!(members("EdDSA", 0), "use kty kid crv alg x d");
    assert_eq!(members("HS512", 0), "use kty kid alg k");
    for (alg, bits) in [
        ("RS256", 1024),
        ("ES256", 384),
        ("EdDSA", 255),
        ("HS256", 128),
        ("HS256", 257),
        ("none", 0),
        ("rs256", 0),
    ] {
        assert!(generate(alg, None, bits).is_err(), "{alg} {bits}");
    }
}

#[test]
fn nothing_that_is_printed_holds_a_private_part() {
    let keys = generate("HS256", Some("k"), 0).unwrap();
    let secret = keys["keys"][0]["k"].as_str().unwrap();
    let (jwks, _) = parse_set(keys.to_string().as_bytes()).unwrap();
    let text = format!("{jwks:?} {:?} {:?}", set(&keys), signer(&keys).unwrap());
    assert!(!text.contains(secret), "{text}");
    assert!(text.contains("***"));
}

#[test]
fn what_is_no_set_is_refused_and_what_follows_one_is_ignored() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "<html>",
        "{\"keys\":[",
    ] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(KeySet::parse(b"{\"keys\":[]} trailing").is_ok());
}
