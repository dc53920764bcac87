//! Keys about calls to other servers: what is remembered, which connections are kept, and a start without rules.

use crate::stub::{self, Call, Stub};
use crate::support::{Doorward, PATIENCE, ask, get, open, plain_config, rule};
use doorward::config::merge;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A rule whose authorizer asks the store with `over` laid over its settings.
fn asking(store: &Stub, over: &Value, config: Value) -> Doorward {
    let mut settings = json!({ "remote": store.url("/"), "payload": "{}" });
    merge(&mut settings, over.clone());
    let mut whole = plain_config();
    whole["authorizers"]["remote_json"] = json!({ "enabled": true, "config": settings });
    merge(&mut whole, config);
    let rule = rule(
        "all",
        "http://h.test/<.*>",
        ["anonymous", "remote_json", "noop"],
        None,
    );
    Doorward::start(whole, json!([rule]))
}

fn decide(doorward: &Doorward) -> u16 {
    get(doorward.api, "/decisions/x", "h.test").status
}

fn times(count: usize, doorward: &Doorward) {
    for _ in 0..count {
        assert_eq!(decide(doorward), 200);
    }
}

#[test]
fn permissions_are_remembered_where_and_as_long_as_that_is_asked_for() {
    let store = Stub::start(|_| stub::json(200, &json!({})));
    let doorward = asking(&store, &json!({ "cache": { "enabled": false } }), json!({}));
    times(3, &doorward);
    assert_eq!(store.take().len(), 3);

    let long = json!({ "cache": { "enabled": true, "ttl": "1h" } });
    let doorward = asking(&store, &long, json!({}));
    times(3, &doorward);
    assert_eq!(store.take().len(), 1);

    let short = json!({ "cache": { "enabled": true, "ttl": "1ms" } });
    let doorward = asking(&store, &short, json!({}));
    let before = store.count();
    doorward.eventually("it is asked again", || {
        times(1, &doorward);
        store.count() >= before + 3
    });
}

/// More than this many connections of [`ROUNDS`] calls are not kept ones.
const FEW: usize = 10;
const ROUNDS: usize = 30;

#[test]
fn connections_to_other_servers_are_kept_as_many_and_as_long_as_allowed() {
    let store = Stub::start(|_| stub::json(200, &json!({})));
    let doorward = asking(&store, &json!({}), json!({}));
    times(ROUNDS, &doorward);
    assert!(store.connections() < FEW, "{}", store.connections());

    let store = Stub::start(|_| stub::json(200, &json!({})));
    let none = json!({ "http": { "pool_idle_per_host": 0 } });
    let doorward = asking(&store, &json!({}), none);
    times(ROUNDS, &doorward);
    assert_eq!(store.connections(), ROUNDS);

    let store = Stub::start(|_| stub::json(200, &json!({})));
    let briefly = json!({ "http": { "pool_idle_timeout": "1ms" } });
    let doorward = asking(&store, &json!({}), briefly);
    doorward.eventually("connections are given up", || {
        times(1, &doorward);
        store.connections() > FEW
    });
}

type Values = Mutex<HashMap<Vec<u8>, Vec<u8>>>;

/// As much of Redis as keeps values: GET, and PSETEX without its end.
fn redis() -> (SocketAddr, Arc<Values>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let values: Arc<Values> = Arc::default();
    let shared = values.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let values = shared.clone();
            std::thread::spawn(move || speak(&stream, &values));
        }
    });
    (address, values)
}

fn speak(stream: &TcpStream, values: &Values) -> Option<()> {
    let mut read = BufReader::new(stream);
    let mut write = stream;
    loop {
        let words = command(&mut read)?;
        let name = String::from_utf8_lossy(&words[0]).to_uppercase();
        let answer = match (name.as_str(), &words[1..]) {
            ("GET", [key]) => match values.lock().unwrap().get(key) {
                None => b"$-1\r\n".to_vec(),
                Some(value) => {
                    let head = format!("${}\r\n", value.len());
                    [head.as_bytes(), value, b"\r\n"].concat()
                }
            },
            ("PSETEX", [key, _, value]) => {
                values.lock().unwrap().insert(key.clone(), value.clone());
                b"+OK\r\n".to_vec()
            }
            _ => b"+OK\r\n".to_vec(),
        };
        write.write_all(&answer).ok()?;
    }
}

/// The words of the next command (RESP: an array of bulk strings).
fn command(read: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let count = number(read)?;
    (0..count)
        .map(|_| {
            let mut word = vec![0; number(read)? + 2];
            read.read_exact(&mut word).ok()?;
            word.truncate(word.len() - 2);
            Some(word)
        })
        .collect()
}

fn number(read: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    read.read_line(&mut line).ok()?;
    line.trim().get(1..)?.parse().ok()
}

fn introspecting(store: &Stub, backend: &str) -> Doorward {
    let mut config = plain_config();
    let settings =
        json!({ "introspection_url": store.url("/"), "cache": { "enabled": true, "ttl": "1h" } });
    config["authenticators"]["oauth2_introspection"] =
        json!({ "enabled": true, "config": settings });
    config["cache"] = json!({ "backend": backend });
    let rule = rule(
        "all",
        "http://h.test/<.*>",
        ["oauth2_introspection", "allow", "noop"],
        None,
    );
    Doorward::start(config, json!([rule]))
}

const WITH_TOKEN: &str = "GET /decisions/x HTTP/1.1\r\nHost: h.test\r\nAuthorization: Bearer abc\r\nConnection: close\r\n\r\n";

#[test]
fn what_one_process_found_out_another_need_not_ask() {
    let active = |_: &Call| stub::json(200, &json!({ "active": true, "sub": "alice" }));
    for (backend, calls) in [("memory", 2), ("redis", 1)] {
        let store = Stub::start(active);
        let (address, values) = redis();
        let backend = match backend {
            "redis" => format!("redis://{address}/"),
            other => other.to_owned(),
        };
        let one = introspecting(&store, &backend);
        assert_eq!(ask(one.api, WITH_TOKEN).status, 200);
        if calls == 1 {
            let kept = "the answer is kept outside of the process";
            one.eventually(kept, || !values.lock().unwrap().is_empty());
        }
        let two = introspecting(&store, &backend);
        assert_eq!(ask(two.api, WITH_TOKEN).status, 200);
        assert_eq!(store.count(), calls, "{backend}");
    }
}

fn without_rules(source: &Stub, on_start_failure: &str) -> (Value, Value) {
    let mut config = plain_config();
    config["access_rules"] = json!({
        "repositories": [source.url("/rules.json")],
        "on_start_failure": on_start_failure,
    });
    (config, json!([open("unused", "http://h.test/<.*>", None)]))
}

#[test]
fn a_start_without_the_rules_of_a_server_ends_or_goes_on_as_configured() {
    let source = Stub::start(|_| stub::answer(500, &[], ""));
    let (config, rules) = without_rules(&source, "retry");
    let doorward = Doorward::start(config, rules);
    assert_eq!(get(doorward.api, "/health/ready", "h.test").status, 503);

    let (config, rules) = without_rules(&source, "exit");
    let mut doorward = Doorward::launch(config, rules);
    // Some tries come first, with pauses between them.
    let code = doorward.wait(PATIENCE * 3);
    assert_eq!(code, Some(1), "{}", doorward.log());
    assert!(doorward.log().contains(&source.url("/rules.json")));
}
