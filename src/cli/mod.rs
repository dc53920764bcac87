//! The command line: the reference's commands with its exit codes and streams, and some of Doorward's own.

mod client;
mod diff;
mod explain;
mod inspect;
mod keys;
mod migrate;
mod test;

use crate::app::{self, StartError};
use crate::config::schema;
use crate::demo;
use crate::service::Listeners;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The reference's exit code for wrong use and for a configuration that can't be used.
const UNUSABLE: u8 = 255;
/// Of `test` and `migrate`: a file can't be read or used, or nothing can be written, so that nothing can be said.
const CANNOT_RUN: u8 = 2;

/// An identity and access proxy: lets through what access rules allow, and tells other gateways what they may.
#[derive(Debug, Parser)]
#[command(name = "doorward", disable_version_flag = true)]
struct Arguments {
    /// Configuration files; later ones win. May be repeated or separated by commas.
    #[arg(
        short,
        long,
        global = true,
        value_delimiter = ',',
        value_name = "FILES"
    )]
    config: Vec<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a demonstration on loopback: proxy, API, an upstream that echoes and ready-made rules.
    Demo,
    /// Serve the proxy, the decision API and the metrics.
    ///
    /// SIGTERM ends it when the requests in flight are done, SIGHUP reads configuration and rules again, SIGQUIT hands the listeners to a
    /// process that was started with --upgrade.
    Serve {
        /// Take the listeners over from a running process, without a request being lost.
        ///
        /// Start this process with the same `serve.upgrade_sock`, send SIGQUIT to the old one: it hands over as soon as this one has its
        /// rules, and ends when its own requests are done. Where this one can't start, the old one goes on serving. Linux only.
        #[arg(short, long)]
        upgrade: bool,
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
    /// Check the whole configuration and all rules, and name every problem.
    ///
    /// Exits with 0 where there is none, with 1 otherwise. Reads every rule source once, remote ones too.
    Validate {
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say which rule a request matches, and which ones it nearly does.
    ///
    /// Runs no handler and asks no server.
    Explain(explain::Arguments),
    /// Look for rules that get in each other's way, never match, or are slow to match.
    ///
    /// Exits with 1 where there are any.
    Lint,
    /// Replay requests against two decision APIs, and print what they decide differently.
    ///
    /// Works against a running Oathkeeper as the old side. Exits with 1 where there are differences.
    Diff(diff::Arguments),
    /// Say on one page what becomes of a setup of Oathkeeper, and write it as a clean configuration.
    Migrate(migrate::Arguments),
    /// Try requests against the rules, in process, and say where the decision is not the expected one.
    ///
    /// Opens no port and calls no server. Says which rules no request comes to.
    Test(test::Arguments),
    /// Print the JSON schema of the configuration, or the reference page of its keys.
    Schema {
        #[arg(long, value_enum, default_value_t = SchemaForm::Json)]
        form: SchemaForm,
    },
    /// Ask a running Doorward for its rules.
    Rules {
        #[command(flatten)]
        endpoint: Endpoint,
        #[command(subcommand)]
        command: Option<RulesCommand>,
    },
    /// Ask a running Doorward how it is.
    Health {
        #[command(flatten)]
        endpoint: Endpoint,
        #[command(subcommand)]
        command: Option<HealthCommand>,
    },
    /// Make credentials.
    Credentials {
        #[command(subcommand)]
        command: Option<CredentialsCommand>,
    },
    /// Print the version.
    Version {
        #[arg(hide = true)]
        words: Vec<String>,
    },
    /// Print a script that completes commands in a shell.
    Completion { shell: CompletionShell },
}

#[derive(Debug, Args)]
struct Endpoint {
    /// The URL of the API, such as http://127.0.0.1:4456/.
    #[arg(
        short,
        long,
        global = true,
        default_value = "",
        hide_default_value = true
    )]
    endpoint: String,
}

#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum RulesCommand {
    /// List the rules, page by page.
    List {
        /// Rules on a page.
        #[arg(long, default_value_t = 20, allow_negative_numbers = true)]
        limit: i64,
        /// Which page, counted from 1.
        #[arg(long, default_value_t = 1, allow_negative_numbers = true)]
        page: i64,
        #[arg(hide = true)]
        words: Vec<String>,
    },
    /// Show one rule.
    Get { id: String },
    #[command(external_subcommand)]
    #[allow(
        dead_code,
        reason = "clap wants the words; the answer to all of them is the usage"
    )]
    Other(Vec<OsString>),
}

#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum HealthCommand {
    /// Whether the process answers.
    Alive {
        #[arg(hide = true)]
        words: Vec<String>,
    },
    /// Whether it serves rules.
    Ready {
        #[arg(hide = true)]
        words: Vec<String>,
    },
    #[command(external_subcommand)]
    #[allow(
        dead_code,
        reason = "clap wants the words; the answer to all of them is the usage"
    )]
    Other(Vec<OsString>),
}

