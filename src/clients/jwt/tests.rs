use super::*;
use crate::clients::cache::Store;
use crate::clients::http::{Http, Settings};
use crate::clients::jwks::{KeySets, Patience};
use crate::clients::keys::{Signer, generate, parse_set};
use crate::scope::Strategy;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// Keys in a file, a ring over it, and what signs.
struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
    ring: KeyRing,
    signer: Signer,
}

fn signer(keys: &Json) -> Signer {
    Signer::choose(&parse_set(keys.to_string().as_bytes()).unwrap().0).unwrap()
}

fn world(alg: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = generate(alg, Some("k"), 0).unwrap();
    std::fs::write(&path, keys.to_string()).unwrap();
    let sets = KeySets::new(Arc::new(Http::new(Settings::default(), None).unwrap()));
    let patience = Patience {
        ttl: Duration::from_millis(1),
        ..Patience::default()
    };
    let url = format!("file://{}", path.display());
    World {
        ring: sets.verifying(&[url], patience).unwrap(),
        signer: signer(&keys),
        path,
        _folder: folder,
    }
}

fn verifier(alg: &str) -> Verifier {
    Verifier {
        demands: Demands {
            algorithms: vec![Algorithm::parse(alg).unwrap()],
            ..Demands::default()
        },
        nameless: Nameless::Refused,
        memory: Cache::new(Store::new(1 << 20), Arc::default()),
    }
}

async fn ask(verifier: &Verifier, world: &World, claims: &Json) -> Result<Arc<Verified>, Refusal> {
    let token = world.signer.sign(claims.to_string().as_bytes()).unwrap();
    verifier
        .verify(token.as_bytes(), &world.ring)
        .await
        .unwrap()
}

fn soon() -> i64 {
    unix_seconds() + 60
}

