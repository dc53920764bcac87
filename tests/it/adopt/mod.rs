//! Bringing users over: `doorward test`, `doorward migrate` and `doorward diff`.

mod diff;
mod fixtures;
mod migrate;
mod setups;

use crate::support::Doorward;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary in the project's folder, where the paths of its own examples begin.
fn doorward(arguments: &[&str]) -> Output {
    doorward_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}

fn doorward_in(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Runs `doorward migrate` on a configuration of a folder.
fn migrate(folder: &Path, config: &str, more: &[&str]) -> Output {
    let arguments = [&["migrate", "--from", "oathkeeper", config], more].concat();
    doorward_in(folder, &arguments)
}

/// Asks two running decision APIs the same requests, which are JSON lines.
fn diff(old: &Doorward, new: &Doorward, requests: &[String], more: &[&str]) -> Output {
    let file = old.dir.path().join("requests.jsonl");
    std::fs::write(&file, requests.join("\n")).unwrap();
    let [old, new] = [old, new].map(|side| format!("http://{}", side.api));
    let file = file.to_str().unwrap();
    let sides = ["diff", "--old", &old, "--new", &new, "--requests", file];
    doorward(&[&sides, more].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
