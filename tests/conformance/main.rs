//! Plays the recorded suites against the built binary and tells every step that went otherwise.
//! `README.md` beside this file describes the format and the arguments.
#![allow(
    unreachable_pub,
    reason = "modules of one test binary share what is public in them"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops where something is not as it should be"
)]

mod args;
mod checks;
mod compare;
mod data;
mod exceptions;
mod fill;
mod http;
mod json_text;
mod jwt;
mod keys;
mod normal;
mod partial;
mod pattern;
mod play;
mod ports;
mod process;
mod run;
mod stub;
mod suite;
mod verdict;

use args::{Args, Mode};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(problem) => {
            eprintln!("{problem}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let held = match args.mode {
        Mode::List => run::list(&args).map(|()| true),
        Mode::Help => {
            println!("{}", args::USAGE);
            Ok(true)
        }
        Mode::Play => run::play(&args),
    };
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}
