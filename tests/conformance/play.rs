//! Plays one suite and notes what happened.

use crate::fill::Values;
use crate::http::{Door, Request};
use crate::json_text::{Members, json_text};
use crate::jwt::Tokens;
use crate::normal::Normal;
use crate::ports::free_port;
use crate::process::Process;
use crate::stub::{Otherwise, Programmed, Stub};
use crate::suite::{Exit, RequestStep, Step, Suite, Write};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const STARTS_WITHIN: Duration = Duration::from_secs(20);
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);
/// After an answer, for what reaches a stub a moment later.
const LATE: Duration = Duration::from_millis(20);
/// Times to start anew where a port was taken.
const STARTS: usize = 3;
/// Letters of the log that are told.
const LOG_SHOWN: usize = 1500;

pub enum Seen {
    Exit(Exit),
    /// What each request brought about: `response`, `upstream`, `calls`.
    Requests(Vec<Value>),
}

/// Plays a suite from its start to its end.
///
/// # Errors
/// Why it could not be played to its end: the process did not come up or ended, or the suite asks for what does not exist.
pub fn play(suite: &Suite, tokens: &Tokens) -> Result<Seen, String> {
    for _ in 0..STARTS {
        let mut stage = Stage::set(suite, tokens)?;
        if suite.expect_exit.is_some() {
            return Ok(Seen::Exit(stage.exit()));
        }
        if stage.comes_up() {
            return stage.requests().map(Seen::Requests);
        }
        // Another program was given the port between our looking for it and its use.
        if !stage.process.met_a_taken_port() {
            return Err(stage.log_of("did not come up"));
        }
    }
    Err("every port that was free was taken a moment later".into())
}

/// The folder, the servers and the process of one play.
struct Stage<'a> {
    suite: &'a Suite,
    process: Process,
    upstream: Stub,
    auth: Stub,
    proxy: u16,
    api: u16,
    metrics: u16,
    values: Values<'a>,
    folder: TempDir,
}

impl<'a> Stage<'a> {
    fn set(suite: &'a Suite, tokens: &'a Tokens) -> Result<Stage<'a>, String> {
        let folder = tempfile::Builder::new().prefix("suite-").tempdir();
        let folder = folder.map_err(|error| told("a folder", &error))?;
        let stub = |otherwise| Stub::start(otherwise).map_err(|error| told("a stub", &error));
        let (upstream, auth) = (stub(Otherwise::Echo)?, stub(Otherwise::NotFound)?);
        let (proxy, api, metrics) = (free_port(), free_port(), free_port());
        let mut names = HashMap::from([
            ("DIR".to_owned(), folder.path().display().to_string()),
            ("CLOSED".to_owned(), format!("127.0.0.1:{}", free_port())),
        ]);
        for (name, port) in [
            ("PROXY", proxy),
            ("API", api),
            ("METRICS", metrics),
            ("AUTH", auth.port),
            ("UPSTREAM", upstream.port),
        ] {
            names.insert(name.to_owned(), format!("127.0.0.1:{port}"));
            names.insert(format!("{name}_PORT"), port.to_string());
        }
        let values = Values { names, tokens };
        let programmed = |replies: &[Value]| -> Result<Vec<Programmed>, String> {
            replies.iter().map(|reply| values.parse(reply)).collect()
        };
        auth.program(programmed(&suite.stubs)?);
        upstream.program(programmed(&suite.upstream)?);

