//! The command line.

use crate::app::{self, StartError};
use crate::demo;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// The reference's exit code for wrong use and for a configuration that can't be used.
const UNUSABLE: u8 = 255;

/// An identity and access proxy: lets through what access rules allow, and tells other gateways what they may.
#[derive(Debug, Parser)]
#[command(name = "doorward", disable_version_flag = true)]
struct Arguments {
    /// Configuration files; later ones win. May be repeated or separated by commas.
    #[arg(short, long, global = true, value_delimiter = ',')]
    config: Vec<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a demonstration on loopback: proxy, API, an upstream that echoes and ready-made rules.
    Demo,
    /// Serve the proxy, the decision API and the metrics.
    Serve {
        /// Accepted and ignored, as in `serve proxy`.
        #[arg(hide = true)]
        words: Vec<String>,
        /// Accepted: there is no telemetry to opt out of.
        #[arg(long, hide = true)]
        sqa_opt_out: bool,
        /// Accepted: there is no telemetry to disable.
        #[arg(long, hide = true)]
        disable_telemetry: bool,
    },
}

/// Does what the arguments say.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(UNUSABLE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match arguments.command {
        Command::Demo => started(demo::serve()),
        Command::Serve { .. } => started(app::serve(&arguments.config)),
    }
}

fn started(outcome: Result<(), StartError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            match error {
                StartError::Configuration(_) => ExitCode::from(UNUSABLE),
                StartError::Rules(_)
                | StartError::Clients(_)
                | StartError::Listen(_)
                | StartError::Demo(_) => ExitCode::FAILURE,
            }
        }
    }
}
