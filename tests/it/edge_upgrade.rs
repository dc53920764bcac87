//! A new process takes over from an old one.

use crate::edge_tls::client;
use crate::support::{Client, Doorward, Upstream, get, plain_config, rule};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

struct Fixture {
    doorward: Doorward,
    socket: PathBuf,
    _upstream: Upstream,
    _dir: TempDir,
}

fn fixture() -> Fixture {
    let (upstream, dir) = (Upstream::start(), tempfile::tempdir().unwrap());
    let socket = dir.path().join("run/upgrade.sock");
    let mut config = plain_config();
    config["serve"]["upgrade_sock"] = socket.to_str().unwrap().into();
    let all = rule(
        "all",
        "http://<[^/]+>/<.*>",
        ["noop", "allow", "noop"],
        Some(upstream.address),
    );
    Fixture {
        doorward: Doorward::start(config, json!([all])),
        socket,
        _upstream: upstream,
        _dir: dir,
    }
}

/// Asks again and again until it is told to stop; nothing may fail.
fn load(doorward: &Doorward, served: &Arc<AtomicUsize>, stop: &Arc<AtomicBool>) -> Vec<Asking> {
    let url = format!("http://{}/x", doorward.proxy);
    let clients = [
        client(),
        client().http2_prior_knowledge(),
        // A new connection for each request.
        client().pool_max_idle_per_host(0),
        client().pool_max_idle_per_host(0).http2_prior_knowledge(),
    ];
    let ask = |client: reqwest::Client| {
        let (url, served, stop) = (url.clone(), served.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = client.get(&url).send().await;
                let answer = answer.unwrap_or_else(|error| panic!("{error:?}"));
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.text().await.unwrap(), "hello");
                served.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let clients = clients.into_iter();
    clients
        .map(|builder| ask(builder.build().unwrap()))
        .collect()
}

type Asking = tokio::task::JoinHandle<()>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_takes_over_under_load_and_no_request_is_lost() {
    let Fixture {
        mut doorward,
        socket,
        _upstream,
        _dir,
    } = fixture();
    let (served, stop) = Default::default();
    let asking = load(&doorward, &served, &stop);
    let sleep = || tokio::time::sleep(Duration::from_millis(5));
    while served.load(Ordering::Relaxed) < 50 {
        sleep().await;
    }
    let successor = doorward.successor();
    // At once: the old process waits for the new one.
    doorward.signal("QUIT");
    let code = tokio::task::spawn_blocking(move || doorward.wait(Duration::from_secs(30)));
    assert_eq!(code.await.unwrap(), Some(0));
    let before = served.load(Ordering::Relaxed);
    while served.load(Ordering::Relaxed) < before + 50 {
        sleep().await;
    }
    stop.store(true, Ordering::Relaxed);
    for asking in asking {
        asking.await.unwrap();
    }
    assert!(!socket.exists());
    assert!(successor.log().contains("ready to take over"));
    assert_eq!(get(successor.proxy, "/x", "h.test").status, 200);
    assert_eq!(get(successor.api, "/health/ready", "h.test").status, 200);
    assert_eq!(get(successor.metrics, "/metrics", "h.test").status, 200);
}

#[test]
fn without_a_new_process_the_old_one_goes_on() {
    let mut fixture = fixture();
    let doorward = &mut fixture.doorward;
    let mut kept = Client::connect(doorward.proxy);
    doorward.signal("QUIT");
    // The folder is made when the signal has come.
    let folder = fixture.socket.parent().unwrap();
    doorward.eventually("the signal comes", || folder.exists());
    for _ in 0..3 {
        kept.send("GET /x HTTP/1.1\r\nHost: h.test\r\n\r\n");
        assert_eq!(kept.answer().unwrap().status, 200);
        assert_eq!(get(doorward.proxy, "/x", "h.test").status, 200);
    }
    doorward.signal("TERM");
    drop(kept);
    assert_eq!(doorward.wait(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_new_process_that_can_t_start_leaves_the_old_one_alone() {
    let fixture = fixture();
    let config = fixture.doorward.dir.path().join("config.json");
    let good = std::fs::read_to_string(&config).unwrap();
    let fails_with = |what: &str, config_text: &str| {
        std::fs::write(&config, config_text).unwrap();
        let mut successor = fixture.doorward.successor();
        let code = successor.wait(Duration::from_secs(20));
        assert!(code.is_some_and(|code| code != 0), "{what}: {code:?}");
        let log = successor.log();
        assert!(log.contains(what), "{what}:\n{log}");
        assert_eq!(get(fixture.doorward.proxy, "/x", "h.test").status, 200);
    };
    let mut bad: serde_json::Value = serde_json::from_str(&good).unwrap();
    bad["serve"]["proxy"]["tls"] =
        json!({ "cert": { "path": "/none.crt" }, "key": { "path": "/none.key" } });
    fails_with("/none.crt", &bad.to_string());

    // Nobody hands over.
    fails_with("no process hands its listeners over", &good);

    use std::os::unix::fs::PermissionsExt;
    let folder: &Path = fixture.socket.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    fails_with("mode 0700", &good);
}