        write_files(suite, &values, folder.path(), [proxy, api, metrics])?;
        let configs =
            std::iter::once("config.json").chain(suite.more_configs.iter().map(String::as_str));
        let configs = configs.map(|name| folder.path().join(name));
        let process = Process::start(folder.path(), configs, &values.members(&suite.env)?);
        Ok(Stage {
            suite,
            process: process.map_err(|error| told("the process", &error))?,
            upstream,
            auth,
            proxy,
            api,
            metrics,
            values,
            folder,
        })
    }

    fn exit(&mut self) -> Exit {
        match self.process.end_within(self.suite.exit_within()) {
            Some(status) if status.success() => Exit::Zero,
            Some(_) => Exit::Nonzero,
            None => Exit::KeptRunning,
        }
    }

    fn comes_up(&mut self) -> bool {
        let alive = self
            .process
            .answers_within(STARTS_WITHIN, self.api, "/health/alive");
        if alive {
            let patience = self.suite.ready_within();
            for port in [self.proxy, self.metrics] {
                self.process.listens_within(patience, port);
            }
            // Some suites are about what is never ready.
            self.process
                .answers_within(patience, self.api, "/health/ready");
        }
        alive
    }

    fn requests(&mut self) -> Result<Vec<Value>, String> {
        let suite = self.suite;
        let mut seen = Vec::new();
        self.forget();
        for step in &suite.requests {
            match step {
                Step::Sleep(pause) => thread::sleep(*pause),
                Step::Write(write) => {
                    self.write(write)?;
                    thread::sleep(write.wait());
                    self.forget();
                }
                Step::Request(step) => {
                    seen.push(self.request(step)?);
                    if self.process.ended().is_some() {
                        return Err(self.log_of(&format!("ended at `{}`", step.name)));
                    }
                }
            }
        }
        Ok(seen)
    }

    fn forget(&self) {
        self.upstream.drain();
        self.auth.drain();
    }

    fn request(&self, step: &RequestStep) -> Result<Value, String> {
        let request: Request = self
            .values
            .parse(&step.request)
            .map_err(|problem| format!("step `{}`: {problem}", step.name))?;
        let port = match request.via {
            Door::Proxy => self.proxy,
            Door::Api => self.api,
            Door::Metrics => self.metrics,
        };
        let response = request.send(port, ANSWERS_WITHIN);
        thread::sleep(LATE);
        let normal = Normal::new(&self.values.names, self.values.tokens);
        let all = |stub: &Stub| -> Value {
            let received = stub.drain();
            received.iter().map(|it| normal.request(it)).collect()
        };
        Ok(json!({
            "response": normal.response(&response),
            "upstream": all(&self.upstream),
            "calls": all(&self.auth),
        }))
    }

    fn write(&self, write: &Write) -> Result<(), String> {
        for (name, content) in &write.files {
            let file = self.folder.path().join(name);
            let content = self.values.fill(content)?;
            let done = if content.is_null() {
                std::fs::remove_file(&file).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
            } else if write.in_place {
                std::fs::write(&file, text_of(&content))
            } else {
                let new = self.folder.path().join(format!("{name}.tmp"));
                std::fs::write(&new, text_of(&content)).and_then(|()| std::fs::rename(&new, &file))
            };
            done.map_err(|error| told(name, &error))?;
        }
        Ok(())
    }

    fn log_of(&self, what: &str) -> String {
        let log = self.process.log();
        let from = log
            .char_indices()
            .rev()
            .nth(LOG_SHOWN)
            .map_or(0, |(place, _)| place);
        format!("{what}:\n{}", &log[from..])
    }
}

/// Writes `config.json`, `rules.json` and the suite's own files.
fn write_files(
    suite: &Suite,
    values: &Values<'_>,
    folder: &Path,
    [proxy, api, metrics]: [u16; 3],
) -> Result<(), String> {
    let mut config = Value::Object(values.members(&suite.config)?);
    for (door, port) in [("proxy", proxy), ("api", api), ("prometheus", metrics)] {
        let door = member(member(&mut config, "serve")?, door)?;
        *member(door, "host")? = "127.0.0.1".into();
        *member(door, "port")? = port.into();
    }
    let mut files = values.members(&suite.files)?;
    if let Some(rules) = &suite.rules {
        files.insert("rules.json".into(), values.fill(rules)?);
        let repositories = member(member(&mut config, "access_rules")?, "repositories")?;
        if repositories.is_null() {
            *repositories = json!([format!("file://{}/rules.json", folder.display())]);
        }
    }
    files.insert("config.json".into(), config);
    for (name, content) in &files {
        let file = folder.join(name);
        file.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&file, text_of(content)))
            .map_err(|error| told(name, &error))?;
    }
    Ok(())
}

/// A member of an object, made where it is missing.
fn member<'v>(value: &'v mut Value, name: &str) -> Result<&'v mut Value, String> {
    if value.is_null() {
        *value = Map::new().into();
    }
    match value {
        Value::Object(members) => Ok(members.entry(name).or_insert(Value::Null)),
        _ => Err(format!("`{name}` is to be set in `{value}`")),
    }
}

/// Text as it is, anything else as JSON.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        _ => json_text(content, Members::AsGiven),
    }
}

fn told(what: &str, error: &std::io::Error) -> String {
    format!("{what}: {error}")
}
