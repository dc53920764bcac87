//! Keys that every door has: deadlines over HTTP/2, threads, and how long the end of the process waits at each.

use crate::ext_authz::description;
use crate::h2::{self, H2, Outcome};
use crate::ports::free_port;
use crate::stub::{self, Stub};
use crate::support::{
    Client, Doorward, PATIENCE, Upstream, closed, open, plain_config, rule, with_header,
};
use doorward::config::merge;
use prost::Message;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Proxy,
    Api,
    ExtAuthz,
}

const DOORS: [Door; 3] = [Door::Proxy, Door::Api, Door::ExtAuthz];

impl Door {
    fn name(self) -> &'static str {
        match self {
            Door::Proxy => "proxy",
            Door::Api => "api",
            Door::ExtAuthz => "ext_authz",
        }
    }
}

struct Doors {
    doorward: Doorward,
    ext_authz: SocketAddr,
    _upstream: Upstream,
}

impl Doors {
    /// All three doors; `over` is laid over the configuration.
    fn start(over: Value) -> Doors {
        let (upstream, port) = (Upstream::start(), free_port());
        let mut config = plain_config();
        config["serve"]["ext_authz"] = json!({ "host": "127.0.0.1", "port": port });
        merge(&mut config, over);
        let to = Some(upstream.address);
        let rules = json!([
            open("open", "http://h.test/open", to),
            closed("closed", "http://h.test/closed", to),
            rule(
                "held",
                "http://h.test/held",
                ["anonymous", "remote_json", "noop"],
                to
            ),
        ]);
        Doors {
            doorward: Doorward::start(config, rules),
            ext_authz: SocketAddr::from(([127, 0, 0, 1], port)),
            _upstream: upstream,
        }
    }

    fn address(&self, door: Door) -> SocketAddr {
        match door {
            Door::Proxy => self.doorward.proxy,
            Door::Api => self.doorward.api,
            Door::ExtAuthz => self.ext_authz,
        }
    }

    /// Asks about a path in the door's own way, over HTTP/2.
    fn ask(&self, h2: &mut H2, door: Door, path: &str) -> u32 {
        match door {
            Door::Proxy => h2.headers(&h2::fields("GET", path), h2::END_STREAM),
            Door::Api => {
                let path = format!("/decisions{path}");
                h2.headers(&h2::fields("GET", &path), h2::END_STREAM)
            }
            Door::ExtAuthz => {
                let message = description(path, &[]).encode_to_vec();
                let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                let id = begin_check(h2);
                let framed = [&[0][..], &length, &message].concat();
                h2.frame(h2::DATA, h2::END_STREAM, id, &framed);
                id
            }
        }
    }
}

/// The head of a gRPC call, whose message is still to come.
fn begin_check(h2: &mut H2) -> u32 {
    let mut fields = h2::fields("POST", "/envoy.service.auth.v3.Authorization/Check");
    fields.extend([("content-type", "application/grpc"), ("te", "trailers")]);
    h2.headers(&fields, 0)
}

/// The same keys at all doors.
fn everywhere(keys: &Value) -> Value {
    json!({ "serve": { "proxy": keys, "api": keys, "ext_authz": keys } })
}

/// A server that answers when it is told to, or when nobody is there to tell it any more.
fn holding_back(gate: Receiver<()>) -> Stub {
    let gate = Mutex::new(gate);
    Stub::start(move |_| {
        let _told = gate.lock().unwrap().recv();
        stub::json(200, &json!({}))
    })
}

fn asking(store: &Stub) -> Value {
    let config =
        json!({ "remote": store.url("/"), "payload": "{}", "timeout": { "total": "60s" } });
    json!({ "authorizers": { "remote_json": { "enabled": true, "config": config } } })
}

/// Longer than the end waits where nothing is configured.
const BEYOND_THE_DEFAULT: Duration = Duration::from_millis(5500);

#[test]
fn the_end_waits_at_each_door_as_long_as_that_door_says() {
    std::thread::scope(|scope| {
        for door in DOORS {
            scope.spawn(move || end_in_time(door));
            scope.spawn(move || end_is_put_off(door));
        }
    });
}

/// A request is in flight at the door when the end comes; the door waits `own` for it, the others wait `others`.
fn ending(door: Door, own: &str, others: &str, store: &Stub) -> (Doors, H2, u32) {
    let mut config = everywhere(&json!({ "timeout": { "shutdown": others } }));
    config["serve"][door.name()]["timeout"]["shutdown"] = own.into();
    merge(&mut config, asking(store));
    let doors = Doors::start(config);
    let mut h2 = H2::connect(doors.address(door));
    let id = doors.ask(&mut h2, door, "/held");
    let asked = "the request is in flight";
    doors.doorward.eventually(asked, || store.count() == 1);
    doors.doorward.signal("TERM");
    (doors, h2, id)
}

fn end_in_time(door: Door) {
    let (_release, gate) = channel();
    let (mut doors, _h2, _) = ending(door, "300ms", "1h", &holding_back(gate));
    assert_eq!(doors.doorward.wait(PATIENCE), Some(0), "{door:?}");
}