#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum CredentialsCommand {
    /// Make a key set with one new private key.
    Generate {
        /// RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, HS256, HS384 or HS512.
        #[arg(long)]
        alg: String,
        /// The key's id; a random UUID where nothing is written.
        #[arg(long, default_value = "", hide_default_value = true)]
        kid: String,
        /// The key's size; 0 for the algorithm's usual one.
        #[arg(long, default_value_t = 0)]
        bits: u32,
        #[arg(hide = true)]
        words: Vec<String>,
    },
    #[command(external_subcommand)]
    #[allow(
        dead_code,
        reason = "clap wants the words; the answer to all of them is the usage"
    )]
    Other(Vec<OsString>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaForm {
    /// Draft-07, for editors.
    Json,
    /// A page in Markdown.
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompletionShell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

impl From<CompletionShell> for Shell {
    fn from(shell: CompletionShell) -> Shell {
        match shell {
            CompletionShell::Bash => Shell::Bash,
            CompletionShell::Zsh => Shell::Zsh,
            CompletionShell::Fish => Shell::Fish,
            CompletionShell::Powershell => Shell::PowerShell,
        }
    }
}

/// The whole command line, for the reference page.
#[cfg(test)]
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

/// Does what the arguments say.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => dispatch(arguments),
        Err(error) => refuse(&error),
    }
}

fn dispatch(arguments: Arguments) -> ExitCode {
    let files = arguments.config;
    match arguments.command {
        None => help(&[]),
        Some(Command::Demo) => started(demo::serve()),
        Some(Command::Serve { upgrade, .. }) => {
            print(&format!("Doorward {}\n", env!("CARGO_PKG_VERSION")));
            started(app::serve(
                &files,
                if upgrade {
                    Listeners::TakeOver
                } else {
                    Listeners::Open
                },
            ))
        }
        Some(Command::Validate { format }) => inspect::validate(&files, format),
        Some(Command::Explain(arguments)) => explain::run(&files, &arguments),
        Some(Command::Lint) => inspect::lint(&files),
        Some(Command::Diff(arguments)) => diff::run(&arguments),
        Some(Command::Migrate(arguments)) => migrate::run(&arguments),
        Some(Command::Test(arguments)) => test::run(&files, &arguments),
        Some(Command::Schema { form }) => {
            print(&match form {
                SchemaForm::Json => format!("{:#}\n", schema::json_schema()),
                SchemaForm::Markdown => schema::reference(),
            });
            ExitCode::SUCCESS
        }
        Some(Command::Rules { endpoint, command }) => rules(&endpoint.endpoint, command),
        Some(Command::Health { endpoint, command }) => health(&endpoint.endpoint, command),
        Some(Command::Credentials { command }) => credentials(command),
        Some(Command::Version { .. }) => {
            print(&version());
            ExitCode::SUCCESS
        }
        Some(Command::Completion { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(
                Shell::from(shell),
                &mut Arguments::command(),
                "doorward",
                &mut script,
            );
            print(&String::from_utf8_lossy(&script));
            ExitCode::SUCCESS
        }
    }
}

fn rules(endpoint: &str, command: Option<RulesCommand>) -> ExitCode {
    match command {
        Some(RulesCommand::List { limit, page, .. }) => client::list(endpoint, limit, page),
        Some(RulesCommand::Get { id }) => client::get(endpoint, &id),
        Some(RulesCommand::Other(_)) | None => help(&["rules"]),
    }
}

fn health(endpoint: &str, command: Option<HealthCommand>) -> ExitCode {
    match command {
        Some(HealthCommand::Alive { .. }) => client::health(endpoint, "/health/alive"),
        Some(HealthCommand::Ready { .. }) => client::health(endpoint, "/health/ready"),
        Some(HealthCommand::Other(_)) | None => help(&["health"]),
    }
}

fn credentials(command: Option<CredentialsCommand>) -> ExitCode {
    match command {
        Some(CredentialsCommand::Generate { alg, kid, bits, .. }) => {
            keys::generate(&alg, &kid, bits)
        }
        Some(CredentialsCommand::Other(_)) | None => help(&["credentials"]),
    }
}

/// The labels end at column 12, as in the reference.
fn version() -> String {
    let field = |label: &str, value: &str| format!("{label:<12}{value}\n");
    [
        field("Version:", concat!("v", env!("CARGO_PKG_VERSION"))),
        field(
            "Git Hash:",
            option_env!("DOORWARD_GIT_HASH").unwrap_or("undefined"),
        ),
        field(
            "Build Time:",
            option_env!("DOORWARD_BUILD_TIME").unwrap_or("undefined"),
        ),
    ]
    .concat()
}

/// Usage on standard output and one empty line.
fn help(path: &[&str]) -> ExitCode {
    let mut command = Arguments::command();
    command.build();
    for name in path {
        if let Some(inner) = command.find_subcommand(name).cloned() {
            command = inner;
        }
    }
    print(&format!("{}\n", command.render_help()));
    ExitCode::SUCCESS
}

/// Help that was asked for is an answer. Wrong use is said on both streams, as in the reference.
fn refuse(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::InvalidSubcommand
            if std::env::args_os()
                .nth(1)
                .is_some_and(|word| word == "help") =>
        {
            complain(&format!(
                "unknown help topic\n{}",
                Arguments::command().render_usage()
            ));
            ExitCode::SUCCESS
        }
        _ => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let first = text.lines().next().unwrap_or_default();
            print(&format!("{first}\n"));
            complain(&format!("Error: {text}"));
            ExitCode::from(UNUSABLE)
        }
    }
}

fn started(outcome: Result<(), StartError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            match error {
                StartError::Configuration(_) => {
                    complain("the configuration can't be used");
                    ExitCode::from(UNUSABLE)
                }
                StartError::Rules(_)
                | StartError::Clients(_)
                | StartError::Traces(_)
                | StartError::Listen(_)
                | StartError::Demo(_) => ExitCode::FAILURE,
            }
        }
    }
}

/// To standard output. Who closes it doesn't want to read on.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// One message to standard error.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
