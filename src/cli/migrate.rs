//! `doorward migrate`.

use super::{CANNOT_RUN, Format, complain, print};
use crate::adopt::migrate::{self, Setup};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// What the configuration was written for.
    #[arg(long, value_enum)]
    from: From,
    /// Configuration files; later ones win.
    #[arg(required = true, value_name = "CONFIG")]
    files: Vec<PathBuf>,
    /// Write doorward.yaml and rules.yaml into this folder, which must have neither.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum From {
    Oathkeeper,
}

const HELP: &str = "\
A configuration of Oathkeeper works here as it is; this says what else there is to know before it does:
what is decided differently on purpose and which switch restores the old way, and what is risky in it anyway
(overlaps, catch-alls, secrets in rules, templates without escaping, open URLs). Secrets are never printed.

What is written holds the files' settings and the rules of files and inline sources; what the environment sets
stays there, and rules on servers stay where they are. It is read back and compared before it is reported.

  doorward migrate --from oathkeeper oathkeeper.yml
  doorward migrate --from oathkeeper oathkeeper.yml --output doorward/
  doorward test fixtures.yaml -c doorward/doorward.yaml
  doorward diff --old http://oathkeeper:4456 --new http://127.0.0.1:4456 --requests access.log

Exit codes: 0 it was reported (and written), 2 the setup can't be read or nothing could be written.";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let From::Oathkeeper = arguments.from;
    let setup = match Setup::read(&arguments.files) {
        Ok(setup) => setup,
        Err(problems) => return refuse(&problems.to_string()),
    };
    let mut report = setup.report();
    if let Some(folder) = &arguments.output {
        report = match migrate::write(&setup, folder) {
            Ok(written) => report.with(written),
            Err(error) => return refuse(&error.to_string()),
        };
    }
    match arguments.format {
        Format::Text => print(&report.to_string()),
        Format::Json => print(&format!("{:#}\n", report.json())),
    }
    ExitCode::SUCCESS
}

fn refuse(why: &str) -> ExitCode {
    complain(why);
    ExitCode::from(CANNOT_RUN)
}
