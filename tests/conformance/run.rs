//! A whole run: the runner's own checks, then the suites, several at once, then the sum.

use crate::args::Args;
use crate::checks::{self, Check};
use crate::data::{self, home};
use crate::exceptions::{Exception, Exceptions};
use crate::jwt::Tokens;
use crate::play::{self, Seen};
use crate::suite::{Exit, RequestStep, Suite};
use crate::verdict::{Difference, Outcome, Report, Verdict};
use serde_json::Value;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub fn tokens() -> Result<Tokens, String> {
    data::read(&home().join("keys.json")).map(Tokens::new)
}

/// Prints the names as an ordinary test binary does.
pub fn list(args: &Args) -> Result<(), String> {
    for task in tasks(args)? {
        println!("{}: test", task.name());
    }
    Ok(())
}

/// Plays what the arguments ask for; true if everything held.
pub fn play(args: &Args) -> Result<bool, String> {
    let begin = Instant::now();
    let tasks = tasks(args)?;
    let tokens = tokens()?;
    let exceptions = if args.exceptions {
        data::read(&home().join("exceptions.json"))?
    } else {
        Exceptions::default()
    };
    let mut sum = Sum::default();
    if args.everything() {
        sum.misnamed = misnamed(&exceptions, &tasks);
    }

    let queue = Mutex::new(VecDeque::from(tasks));
    let next = || queue.lock().unwrap().pop_front();
    let (done, reports) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..args.jobs {
            let done = done.clone();
            let (tokens, exceptions) = (&tokens, &exceptions);
            scope.spawn(move || {
                while let Some(task) = next() {
                    let _ = done.send(task.carry_out(tokens, exceptions));
                }
            });
        }
        drop(done);
        for report in reports {
            sum.add(&report, args.quiet);
        }
    });
    sum.print(begin.elapsed());
    Ok(sum.holds())
}

enum Task {
    Check(Check),
    Suite(Box<Suite>),
}

impl Task {
    fn name(&self) -> String {
        match self {
            Task::Check(check) => format!("runner::{}", check.name),
            Task::Suite(suite) => suite.name.clone(),
        }
    }

    fn length(&self) -> Duration {
        match self {
            Task::Check(_) => Duration::from_secs(3600),
            Task::Suite(suite) => suite.length(),
        }
    }

    fn carry_out(&self, tokens: &Tokens, exceptions: &Exceptions) -> Report {
        let begin = Instant::now();
        let work = || match self {
            Task::Check(check) => {
                (check.run)();
                Ok(vec![Verdict {
                    step: String::new(),
                    outcome: Outcome::Passed,
                }])
            }
            Task::Suite(suite) => judge(suite, tokens, exceptions),
        };
        let result = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err("panicked, as told above".into()));
        Report {
            name: self.name(),
            took: begin.elapsed(),
            result,
        }
    }
}

/// What the arguments ask for, the longest first.
fn tasks(args: &Args) -> Result<Vec<Task>, String> {
    let mut files = args.files.clone();
    if args.files.is_empty() || !args.words.is_empty() {
        let folder = args.suites.clone().unwrap_or_else(|| home().join("suites"));
        files.extend(json_files(&folder)?.into_iter().filter(|file| {
            let stem = file.file_stem().unwrap_or_default();
            args.wants(&stem.to_string_lossy())
        }));
    }
    let checks = checks::ALL.into_iter().map(Task::Check);
    let mut tasks: Vec<Task> = checks
        .filter(|check| args.files.is_empty() && args.wants(&check.name()))
        .collect();
    for file in files {
        tasks.push(Task::Suite(Box::new(Suite::read(&file)?)));
    }
    tasks.sort_by_key(|task| std::cmp::Reverse(task.length()));
    Ok(tasks)
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).and_then(|entries| {
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<Result<Vec<_>, _>>()
    });
    let mut files = entries.map_err(|error| format!("{}: {error}", folder.display()))?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    Ok(files)
}

