//! What changes of the configuration do to a running server.

use crate::support::{Doorward, get, open, plain_config};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something is in the log so many times.
fn logged(doorward: &Doorward, what: &str, times: usize) {
    let end = Instant::now() + PATIENCE;
    while doorward.log().matches(what).count() < times {
        assert!(Instant::now() < end, "no {what:?} in\n{}", doorward.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Changes the configuration that the process was started with.
fn change(doorward: &Doorward, change: impl FnOnce(&mut Value)) {
    let file = doorward.dir.path().join("config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    change(&mut config);
    let new = doorward.dir.path().join("new");
    std::fs::write(&new, config.to_string()).unwrap();
    std::fs::rename(new, file).unwrap();
}

#[test]
fn the_log_s_level_follows_the_configuration_and_its_format_waits_for_a_restart() {
    let mut config = plain_config();
    config["log"] = json!({ "level": "warn" });
    let doorward = Doorward::start(config, json!([open("a", "http://a.test/<.*>", None)]));
    get(doorward.api, "/decisions/quiet", "a.test");

    change(&doorward, |config| {
        config["log"] = json!({ "level": "info", "format": "json" });
    });
    logged(&doorward, "the configuration was read again", 1);
    get(doorward.api, "/decisions/loud", "a.test");
    logged(&doorward, "Access request granted", 1);
    logged(&doorward, "takes effect with the next start only", 1);

    change(&doorward, |config| config["log"]["level"] = "error".into());
    // Nothing is written of it any more: requests fall silent.
    let end = Instant::now() + PATIENCE;
    let mut before = usize::MAX;
    while before != doorward.log().len() {
        assert!(Instant::now() < end, "{}", doorward.log());
        before = doorward.log().len();
        get(doorward.api, "/decisions/loud", "a.test");
        std::thread::sleep(Duration::from_millis(300));
    }
    get(doorward.api, "/decisions/hushed", "a.test");
    change(&doorward, |config| config["log"]["level"] = "none".into());
    logged(&doorward, "log.level", 1);
    let log = doorward.log();
    assert!(!log.contains("quiet"), "{log}");
    assert!(!log.contains("hushed"), "{log}");
}
