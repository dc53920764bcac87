//! The log, on standard error: what the program does, and for each request an access line and a decision line.

mod bridge;
mod clock;
mod line;
mod redaction;
mod requests;
mod sink;
#[cfg(test)]
mod tests;

pub use line::Severity;
pub use redaction::Redaction;
pub use requests::{Access, Decided, Denied, TraceIds};

use crate::config::{Log, LogFormat, LogLevel, LogSubject};
use crate::telemetry::metrics::Counter;
use bridge::Bridge;
use line::Line;
use requests::ShownSubject;
use sink::Sink;
use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;
use tracing_log::log;

/// How long the end of the process waits for a reader of the log.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The log of the process.
#[derive(Debug)]
pub struct Logs {
    /// Changes with the configuration; everything else with the next start.
    level: Level,
    format: LogFormat,
    host: String,
    subject: ShownSubject,
    sample: f64,
    redaction: Redaction,
    sink: Sink,
}

impl Logs {
    /// A log that writes to `out`, from a thread of its own. `dropped` counts lines that nobody took.
    pub fn new(config: &Log, out: impl Write + Send + 'static, dropped: Arc<Counter>) -> Logs {
        Logs {
            level: Level::of(config.level),
            format: config.format,
            host: host_name(),
            subject: match config.subject {
                LogSubject::Shown => ShownSubject::Plain,
                LogSubject::Redacted => ShownSubject::Redacted,
            },
            sample: config.sample_ratio,
            redaction: Redaction::new(config),
            sink: Sink::new(out, dropped),
        }
    }

    /// Makes this the log of all libraries too. Only the first call of a process has an effect.
    pub fn install(self: &Arc<Self>) {
        std::panic::set_hook(Box::new(report_panic));
        // Both fail where there is one already, as in tests; that one stays.
        let _ = tracing::subscriber::set_global_default(Bridge(self.clone()));
        if log::set_boxed_logger(Box::new(Bridge(self.clone()))).is_ok() {
            self.tell_libraries();
        }
    }

    /// Writes more or less from now on.
    pub fn set_level(&self, level: LogLevel) {
        self.level.set(level);
        tracing::callsite::rebuild_interest_cache();
        self.tell_libraries();
    }

    /// Libraries speak only when they warn.
    fn tell_libraries(&self) {
        log::set_max_level(match self.level() {
            Severity::Error => log::LevelFilter::Error,
            Severity::Warn | Severity::Info | Severity::Debug | Severity::Trace => {
                log::LevelFilter::Warn
            }
        });
    }

    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// Whether lines about this request are written: all refusals and failures, and a share of the others.
    pub fn samples(&self, status: u16) -> bool {
        self.level() >= Severity::Info
            && (self.sample >= 1.0 || status >= 400 || rand::random::<f64>() < self.sample)
    }

    /// Writes the access line.
    pub fn access(&self, access: &Access<'_>) {
        if self.level() >= Severity::Info {
            self.write(Severity::Info, "completed handling request", |line| {
                access.write(line, &self.redaction);
            });
        }
    }

    /// Writes the decision line: a grant is information, a refusal is a warning, as in the reference.
    pub fn decision(&self, decided: &Decided<'_>) {
        let (severity, message) = match decided.denied {
            None => (Severity::Info, "Access request granted"),
            Some(_) => (Severity::Warn, "Access request denied"),
        };
        if self.level() >= severity {
            self.write(severity, message, |line| {
                decided.write(line, self.subject, &self.redaction);
            });
        }
    }

    /// Waits until what was logged is written. For the end of the process.
    pub fn flush(&self) {
        self.sink.flush(LAST_WORDS);
    }

    fn level(&self) -> Severity {
        self.level.get()
    }

    fn wants(&self, target: &str, severity: Severity) -> bool {
        let most = if bridge::is_foreign(target) {
            self.level().min(Severity::Warn)
        } else {
            self.level()
        };
        severity <= most
    }

    fn write(&self, severity: Severity, message: &str, fill: impl FnOnce(&mut Line<'_>)) {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let make = |out: &mut Vec<u8>| {
            out.clear();
            let mut line = Line::begin(out, self.format, severity, message, &self.host);
            fill(&mut line);
            line.end();
            self.sink.push(out);
        };
        // The buffer is taken where a field's own formatting logs, or where the thread is ending.
        let kept = BUFFER.try_with(|buffer| match buffer.try_borrow_mut() {
            Ok(mut buffer) => {
                make(&mut buffer);
                None
            }
            Err(_) => Some(make),
        });
        match kept {
            Ok(None) => {}
            Ok(Some(make)) => make(&mut Vec::new()),
            Err(_) => {}
        }
    }
}

/// The most that is written; may change while others read it.
#[derive(Debug)]
struct Level(AtomicU8);

impl Level {
    fn of(level: LogLevel) -> Level {
        let this = Level(AtomicU8::new(0));
        this.set(level);
        this
    }

    fn set(&self, level: LogLevel) {
        let severity = match level {
            LogLevel::Panic | LogLevel::Fatal | LogLevel::Error => Severity::Error,
            LogLevel::Warn => Severity::Warn,
            LogLevel::Info => Severity::Info,
            LogLevel::Debug => Severity::Debug,
            LogLevel::Trace => Severity::Trace,
        };
        self.0.store(severity as u8, Relaxed);
    }

    fn get(&self) -> Severity {
        let found = self.0.load(Relaxed);
        [
            Severity::Error,
            Severity::Warn,
            Severity::Info,
            Severity::Debug,
        ]
        .into_iter()
        .find(|severity| *severity as u8 == found)
        .unwrap_or(Severity::Trace)
    }
}

/// Where, in the log's own format. Not the message: it may quote what a client sent.
fn report_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let place = place.as_deref().unwrap_or("an unknown place");
    tracing::error!(place, "a defect of Doorward: a thread panicked");
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
