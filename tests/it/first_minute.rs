//! What can go wrong in a newcomer's first minute says what to do about it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PORTS: [&str; 3] = [
    "SERVE_PROXY_PORT",
    "SERVE_API_PORT",
    "SERVE_PROMETHEUS_PORT",
];

fn doorward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn a_port_that_is_taken_says_how_to_choose_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for variable in PORTS {
        let dir = tempfile::tempdir().unwrap();
        let mut command = doorward(&["demo"]);
        for other in PORTS {
            command.env(other, "0");
        }
        let output = command
            .env(variable, port.to_string())
            .env("TMPDIR", dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = said(&output);
        for word in [
            variable,
            &format!("127.0.0.1:{port}"),
            "choose another port",
        ] {
            assert!(said.contains(word), "{variable}: {said}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_says_where_it_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = doorward(&["serve", "-c", "conf/doorward.yaml"]);
    let output = command.current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    let said = said(&output);
    assert!(
        said.contains("conf/doorward.yaml: can't be read from /"),
        "{said}"
    );
    let folder = dir.path().file_name().unwrap().to_str().unwrap();
    assert!(said.contains(folder), "{said}");
}

fn fails(output: &Output, words: &[&str]) {
    assert!(!output.status.success());
    let said = said(output);
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// The setup script with nothing but these programs at hand.
fn setup(programs: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let program = |name: &str, script: &str| {
        let path = dir.path().join(name);
        fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    for (name, script) in programs {
        program(name, script);
    }
    // What the script itself is made of.
    program("id", "echo 0");
    program("dirname", "echo .ci");
    program("sed", "echo x86_64");
    Command::new("/bin/bash")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/setup"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("PATH", dir.path())
        .output()
        .unwrap()
}

const THERE: &str = "exit 0";
const NO_NETWORK: &str = "exit 100";

#[test]
fn what_is_missing_for_the_build_is_named() {
    let tools = [
        ("cargo", THERE),
        ("rustc", THERE),
        ("python3", THERE),
        ("cc", THERE),
    ];
    fails(&setup(&tools[1..]), &["install it with rustup"]);
    fails(&setup(&tools), &["Please install: cmake"]);
    let offline = [&tools[..], &[("apt-get", NO_NETWORK)]].concat();
    fails(
        &setup(&offline),
        &["Could not install cmake: is there a network"],
    );
}

#[test]
fn dependencies_that_cannot_be_fetched_are_told_from_a_build_that_fails() {
    let no_network = r#"[ "$1" = fetch ] && exit 101; exit 0"#;
    let with_cargo = |cargo| {
        [
            ("cargo", cargo),
            ("rustc", THERE),
            ("python3", THERE),
            ("cc", THERE),
            ("cmake", THERE),
        ]
    };
    fails(
        &setup(&with_cargo(no_network)),
        &["is there a network", "HTTPS_PROXY"],
    );
    assert!(setup(&with_cargo(THERE)).status.success());
}

/// Sockets that a process listens with, by the kernel's table.
fn listening(pid: u32) -> usize {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .map(|all| {
            all.flatten()
                .filter_map(|entry| fs::read_link(entry.path()).ok())
                .map(|target| target.display().to_string())
                .collect()
        })
        .unwrap_or_default();
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let mut inodes: Vec<&str> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(3) == Some(&"0A"))
        .filter_map(|fields| fields.get(9).copied())
        .filter(|inode| sockets.contains(&format!("socket:[{inode}]")))
        .collect();
    inodes.sort_unstable();
    inodes.dedup();
    inodes.len()
}

#[test]
fn listeners_at_free_ports_are_not_one_and_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("doorward.yaml");
    fs::write(&config, "serve: { proxy: { host: 127.0.0.1, port: 0 }, api: { host: 127.0.0.1, port: 0 }, prometheus: { host: 127.0.0.1, port: 0 } }\n").unwrap();
    let mut child = doorward(&["serve", "-c", config.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let mut count = 0;
    while count < 3 && Instant::now() < end {
        count = listening(child.id());
        std::thread::sleep(Duration::from_millis(20));
    }
    let sent = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    let status = child.wait().unwrap();
    assert!(sent.success());
    assert_eq!((count, status.code()), (3, Some(0)));
}
