//! The module graph, enforced: which module may use which.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A module may use the ones listed beside it and nothing else; `telemetry` may be used by all.
const LAYERS: &[(&str, &[&str])] = &[
    ("value", &[]),
    ("gourl", &[]),
    ("gjson", &["value"]),
    ("scope", &[]),
    ("rpc", &[]),
    ("config", &["gourl", "value"]),
    ("matcher", &[]),
    ("telemetry", &["config"]),
    ("canonical", &["gourl"]),
    ("reading", &["canonical", "config"]),
    ("pipeline", &["canonical", "gourl", "value"]),
    ("ext_authz", &["canonical", "pipeline", "reading"]),
    ("template", &["canonical", "gourl", "pipeline", "value"]),
    ("upstreams", &["canonical", "gourl"]),
    ("clients", &["config", "upstreams", "value", "scope"]),
    (
        "handlers",
        &[
            "canonical",
            "clients",
            "config",
            "gjson",
            "gourl",
            "matcher",
            "pipeline",
            "scope",
            "template",
            "value",
        ],
    ),
    (
        "snapshot",
        &["canonical", "matcher", "pipeline", "upstreams"],
    ),
    (
        "rules",
        &[
            "canonical",
            "clients",
            "config",
            "gourl",
            "handlers",
            "matcher",
            "pipeline",
            "snapshot",
            "template",
            "upstreams",
            "value",
        ],
    ),
    ("engine", &["canonical", "matcher", "pipeline", "snapshot"]),
    ("reload", &["clients", "config", "rules", "snapshot"]),
    (
        "service",
        &[
            "reading",
            "canonical",
            "clients",
            "config",
            "engine",
            "ext_authz",
            "matcher",
            "pipeline",
            "rpc",
            "rules",
            "snapshot",
            "upstreams",
        ],
    ),
    (
        "tower",
        &[
            "reading",
            "canonical",
            "clients",
            "config",
            "engine",
            "pipeline",
            "reload",
            "rpc",
            "rules",
        ],
    ),
];

/// They know everything: the composition root and what starts it.
const ROOTS: &[&str] = &[
    "adopt",
    "app",
    "cli",
    "demo",
    "lib",
    "main",
    "layers",
    "reference",
];

#[test]
fn no_module_uses_what_it_may_not_know() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut broken = Vec::new();
    for (module, file) in sources() {
        let Some(may) = allowed.get(module.as_str()) else {
            assert!(
                ROOTS.contains(&module.as_str()),
                "src/{module} has no place in the layers"
            );
            continue;
        };
        for used in imports(&fs::read_to_string(&file).unwrap()) {
            let fine = used == module
                || used == "telemetry"
                || may.contains(&used.as_str())
                || !allowed.contains_key(used.as_str());
            if !fine {
                broken.push(format!("{}: {module} may not use {used}", file.display()));
            }
            assert!(
                !ROOTS.contains(&used.as_str()),
                "{}: nothing uses {used}",
                file.display()
            );
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_doors_know_their_servers() {
    for (module, file) in sources() {
        if module != "service" {
            let text = fs::read_to_string(&file).unwrap();
            // Examples in documentation may show one.
            let code: Vec<&str> = text
                .lines()
                .filter(|line| !line.starts_with("//!"))
                .collect();
            let text = code.join("\n");
            for server in [
                "use pingora",
                "pingora_core::",
                "pingora_proxy::",
                "use tonic",
                "tonic::",
            ] {
                assert!(
                    module == "layers" || !text.contains(server),
                    "{} uses {server}",
                    file.display()
                );
            }
        }
    }
}

/// Every source file with the top-level module that it belongs to.
fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let first = inside
                    .components()
                    .next()
                    .unwrap()
                    .as_os_str()
                    .to_str()
                    .unwrap();
                found.push((first.trim_end_matches(".rs").to_owned(), path));
            }
        }
    }
    assert!(found.len() > 10, "the sources are where they are expected");
    found
}

/// The modules named behind `crate::`, nested braces included (`use crate::{a, b::c}`).
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (index, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            found.push(word(&list[index..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}