fn end_is_put_off(door: Door) {
    let (release, gate) = channel();
    let (mut doors, mut h2, id) = ending(door, "1h", "1ms", &holding_back(gate));
    let ended = doors.doorward.wait(BEYOND_THE_DEFAULT);
    assert_eq!(ended, None, "{door:?} is waited for");
    release.send(()).unwrap();
    assert_eq!(h2.outcome(id), Outcome::Answered(200), "{door:?}");
    drop(h2);
    assert_eq!(doors.doorward.wait(PATIENCE), Some(0), "{door:?}");
}

/// Flow control gives no room, so that not a byte of an answer's body can be sent.
fn stall(h2: &mut H2) {
    const INITIAL_WINDOW_SIZE: [u8; 6] = [0, 4, 0, 0, 0, 0];
    h2.frame(h2::SETTINGS, 0, 0, &INITIAL_WINDOW_SIZE);
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
    for key in ["write", "write_idle"] {
        let doors = Doors::start(everywhere(&json!({ "timeout": { key: "300ms" } })));
        for door in DOORS {
            let mut h2 = H2::connect(doors.address(door));
            stall(&mut h2);
            let id = doors.ask(&mut h2, door, "/closed");
            let begun = h2.outcome(id);
            assert!(matches!(begun, Outcome::Answered(200 | 401)), "{begun:?}");
            let ended = loop {
                let (kind, _, stream, _) = h2.read().expect("the stream's end");
                if stream == id && kind != h2::HEADERS {
                    break kind;
                }
            };
            assert_eq!(ended, h2::RST_STREAM, "{door:?} {key}");
        }
    }
}

#[test]
fn a_connection_over_http2_that_asks_nothing_more_is_closed() {
    for key in ["idle", "keepalive"] {
        let doors = Doors::start(everywhere(&json!({ "timeout": { key: "300ms" } })));
        for door in DOORS {
            let mut h2 = H2::connect(doors.address(door));
            let id = doors.ask(&mut h2, door, "/open");
            assert_eq!(h2.outcome(id), Outcome::Answered(200), "{door:?}");
            assert!(h2.is_closed(), "{door:?} {key}");
        }
    }
}

#[test]
fn a_check_whose_message_does_not_come_is_given_up() {
    for key in ["read", "body_idle"] {
        let doors = Doors::start(everywhere(&json!({ "timeout": { key: "300ms" } })));
        let mut h2 = H2::connect(doors.ext_authz);
        let id = begin_check(&mut h2);
        // gRPC's own status is among the headers.
        assert_eq!(h2.outcome(id), Outcome::Answered(200), "{key}");
    }
}

#[test]
fn the_head_of_a_check_is_bounded_and_so_are_its_streams() {
    let limits = json!({ "limits": { "header_bytes": 2000, "streams": 2 } });
    let doors = Doors::start(everywhere(&limits));
    let mut h2 = H2::connect(doors.ext_authz);
    let long = "v".repeat(3000);
    let fields = [&h2::fields("POST", "/x")[..], &[("x-long", &long)]].concat();
    assert!(h2.ask(&fields).is_refusal());
    let mut h2 = H2::connect(doors.ext_authz);
    let [_, _, beyond] = [(); 3].map(|()| begin_check(&mut h2));
    assert_eq!(h2.outcome(beyond), Outcome::Reset);
}

#[test]
fn each_door_has_the_threads_it_is_given() {
    let doors = Doors::start(json!({ "serve": {
        "proxy": { "threads": 3 },
        "api": { "threads": 4 },
        "ext_authz": { "threads": 5 },
    }}));
    let tasks = format!("/proc/{}/task", doors.doorward.pid());
    let Ok(_) = std::fs::read_dir(&tasks) else {
        eprintln!("SKIPPED: there is no /proc");
        return;
    };
    let count = |name: &str| {
        let named = std::fs::read_dir(&tasks).unwrap().filter(|task| {
            let comm = task.as_ref().unwrap().path().join("comm");
            std::fs::read_to_string(comm).is_ok_and(|comm| comm.trim() == name)
        });
        named.count()
    };
    for (name, threads) in [("serve.proxy", 3), ("serve.api", 4), ("serve.ext_authz", 5)] {
        let wish = format!("{threads} threads of {name}");
        doors.doorward.eventually(&wish, || count(name) == threads);
    }
}

/// Over HTTP/1.1 the answer is larger than what the system takes for a client that reads nothing.
#[test]
fn an_answer_that_nobody_reads_ends_over_http1_too() {
    let page = "x".repeat(64 << 20);
    let upstream = Stub::start(move |_| stub::answer(200, &[], &page));
    let mut config = plain_config();
    config["serve"] = json!({ "proxy": { "timeout": { "write": "300ms" } } });
    let doorward = Doorward::start(
        config,
        json!([open("open", "http://h.test/open", Some(upstream.address))]),
    );
    let mut client = Client::connect(doorward.proxy);
    client.send(with_header("GET /open", "X-Own: 1"));
    doorward.eventually("it is answered", || upstream.count() == 1);
    let line = "doorward_connections{listener=\"serve.proxy\"} 0\n";
    doorward.page_with(line);
    drop(client);
}
