//! Identity providers that are down, slow, wrong, or asked too much: no door opens, good tokens pass, and nobody tells what tokens
//! hold.

use crate::ports::free_port;
use crate::stub::{self, Call, Stub};
use crate::support::{
    Answer, Client, Doorward, PATIENCE, ask, get, plain_config, rule, with_header,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward::clients::keys::{Signer, generate, parse_set};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// A key, and tokens that it signed.
struct Key {
    signer: Signer,
    public: Value,
}

impl Key {
    fn new(kid: &str) -> Key {
        let pair = generate("ES256", Some(kid), 0).unwrap();
        let (keys, _) = parse_set(pair.to_string().as_bytes()).unwrap();
        Key {
            signer: Signer::choose(&keys).unwrap(),
            public: keys[0].published().unwrap().into(),
        }
    }

    fn token(&self, claims: &Value) -> String {
        self.signer.sign(claims.to_string().as_bytes()).unwrap()
    }
}

fn set(keys: &[&Key]) -> Value {
    let public: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
    json!({ "keys": public })
}

fn jwt(urls: &[String]) -> Value {
    json!({ "jwks_urls": urls, "jwks_ttl": "1s", "allowed_algorithms": ["ES256"] })
}

/// A Doorward with a rule for each of `rules`: its name is its path, and its authenticator is configured as it says.
fn doorward(rules: &[(&str, &str, Value)], more: &Value) -> Doorward {
    let mut config = plain_config();
    for (name, section) in more.as_object().unwrap() {
        config[name] = section.clone();
    }
    let rules: Vec<Value> = rules
        .iter()
        .map(|(name, handler, settings)| {
            config["authenticators"][*handler] = json!({ "enabled": true, "config": settings });
            let mut rule = rule(
                name,
                &format!("http://h.test/{name}"),
                [handler, "allow", "noop"],
                None,
            );
            rule["authenticators"][0]["config"] = settings.clone();
            rule
        })
        .collect();
    Doorward::start(config, rules.into())
}

fn request(rule: &str, authorization: &str) -> String {
    format!(
        "GET /decisions/{rule} HTTP/1.1\r\nHost: h.test\r\nAuthorization: {authorization}\r\n\r\n"
    )
}

/// One request on a connection that is kept.
fn decide(client: &mut Client, rule: &str, token: &str) -> u16 {
    client.send(request(rule, &format!("Bearer {token}")));
    client.answer().unwrap().status
}

fn once(api: SocketAddr, rule: &str, authorization: &str) -> Answer {
    let request = format!("GET /decisions/{rule}");
    let header = format!("Authorization: {authorization}");
    ask(api, &with_header(&request, &header))
}

/// What a provider may do wrong.
const FAULTS: [&str; 7] = ["cut", "429", "500", "html", "huge", "empty", "slow"];

/// The answer of a provider with that fault.
fn wrong(fault: &str) -> Vec<u8> {
    match fault {
        "cut" => Vec::new(),
        "429" => stub::answer(429, &[("Retry-After", "7")], "{}"),
        "500" => stub::answer(500, &[], "{\"active\":true,\"sub\":\"cleo\"}"),
        "html" => stub::answer(200, &[("Content-Type", "text/html")], "<html>active</html>"),
        "huge" => {
            let filler = "x".repeat(8 << 20);
            stub::json(
                200,
                &json!({ "active": true, "sub": filler, "keys": [], "access_token": filler }),
            )
        }
        "empty" => stub::answer(200, &[], ""),
        // Longer than anyone waits, and then nothing.
        "slow" => {
            std::thread::sleep(Duration::from_secs(2));
            Vec::new()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_provider_that_is_unwell_opens_no_door_and_is_asked_again_once_it_is_well() {
    let fault = Arc::new(Mutex::new(None::<&str>));
    let told = fault.clone();
    let provider = Stub::start(move |_| {
        let fault = *told.lock().unwrap();
        fault.map_or_else(
            || {
                stub::json(
                    200,
                    &json!({ "active": true, "sub": "cleo", "access_token": "a" }),
                )
            },
            wrong,
        )
    });
    let quick = json!({ "total": "500ms" });
    let (ask_it, down) = (
        |url: String| json!({ "introspection_url": url, "timeout": quick }),
        format!("http://127.0.0.1:{}/introspect", free_port()),
    );
    let mut cached = ask_it(provider.url("/introspect"));
    cached["cache"] = json!({ "enabled": true });
    let doorward = doorward(
        &[
            (
                "introspect",
                "oauth2_introspection",
                ask_it(provider.url("/introspect")),
            ),
            ("cached", "oauth2_introspection", cached),
            ("down", "oauth2_introspection", ask_it(down)),
            (
                "client",
                "oauth2_client_credentials",
                json!({ "token_url": provider.url("/token"), "timeout": quick }),
            ),
        ],
        &json!({}),
    );
    let api = doorward.api;
    let basic = "Basic Y2xlbzpzZWNyZXQ=";
    let doors = [
        ("introspect", "Bearer opaque"),
        ("cached", "Bearer opaque"),
        ("client", basic),
    ];
    for (n, fault_now) in FAULTS.into_iter().enumerate() {
        *fault.lock().unwrap() = Some(fault_now);
        let fresh = format!("Bearer opaque-{n}");
        for (rule, authorization) in [
            ("introspect", "Bearer opaque"),
            ("cached", fresh.as_str()),
            ("client", basic),
        ] {
            let answer = once(api, rule, authorization);
            assert!(answer.status >= 400, "{rule}, {fault_now}: {answer:?}");
            if fault_now == "429" && rule != "client" {
                let told = (answer.status, answer.header("retry-after"));
                assert_eq!(told, (429, Some("7")), "{rule}");
            }
        }
        *fault.lock().unwrap() = None;
        for (rule, authorization) in doors {
            doorward.eventually(&format!("{rule} after {fault_now}"), || {
                once(api, rule, authorization).status == 200
            });
        }
    }
    for _ in 0..30 {
        let began = Instant::now();
        assert_eq!(once(api, "down", "Bearer opaque").status, 500);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(once(api, "introspect", "Bearer opaque").status, 200);
    assert!(!doorward.log().contains("panicked"), "{}", doorward.log());
}

#[test]
fn known_keys_verify_whatever_befalls_their_server_and_unknown_ones_never() {
    let (good, stranger) = (Key::new("good"), Key::new("good"));
    let keys = set(&[&good]);
    let calls = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let counted = calls.clone();
    // The set at first, and the fault that the path names from then on.
    let provider = Stub::start(move |call: &Call| {
        let name = call.target().trim_start_matches('/').to_owned();
        let calls = {
            let mut all = counted.lock().unwrap();
            let calls = all.entry(name.clone()).or_default();
            *calls += 1;
            *calls
        };
        match calls {
            1 => stub::json(200, &keys),
            _ => wrong(&name),
        }
    });
    let rules: Vec<_> = FAULTS
        .iter()
        .map(|fault| (*fault, "jwt", jwt(&[provider.url(&format!("/{fault}"))])))
        .collect();
    let doorward = doorward(&rules, &json!({}));
    let (token, forged) = (
        good.token(&json!({ "sub": "cleo" })),
        stranger.token(&json!({ "sub": "cleo" })),
    );
    let mut client = Client::connect(doorward.api);
    for fault in FAULTS {
        assert_eq!(decide(&mut client, fault, &token), 200, "{fault}");
    }
    let mut ask_all = || {
        for fault in FAULTS {
            // A text that is no set is the provider's word: it has no keys.
            let lost = matches!(fault, "html" | "empty");
            let status = decide(&mut client, fault, &token);
            assert!(
                status == 200 || (lost && status == 401),
                "{fault}: {status}"
            );
            assert_eq!(decide(&mut client, fault, &forged), 401, "{fault}");
        }
    };
    doorward.eventually("each set is renewed in vain", || {
        ask_all();
        let calls = calls.lock().unwrap();
        FAULTS.iter().all(|fault| calls[*fault] >= 2)
    });
    for _ in 0..20 {
        ask_all();
    }
    assert!(!doorward.log().contains("panicked"), "{}", doorward.log());
}

#[test]
fn no_good_token_is_refused_while_keys_rotate_under_load() {
    let mut now = Key::new("key-0");
    let published = Arc::new(Mutex::new(set(&[&now])));
    let served = published.clone();
    let provider = Stub::start(move |_| stub::json(200, &served.lock().unwrap()));
    let doorward = doorward(&[("jwt", "jwt", jwt(&[provider.url("/jwks")]))], &json!({}));
    let api = doorward.api;
    let claims = json!({ "sub": "cleo" });
    // Held for reading while a request runs, so that a switch waits for those with the old token.
    let current = Arc::new(RwLock::new(now.token(&claims)));
    let over = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (current, over) = (current.clone(), over.clone());
            std::thread::spawn(move || {
                let mut client = Client::connect(api);
                let mut asked = 0;
                while !over.load(Ordering::SeqCst) {
                    let token = current.read().unwrap();
                    assert_eq!(decide(&mut client, "jwt", &token), 200);
                    drop(token);
                    asked += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                asked
            })
        })
        .collect();
    let mut client = Client::connect(api);
    for n in 1..=3 {
        let next = Key::new(&format!("key-{n}"));
        *published.lock().unwrap() = set(&[&now, &next]);
        let (old, new) = (now.token(&claims), next.token(&claims));
        doorward.eventually("the new key verifies", || {
            decide(&mut client, "jwt", &new) == 200
        });
        *current.write().unwrap() = new;
        *published.lock().unwrap() = set(&[&next]);
        doorward.eventually("the old key is withdrawn", || {
            decide(&mut client, "jwt", &old) == 401
        });
        now = next;
    }
    over.store(true, Ordering::SeqCst);
    for thread in load {
        assert!(thread.join().unwrap() > 10);
    }
    // One a life of a second, and one for each key that was not known.
    let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 6;
    assert!(provider.count() <= most, "{} fetches", provider.count());
}

#[test]
fn ten_thousand_made_up_key_ids_cause_a_handful_of_fetches_and_good_tokens_pass() {
    const THREADS: u32 = 8;
    let key = Key::new("good");
    let keys = set(&[&key]);
    let provider = Stub::start(move |_| stub::json(200, &keys));
    let mut settings = jwt(&[provider.url("/jwks")]);
    settings["jwks_ttl"] = "60s".into();
    let doorward = doorward(&[("jwt", "jwt", settings)], &json!({}));
    let api = doorward.api;
    let over = Arc::new(AtomicBool::new(false));
    let good = {
        let over = over.clone();
        std::thread::spawn(move || {
            let mut client = Client::connect(api);
            let mut n = 0;
            while !over.load(Ordering::SeqCst) {
                // A token that was not seen before: nothing but its key is known.
                let token = key.token(&json!({ "sub": "cleo", "jti": n.to_string() }));
                assert_eq!(decide(&mut client, "jwt", &token), 200);
                n += 1;
            }
            n
        })
    };
    let began = Instant::now();
    let bad: Vec<_> = (0..THREADS)
        .map(|thread| {
            std::thread::spawn(move || {
                let mut client = Client::connect(api);
                for n in 0..10_000 / THREADS {
                    let head = format!("{{\"alg\":\"ES256\",\"kid\":\"made-up-{thread}-{n}\"}}");
                    let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(head));
                    assert_eq!(decide(&mut client, "jwt", &token), 401);
                }
            })
        })
        .collect();
    for thread in bad {
        thread.join().unwrap();
    }
    over.store(true, Ordering::SeqCst);
    assert!(good.join().unwrap() > 10);
    // The first, and one for unknown keys every ten seconds.
    let most = usize::try_from(began.elapsed().as_secs() / 10).unwrap() + 3;
    assert!(provider.count() <= most, "{} fetches", provider.count());
}

#[test]
fn a_thousand_requests_with_one_fresh_token_cause_one_introspection() {
    let all_sent = Arc::new(AtomicBool::new(false));
    let gate = all_sent.clone();
    let provider = Stub::start(move |_| {
        while !gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        stub::json(200, &json!({ "active": true, "sub": "cleo" }))
    });
    let settings =
        json!({ "introspection_url": provider.url("/introspect"), "cache": { "enabled": true } });
    let doorward = doorward(&[("cached", "oauth2_introspection", settings)], &json!({}));
    let mut clients: Vec<Client> = (0..parallel())
        .map(|_| Client::connect(doorward.api))
        .collect();
    for client in &mut clients {
        client.send(request("cached", "Bearer fresh"));
    }
    all_sent.store(true, Ordering::SeqCst);
    for client in &mut clients {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert_eq!(provider.count(), 1);
}

/// A thousand, or as many connections as a process may have here.
fn parallel() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    files.map_or(1000, |files| files.saturating_sub(300).min(1000))
}

#[test]
fn what_credentials_hold_is_told_by_no_log_no_error_and_no_metric() {
    let (good, stranger) = (Key::new("good"), Key::new("good"));
    let keys = set(&[&good]);
    let provider = Stub::start(move |call: &Call| match call.target() {
        "/jwks" => stub::json(200, &keys),
        "/active" => stub::json(
            200,
            &json!({ "active": true, "sub": "cleo", "ext": { "secret": "hush-of-the-provider" } }),
        ),
        "/inactive" => stub::json(
            200,
            &json!({ "active": false, "ext": { "secret": "hush" } }),
        ),
        // A server that repeats what it was told.
        _ => stub::answer(
            500,
            &[("X-Told", "hush")],
            &format!("{} {}", call.head, call.body),
        ),
    });
    let introspect = |path: &str| {
        json!({ "introspection_url": provider.url(path), "cache": { "enabled": true },
            "introspection_request_headers": { "Authorization": "Basic hush-of-the-gateway" } })
    };
    let mut doorward = doorward(
        &[
            ("jwt", "jwt", jwt(&[provider.url("/jwks")])),
            ("active", "oauth2_introspection", introspect("/active")),
            ("inactive", "oauth2_introspection", introspect("/inactive")),
            ("broken", "oauth2_introspection", introspect("/broken")),
            (
                "client",
                "oauth2_client_credentials",
                json!({ "token_url": provider.url("/token") }),
            ),
        ],
        &json!({ "log": { "level": "trace" } }),
    );
    let claims = |exp: u64| json!({ "sub": "cleo", "exp": exp, "secret": "hush-claim" });
    let tokens = [
        good.token(&claims(4_000_000_000)),
        good.token(&claims(1)),
        stranger.token(&claims(4_000_000_000)),
        "hush-opaque".to_owned(),
        "hush.opaque.too".to_owned(),
    ];
    let pair = "Basic Y2xlbzpodXNo";
    let mut said = String::new();
    let mut granted = 0;
    for rule in ["jwt", "active", "inactive", "broken", "client", "nowhere"] {
        let bearer = tokens.iter().map(|token| format!("Bearer {token}"));
        for authorization in bearer.chain([pair.to_owned()]) {
            for _ in 0..2 {
                let answer = once(doorward.api, rule, &authorization);
                granted += usize::from(answer.status == 200);
                // A grant hands the client's own headers back to the proxy that asked.
                if answer.status != 200 {
                    said.push_str(&format!("{answer:?}"));
                }
            }
        }
    }
    assert_eq!(granted, 2 * (1 + tokens.len()));
    said.push_str(&get(doorward.metrics, "/metrics", "metrics.test").body);
    doorward.signal("TERM");
    doorward.wait(PATIENCE).expect("it ends");
    said.push_str(&doorward.log());
    let mut secrets = vec!["hush", "Y2xlbzpodXNo"];
    secrets.extend(
        tokens
            .iter()
            .take(3)
            .flat_map(|token| token.split('.').skip(1)),
    );
    for secret in secrets {
        let place = said.find(secret).and_then(|at| said[..at].lines().last());
        assert_eq!(place, None, "{secret}");
    }
}
