//! Bringing users over: `doorward test`, `doorward migrate` and `doorward diff`.

mod diff;
mod fixtures;
mod migrate;
mod setups;

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

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
