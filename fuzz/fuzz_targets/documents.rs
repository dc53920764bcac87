//! Any document: a configuration or rules, in each language, is refused or loads, and what loads can be built.
#![no_main]

use doorward::clients::{Clients, Settings};
use doorward::config::{self, Config};
use doorward::rules::compile::compile;
use doorward::rules::document::{RULE_VERSION, read};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// Handlers that call nobody.
const CONFIGURATION: &[u8] = br#"{
    "authenticators": {"anonymous": {"enabled": true}, "noop": {"enabled": true}, "unauthorized": {"enabled": true}},
    "authorizers": {"allow": {"enabled": true}, "deny": {"enabled": true}},
    "mutators": {"noop": {"enabled": true}, "header": {"enabled": true, "config": {"headers": {}}}, "cookie": {"enabled": true, "config": {"cookies": {}}}},
    "errors": {"handlers": {"redirect": {"enabled": true, "config": {"to": "http://login.test/"}}, "www_authenticate": {"enabled": true}}}
}"#;

static CONFIG: LazyLock<(Config, Arc<Clients>)> = LazyLock::new(|| {
    let config = config::parse(Path::new("c.json"), CONFIGURATION)
        .expect("a configuration")
        .config;
    let settings = Settings::of(&config.http, &config.cache);
    (
        config,
        Arc::new(Clients::new(settings, None).expect("clients")),
    )
});

// Input: a byte that says what follows (`0` rules, `1` YAML, `2` JSON, `3` TOML), and the document.
fuzz_target!(|input: &[u8]| {
    let Some((kind, text)) = input.split_first() else {
        return;
    };
    let file = match kind % 4 {
        0 => return rules(text),
        1 => "c.yaml",
        2 => "c.json",
        _ => "c.toml",
    };
    let _ = config::parse(Path::new(file), text);
});

fn rules(text: &[u8]) {
    let Ok(rules) = read(text, RULE_VERSION) else {
        return;
    };
    let rules: Vec<_> = rules.into_iter().map(Arc::new).collect();
    let (config, clients) = &*CONFIG;
    let compiled = compile(config, &rules, clients, 1);
    assert_eq!(compiled.snapshot.rules.len(), rules.len());
}
