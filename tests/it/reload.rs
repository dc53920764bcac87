//! What changes of the configuration do to a running server.

use crate::support::{Doorward, get, open, plain_config};
use serde_json::{Value, json};

fn logged(doorward: &Doorward, what: &str) {
    doorward.eventually(what, || doorward.log().contains(what));
}

/// Waits until rules were published so many times, at the start and for each change.
fn published(doorward: &Doorward, times: usize) {
    doorward.page_with(&format!(
        "doorward_reloads_total{{outcome=\"published\"}} {times}\n"
    ));
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
    logged(&doorward, "the configuration was read again");
    get(doorward.api, "/decisions/loud", "a.test");
    logged(&doorward, "Access request granted");
    logged(&doorward, "takes effect with the next start only");

    published(&doorward, 2);
    change(&doorward, |config| config["log"]["level"] = "error".into());
    // The log says nothing of it any more.
    published(&doorward, 3);
    get(doorward.api, "/decisions/hushed", "a.test");
    change(&doorward, |config| config["log"]["level"] = "none".into());
    logged(&doorward, "log.level");
    let log = doorward.log();
    assert!(!log.contains("quiet"), "{log}");
    assert!(!log.contains("hushed"), "{log}");
}