/// Plays a suite and holds each of its steps to what it expects.
pub fn judge(
    suite: &Suite,
    tokens: &Tokens,
    exceptions: &Exceptions,
) -> Result<Vec<Verdict>, String> {
    let seen = match play::play(suite, tokens)? {
        Seen::Exit(exit) => return Ok(vec![exit_verdict(exit, suite.expect_exit)]),
        Seen::Requests(seen) => seen,
    };
    let verdict = |(step, seen): (&RequestStep, &Value)| Verdict {
        step: step.name.clone(),
        outcome: outcome(step, seen, exceptions.of(&suite.name, &step.name)),
    };
    Ok(suite.judged().zip(&seen).map(verdict).collect())
}

fn exit_verdict(exit: Exit, expected: Option<Exit>) -> Verdict {
    let outcome = if expected == Some(exit) {
        Outcome::Passed
    } else {
        let expected = expected.map_or("nothing".into(), |exit| format!("{exit:?}"));
        let got = Value::from(format!("{exit:?}"));
        Outcome::Failed(vec![Difference::new("exit", expected, &got)])
    };
    Verdict {
        step: "exit".into(),
        outcome,
    }
}

fn outcome(step: &RequestStep, seen: &Value, exception: Option<&Exception>) -> Outcome {
    let mut differences = step.expectation.differences(seen);
    match (exception, differences.is_empty()) {
        (None, true) => return Outcome::Passed,
        (Some(_), true) => return Outcome::Stale,
        (None, false) => {}
        (Some(exception), false) => {
            differences = exception.require.shortfalls(seen, "");
            if differences.is_empty() {
                let why = exception.why.clone();
                return Outcome::Excepted { why };
            }
        }
    }
    if let Some(note) = seen.pointer("/response/note") {
        differences.push(Difference::new("response", "an answer".into(), note));
    }
    Outcome::Failed(differences)
}

/// Exceptions that no step has the name of, such as those of a suite that was recorded anew.
fn misnamed(exceptions: &Exceptions, tasks: &[Task]) -> Vec<String> {
    let has = |suite: &str, step: &str| {
        tasks.iter().any(|task| match task {
            Task::Suite(it) => it.name == suite && it.judged().any(|it| it.name == step),
            Task::Check(_) => false,
        })
    };
    let told = |it: &Exception| format!("{}/{}", it.suite, it.step);
    exceptions.without_step(has).map(told).collect()
}

#[derive(Default)]
struct Sum {
    suites: usize,
    failed_suites: Vec<String>,
    passed: usize,
    failed: usize,
    stale: usize,
    exceptions: usize,
    misnamed: Vec<String>,
}

impl Sum {
    fn add(&mut self, report: &Report, quiet: bool) {
        self.suites += 1;
        if !report.held() {
            self.failed_suites.push(report.name.clone());
        }
        if !quiet || !report.held() {
            println!("{report}");
        }
        for verdict in report.result.iter().flatten() {
            match verdict.outcome {
                Outcome::Passed => self.passed += 1,
                Outcome::Excepted { .. } => self.exceptions += 1,
                Outcome::Stale => self.stale += 1,
                Outcome::Failed(_) => self.failed += 1,
            }
        }
    }

    fn holds(&self) -> bool {
        self.failed_suites.is_empty() && self.misnamed.is_empty()
    }

    fn print(&self, took: Duration) {
        for exception in &self.misnamed {
            println!("STALE exception {exception}: no step is called so");
        }
        for name in &self.failed_suites {
            println!("FAIL {name}");
        }
        println!(
            "conformance: {} suites and checks, {} failed; {} steps passed, {} failed, {} known exceptions, {} stale; {:.1} s",
            self.suites,
            self.failed_suites.len(),
            self.passed,
            self.failed,
            self.exceptions,
            self.stale,
            took.as_secs_f64()
        );
    }
}
