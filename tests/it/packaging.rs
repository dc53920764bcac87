//! What is said in `Dockerfile` and `packaging/` keeps its promises. `make test-packaging` builds and installs; here is what can be read.

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Instructions with what they say, continued lines joined, comments left out.
fn instructions(text: &str) -> Vec<(String, String)> {
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let text = text.join("\n").replace("\\\n", " ");
    let split = text.lines().filter_map(|line| line.trim().split_once(' '));
    split
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// What is wrong with an image's recipe.
fn complaints(text: &str) -> Vec<String> {
    let all = instructions(text);
    let mut wrong = Vec::new();
    let default = |name: &str| {
        let wanted = format!("{name}=");
        all.iter()
            .filter(|(word, _)| word == "ARG")
            .find_map(|(_, rest)| rest.strip_prefix(&wanted).map(str::to_owned))
    };
    for (_, rest) in all.iter().filter(|(word, _)| word == "FROM") {
        let image = rest.split(' ').next().unwrap_or_default();
        let image = match image
            .strip_prefix("${")
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(name) => default(name).unwrap_or_default(),
            None => image.to_owned(),
        };
        let tag = image
            .rsplit_once('/')
            .map_or(image.as_str(), |(_, name)| name)
            .split_once(':')
            .map(|(_, tag)| tag);
        if tag.is_none_or(|tag| tag == "latest") {
            wrong.push(format!("`{image}` has no fixed tag"));
        }
    }
    let last = all
        .iter()
        .rposition(|(word, _)| word == "FROM")
        .unwrap_or_default();
    let runtime = &all[last..];
    let user = runtime
        .iter()
        .rfind(|(word, _)| word == "USER")
        .map(|(_, rest)| rest.as_str());
    let uid = user.and_then(|user| user.split(':').next()?.parse::<u32>().ok());
    if uid.is_none_or(|uid| uid == 0) {
        wrong.push("the user is root, or no number".to_owned());
    }
    for (word, rest) in runtime {
        match word.as_str() {
            "RUN" => wrong.push(
                "a shell is needed where there may be none: RUN in the last stage".to_owned(),
            ),
            "VOLUME" | "ADD" => wrong.push(format!("{word} in the last stage")),
            "ENTRYPOINT" | "CMD" if !rest.starts_with('[') => {
                wrong.push(format!("{word} needs a shell"))
            }
            _ => {}
        }
    }
    if !runtime.iter().any(|(word, _)| word == "ENTRYPOINT") {
        wrong.push("no ENTRYPOINT".to_owned());
    }
    for (_, rest) in all.iter().filter(|(word, _)| word == "RUN") {
        if rest.contains("apt-get install")
            && !(rest.contains("--no-install-recommends")
                && rest.contains("rm -rf /var/lib/apt/lists"))
        {
            wrong.push("apt-get leaves more behind than it must".to_owned());
        }
        if rest.contains("cargo build") && !rest.contains("--locked") {
            wrong.push("the build is not held to Cargo.lock".to_owned());
        }
    }
    wrong
}

#[test]
fn the_image_is_small_and_without_root_and_shell() {
    let text = read("Dockerfile");
    assert_eq!(complaints(&text), [""; 0]);
    let all = instructions(&text);
    let command = all.iter().find(|(word, _)| word == "CMD").unwrap();
    assert!(command.1.contains("serve"), "{}", command.1);
    let rust = read("rust-toolchain.toml");
    let version = rust.split('"').nth(1).unwrap();
    let image = text.split("FROM rust:").nth(1).unwrap();
    let image = image.split('-').next().unwrap();
    assert!(
        version == image || version.starts_with(&format!("{image}.")),
        "the image builds with Rust {image}, the project with {version}"
    );
}

#[test]
fn a_careless_image_is_complained_about() {
    let careless = "FROM rust AS build\nRUN apt-get install cmake && cargo build\nFROM debian:latest\nRUN echo\nUSER root\nCMD doorward serve\n";
    let found = complaints(careless).join("\n");
    for word in [
        "`rust`",
        "`debian:latest`",
        "root",
        "RUN in the last",
        "CMD needs",
        "no ENTRYPOINT",
        "apt-get",
        "Cargo.lock",
    ] {
        assert!(found.contains(word), "{word}: {found}");
    }
}

#[test]
fn the_build_leaves_out_what_is_not_source() {
    let ignored = read(".dockerignore");
    for folder in ["target", ".git"] {
        assert!(ignored.lines().any(|line| line == folder), "{folder}");
    }
}

#[test]
fn the_unit_confines_what_it_runs() {
    let unit = read("packaging/systemd/doorward.service");
    for line in [
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateDevices=yes",
        "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service",
        "RestrictNamespaces=yes",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
    ] {
        assert!(unit.lines().any(|known| known == line), "{line}");
    }
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    let cargo = read("Cargo.toml");
    let mut words = start.split(' ');
    let binary = words.next().unwrap().trim_start_matches('/');
    let config = words
        .find(|word| word.starts_with("/etc/"))
        .unwrap()
        .trim_start_matches('/');
    assert!(
        cargo.contains(&format!("\"{}/\"", binary.rsplit_once('/').unwrap().0)),
        "the package has no {binary}"
    );
    assert!(
        cargo.contains(&format!("\"{config}\"")),
        "the package has no {config}"
    );
    let stop: u64 = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec="))
        .unwrap()
        .parse()
        .unwrap();
    assert!(stop > 5, "killed before requests in flight are done");
}
