//! Records of `tracing` and `log`, from Doorward's modules and from libraries.
//!
//! Libraries speak only when they warn: at finer levels HTTP/2 prints whole header lists. Pingora's errors quote what a client sent,
//! credentials included, so of them only the kind of error is kept.

use super::Logs;
use super::line::{Line, Severity};
use std::fmt;
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::log;

/// The longest message of a library that is kept.
const LONGEST_MESSAGE: usize = 200;

/// Takes all records of the process. Spans are not its business: traces are made elsewhere.
pub(super) struct Bridge(pub(super) Arc<Logs>);

impl Subscriber for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.0.wants(metadata.target(), severity(*metadata.level()))
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        let level = match self.0.level() {
            Severity::Error => Level::ERROR,
            Severity::Warn => Level::WARN,
            Severity::Info => Level::INFO,
            Severity::Debug => Level::DEBUG,
            Severity::Trace => Level::TRACE,
        };
        Some(level.into())
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut message = Message(String::new());
        event.record(&mut message);
        let Message(mut message) = message;
        if is_foreign(metadata.target()) {
            message = tame(&message).to_owned();
        }
        self.0.write(severity(*metadata.level()), &message, |line| {
            standard(line, metadata.target());
            if !is_foreign(metadata.target()) {
                event.record(&mut Fields(line));
            }
            if self.0.level() == Severity::Trace
                && let (Some(file), Some(number)) = (metadata.file(), metadata.line())
            {
                line.text("file", &format!("{file}:{number}"));
            }
        });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl log::Log for Bridge {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0
            .wants(metadata.target(), log_severity(metadata.level()))
    }

    fn log(&self, record: &log::Record<'_>) {
        if !log::Log::enabled(self, record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        self.0
            .write(log_severity(record.level()), tame(&message), |line| {
                standard(line, record.target());
            });
    }

    fn flush(&self) {}
}

fn standard(line: &mut Line<'_>, target: &str) {
    line.text("audience", "application");
    line.text("service_name", "doorward");
    line.text("service_version", env!("CARGO_PKG_VERSION"));
    line.text("target", target);
}

/// What a library's message may say: its beginning, on one line, without what follows where Pingora quotes bytes.
fn tame(message: &str) -> &str {
    let quoted = [
        "context:",
        "buf:",
        "HTTP/1.",
        "Authorization",
        "authorization",
        "Cookie",
        "cookie",
    ]
    .iter()
    .filter_map(|mark| message.find(mark))
    .min()
    .unwrap_or(message.len());
    let control = message.find(char::is_control).unwrap_or(message.len());
    let end = message.floor_char_boundary(quoted.min(control).min(LONGEST_MESSAGE));
    message.get(..end).unwrap_or_default().trim_end()
}

pub(super) fn is_foreign(target: &str) -> bool {
    target != "doorward" && !target.starts_with("doorward::")
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

fn log_severity(level: log::Level) -> Severity {
    match level {
        log::Level::Error => Severity::Error,
        log::Level::Warn => Severity::Warn,
        log::Level::Info => Severity::Info,
        log::Level::Debug => Severity::Debug,
        log::Level::Trace => Severity::Trace,
    }
}

/// The `message` of an event.
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0 = value.to_owned();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// All other fields.
struct Fields<'a, 'b>(&'a mut Line<'b>);

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != "message" {
            self.0.text(field.name(), value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.flag(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.number(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            self.0.text(field.name(), &format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_s_message_stops_before_what_a_client_sent() {
        for (message, kept) in [
            ("plain words", "plain words"),
            (
                "InvalidHTTPHeader context: buf: GET /?token=hush HTTP/1.1",
                "InvalidHTTPHeader",
            ),
            ("bad\r\nAuthorization: Bearer hush", "bad"),
            ("fail for GET /?a HTTP/1.1", "fail for GET /?a"),
            ("", ""),
        ] {
            assert_eq!(tame(message), kept);
        }
        assert_eq!(tame(&"ü".repeat(300)).len(), LONGEST_MESSAGE);
    }

    #[test]
    fn doorward_s_own_targets_are_told_from_others() {
        assert!(!is_foreign("doorward") && !is_foreign("doorward::service::door"));
        assert!(is_foreign("doorwards") && is_foreign("pingora_core") && is_foreign("h2"));
    }
}
