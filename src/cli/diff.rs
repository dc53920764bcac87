//! `doorward diff`.

use super::{complain, print};
use crate::adopt::diff::{Difference, Side, compare};
use crate::adopt::requests;
use crate::matcher::Strategy;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The decision API that is right by definition, such as http://127.0.0.1:4456.
    #[arg(long)]
    old: String,
    /// The one to compare with it.
    #[arg(long)]
    new: String,
    /// JSON lines (`{"method": "GET", "url": "https://host/path", "headers": {}}`), a HAR file, or an access log.
    #[arg(long)]
    requests: PathBuf,
    /// The host of requests from access logs, which name none.
    #[arg(long, default_value = "localhost")]
    host: String,
    /// The matching strategy of the rules, to name those that matched.
    #[arg(long, value_enum, default_value_t = Matching::Regexp)]
    strategy: Matching,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Matching {
    Regexp,
    Glob,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match replay(arguments) {
        Ok((0, _)) => {
            complain("no differences");
            ExitCode::SUCCESS
        }
        Ok((different, asked)) => {
            complain(&format!(
                "{different} of {asked} requests are decided differently"
            ));
            ExitCode::FAILURE
        }
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

/// How many requests differ, and how many were asked.
fn replay(arguments: &Arguments) -> Result<(usize, usize), String> {
    let file = arguments.requests.display();
    let text =
        std::fs::read_to_string(&arguments.requests).map_err(|error| format!("{file}: {error}"))?;
    let (requests, unreadable) = requests::read(&text, &arguments.host);
    for problem in unreadable {
        complain(&format!("{file}: {problem}"));
    }
    let strategy = match arguments.strategy {
        Matching::Regexp => Strategy::Regexp,
        Matching::Glob => Strategy::Glob,
    };
    crate::clients::http::install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let found: Vec<Difference> = runtime.block_on(async {
        let side = async |name: &str, url: &str| {
            Side::connect(url, strategy)
                .await
                .map_err(|error| format!("{name} side: {error}"))
        };
        let old = side("old", &arguments.old).await?;
        let new = side("new", &arguments.new).await?;
        compare(&old, &new, &requests)
            .await
            .map_err(|error| error.to_string())
    })?;
    for difference in &found {
        print(&format!("{difference}\n"));
    }
    Ok((found.len(), requests.len()))
}
