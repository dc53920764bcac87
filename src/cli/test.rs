//! `doorward test`.

use super::{CANNOT_RUN, Format, complain, print};
use crate::adopt::fixtures;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// Files of fixtures: YAML, JSON or TOML.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Fail where fewer percent of the rules are tried by some fixture.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage: Option<u8>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

const HELP: &str = "\
A file names its configuration (relative to itself; --config takes its place) and lists requests:

  config: ../conf/doorward.yaml
  fixtures:
    - name: guests may look around
      request: http://127.0.0.1:4455/public/page
      expect: allowed
    - name: the session's owner is told to the upstream
      request:
        method: POST
        url: https://app.example.com/orders
        headers: { Cookie: session=alice }
        body: { item: 7 }
        client: 203.0.113.9
      expect:
        decision: allowed        # or denied
        rule: orders             # null: no rule matches
        subject: alice
        headers: { X-User: alice, X-Debug: null }
        upstream: http://orders:8080/orders
    - request: https://app.example.com/orders
      expect: { status: 401, reason: unauthorized, stage: authentication, handler: cookie_session }

What is expected may also be `{ matches: REGEX }` or, of a token, `{ claims: { sub: alice } }`; of a refusal's
answer `answer: { headers: { Location: … }, body: … }`.

Servers that handlers ask are described too; nothing is called over a network:

  servers:
    - url: http://kratos:4433/sessions/whoami     # `*` at the end: everything below
      when: { headers: { Cookie: { matches: .*session=alice.* } } }
      answer: { json: { identity: { id: alice } } }
    - url: https://idp.example.com/.well-known/jwks.json
      answer: { keys: [idp] }
  keys: { idp: ES256 }                            # made for the run
  tokens:
    alice: { key: idp, claims: { sub: alice, iss: https://idp.example.com/ }, valid_for: 5m }

`${token:alice}` in a request stands for that token. `environment: { NAME: value }` is laid over the environment.

Exit codes: 0 everything holds, 1 something doesn't or too few rules are covered, 2 a file can't be read or used.";

pub(super) fn run(config: &[PathBuf], arguments: &Arguments) -> ExitCode {
    let report = match fixtures::run(&arguments.files, config) {
        Ok(report) => report,
        Err(problems) => {
            complain(&problems.to_string());
            return ExitCode::from(CANNOT_RUN);
        }
    };
    match arguments.format {
        Format::Text => print(&report.to_string()),
        Format::Json => print(&format!("{:#}\n", report.json())),
    }
    let too_few = arguments
        .coverage
        .filter(|least| report.covered() < usize::from(*least));
    if let Some(least) = too_few {
        complain(&format!("less than {least} % of the rules are covered"));
    }
    if report.failed() == 0 && too_few.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