#[tokio::test]
async fn nothing_that_was_not_signed_gets_through() {
    let world = world("RS256");
    let verifier = verifier("RS256");
    let good = world
        .signer
        .sign(json!({"sub": "a"}).to_string().as_bytes())
        .unwrap();
    let mut parts = good.split('.');
    let (header, claims, signature) = (
        parts.next().unwrap(),
        parts.next().unwrap(),
        parts.next().unwrap(),
    );
    let part = |value: Json| URL_SAFE_NO_PAD.encode(value.to_string());
    let root = part(json!({"sub": "root"}));
    for (what, token) in [
        ("other claims", format!("{header}.{root}.{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        (
            "half a signature",
            format!("{header}.{claims}.{}", signature.get(..100).unwrap()),
        ),
        (
            "alg none",
            format!("{}.{root}.", part(json!({"alg": "none", "kid": "k"}))),
        ),
        (
            "alg None",
            format!("{}.{root}.", part(json!({"alg": "None", "kid": "k"}))),
        ),
        (
            "no alg",
            format!("{}.{root}.{signature}", part(json!({"kid": "k"}))),
        ),
        ("padding", format!("{header}=.{claims}.{signature}")),
        ("a space", format!("{header}.{claims} .{signature}")),
        ("a space behind", format!("{good} ")),
        ("junk", "a.b.c".to_owned()),
        ("nothing", "..".to_owned()),
    ] {
        let found = verifier.verify(token.as_bytes(), &world.ring).await;
        assert!(found.unwrap().is_err(), "{what}");
    }
    let found = verifier.verify(b"\xff.\xff.\xff", &world.ring).await;
    assert!(found.unwrap().is_err());
}

#[tokio::test]
async fn a_public_key_is_no_secret_for_hmac() {
    let world = world("RS256");
    let keys = std::fs::read(&world.path).unwrap();
    let published = parse_set(&keys).unwrap().0[0].published().unwrap();
    let n = published["n"].as_str().unwrap();
    let forged = signer(&json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": "k", "k": n}]}));
    let token = forged.sign(b"{\"sub\":\"root\"}").unwrap();
    let mut verifier = verifier("HS256");
    verifier.demands.algorithms.push(Algorithm::RS256);
    let found = verifier
        .verify(token.as_bytes(), &world.ring)
        .await
        .unwrap();
    assert!(found.is_err());
}

#[tokio::test]
async fn what_is_no_jwt_is_somebody_elses() {
    let world = world("ES256");
    let verifier = verifier("ES256");
    for text in ["opaque", "a.b", "a.b.c.d", "a.b.c.d.e", ""] {
        let found = verifier.verify(text.as_bytes(), &world.ring).await;
        assert!(found.is_none(), "{text}");
    }
}

#[tokio::test]
async fn every_algorithm_verifies() {
    for alg in Algorithm::ALL {
        let world = world(alg.name());
        let found = ask(&verifier(alg.name()), &world, &json!({"sub": "a"})).await;
        assert_eq!(&*found.unwrap().claims.subject, "a", "{alg:?}");
    }
}

#[tokio::test]
async fn headers_that_two_readers_could_read_differently_are_refused() {
    let world = world("HS256");
    let keys = std::fs::read(&world.path).unwrap();
    let keys: Json = serde_json::from_slice(&keys).unwrap();
    let secret = keys["keys"][0]["k"].as_str().unwrap();
    let secret = URL_SAFE_NO_PAD.decode(secret).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
    let sign = |header: &str| {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode("{\"sub\":\"a\"}")
        );
        let tag = aws_lc_rs::hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let verifier = verifier("HS256");
    let ask = async |header: &str| {
        verifier
            .verify(sign(header).as_bytes(), &world.ring)
            .await
            .unwrap()
            .map(|_| ())
    };
    assert_eq!(ask(r#"{"alg":"HS256","kid":"k","typ":7}"#).await, Ok(()));
    for header in [
        r#"{"alg":"HS256","alg":"HS256","kid":"k"}"#,
        r#"{"alg":"HS256","kid":"other","kid":"k"}"#,
        r#"{"alg":"HS256","kid":"k","crit":["exp"]}"#,
        r#"{"alg":"HS256","kid":"k","crit":[]}"#,
        r#"{"alg":"HS256","kid":"k","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","kid":["k"]}"#,
        r#"{"alg":"HS256","kid":""}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":["HS256"],"kid":"k"}"#,
        r#"{"alg":"HS256","kid":"k"} x"#,
        r#"[{"alg":"HS256","kid":"k"}]"#,
    ] {
        assert!(ask(header).await.is_err(), "{header}");
    }
}

#[tokio::test]
async fn times_are_judged_at_every_request() {
    let world = world("ES256");
    let verifier = verifier("ES256");
    let refused = async |claims: Json| ask(&verifier, &world, &claims).await.err();
    assert_eq!(
        refused(json!({"exp": unix_seconds() - 1})).await,
        Some(Refusal::Expired)
    );
    assert_eq!(refused(json!({"exp": -5})).await, Some(Refusal::Expired));
    assert_eq!(refused(json!({"nbf": soon()})).await, Some(Refusal::NotYet));
    assert_eq!(refused(json!({"iat": soon()})).await, Some(Refusal::Future));
    for claim in [
        json!("1"),
        json!(null),
        json!(true),
        json!([1]),
        json!(1e30),
    ] {
        assert_eq!(
            refused(json!({"exp": claim})).await,
            Some(Refusal::Claim("exp")),
            "{claim}"
        );
    }
    assert_eq!(refused(json!({"exp": 0})).await, Some(Refusal::Expired));
    assert_eq!(refused(json!({})).await, None);

    let token = json!({"sub": "a", "exp": unix_seconds() + 1});
    let token = world.signer.sign(token.to_string().as_bytes()).unwrap();
    let ask = async || {
        verifier
            .verify(token.as_bytes(), &world.ring)
            .await
            .unwrap()
    };
    assert!(ask().await.is_ok());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(ask().await.err(), Some(Refusal::Expired));
}

#[tokio::test]
async fn a_remembered_token_is_judged_by_each_rule_anew() {
    let world = world("ES256");
    let one = verifier("ES256");
    let with = |change: fn(&mut Verifier)| {
        let mut other = one.clone();
        change(&mut other);
        other
    };
    let claims = json!({"sub": "a", "aud": ["x"], "iss": "i", "scp": "read", "exp": soon()});
    let token = world.signer.sign(claims.to_string().as_bytes()).unwrap();
    let ask = async |verifier: &Verifier| {
        let found = verifier.verify(token.as_bytes(), &world.ring).await;
        found.unwrap().err()
    };
    assert_eq!(ask(&one).await, None);
    let hits = || {
        one.memory
            .counters
            .hits
            .load(std::sync::atomic::Ordering::Relaxed)
    };
    let before = hits();
    assert_eq!(ask(&one).await, None);
    let stricter = [
        with(|v| v.demands.audience = vec!["y".to_owned()]),
        with(|v| v.demands.issuers = vec!["other".to_owned()]),
        with(|v| v.demands.scopes = vec!["read".to_owned()]),
        with(|v| {
            v.demands.scopes = vec!["admin".to_owned()];
            v.demands.strategy = Strategy::Exact;
        }),
        with(|v| v.demands.algorithms = vec![Algorithm::RS256]),
        with(|v| v.demands.profile = Profile::Rfc9068),
    ];
    for verifier in &stricter {
        assert!(ask(verifier).await.is_some(), "{:?}", verifier.demands);
    }
    assert_eq!(hits() - before, 7, "all from memory");
}

#[tokio::test]
async fn a_remembered_token_is_refused_once_its_key_is_gone() {
    let world = world("ES256");
    let verifier = verifier("ES256");
    let claims = json!({"sub": "a", "exp": soon()}).to_string();
    let token = world.signer.sign(claims.as_bytes()).unwrap();
    let ask = async || {
        verifier
            .verify(token.as_bytes(), &world.ring)
            .await
            .unwrap()
    };
    assert!(ask().await.is_ok());
    let others = generate("ES256", Some("k"), 0).unwrap();
    std::fs::write(&world.path, others.to_string()).unwrap();
    for _ in 0..200 {
        if ask().await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still accepted");
}

#[tokio::test]
async fn a_token_of_one_key_set_means_nothing_to_another() {
    let (one, two) = (world("ES256"), world("ES256"));
    let verifier = verifier("ES256");
    let token = one.signer.sign(b"{\"sub\":\"a\"}").unwrap();
    let ask = async |world: &World| {
        let found = verifier.verify(token.as_bytes(), &world.ring).await;
        found.unwrap().err()
    };
    assert_eq!(ask(&one).await, None);
    assert_eq!(ask(&two).await, Some(Refusal::Signature));
    assert_eq!(ask(&one).await, None);
}

#[tokio::test]
async fn switches_make_it_stricter_or_kinder() {
    let world = world("ES256");
    let mut strict = verifier("ES256");
    strict.demands.expiry = Expiry::Required;
    let refused = ask(&strict, &world, &json!({"sub": "a"})).await.err();
    assert_eq!(refused, Some(Refusal::NoExpiry));
    let mut kind = verifier("ES256");
    kind.demands.leeway = 30;
    let late =
        json!({"exp": unix_seconds() - 10, "nbf": unix_seconds() + 10, "iat": unix_seconds() + 10});
    assert!(ask(&kind, &world, &late).await.is_ok());
    let refused = ask(&kind, &world, &json!({"exp": unix_seconds() - 31}))
        .await
        .err();
    assert_eq!(refused, Some(Refusal::Expired));
}

#[tokio::test]
async fn scopes_come_in_three_claims_and_two_forms() {
    let world = world("ES256");
    let verifier = verifier("ES256");
    for (claims, scopes) in [
        (json!({}), vec![]),
        (json!({"scp": ""}), vec![]),
        (json!({"scp": "a b"}), vec!["a", "b"]),
        (json!({"scope": "a  b"}), vec!["a", "", "b"]),
        (json!({"scopes": ["a", 5, "b"]}), vec!["a", "", "b"]),
        (json!({"scp": 5, "scope": "a"}), vec![]),
    ] {
        let found = ask(&verifier, &world, &claims).await.unwrap();
        let expected = scopes.into_iter().map(str::to_owned).collect();
        let expected = crate::value::Value::Strings(expected);
        assert_eq!(found.claims.extra.get("scp"), Some(&expected), "{claims}");
    }
    let both = ask(&verifier, &world, &json!({"scp": "a", "scope": "b"})).await;
    assert!(both.unwrap().claims.extra.contains_key("scope"));
}

#[tokio::test]
async fn no_refusal_tells_what_the_token_holds() {
    let world = world("ES256");
    let mut verifier = verifier("ES256");
    verifier.demands.audience = vec!["wanted".to_owned()];
    let claims = json!({"sub": "secret-subject", "aud": "secret-audience"});
    let refused = ask(&verifier, &world, &claims).await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("secret"));
}
