//! One line of the log, in each of its formats.
//!
//! Whatever a value holds, it stays one value on one line: control characters, line separators and characters that turn the direction of
//! text are escaped, and what is not UTF-8 is replaced. Nothing that a client sends can end a line or begin a field.

use super::clock::Moment;
use crate::config::LogFormat;
use std::io::Write as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Severity {
    /// The reference's word.
    fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warn => "warning",
            Severity::Info => "info",
            Severity::Debug => "debug",
            Severity::Trace => "trace",
        }
    }

    /// As GELF wants it (RFC 5424 §6.2.1).
    fn syslog(self) -> u8 {
        match self {
            Severity::Error => 3,
            Severity::Warn => 4,
            Severity::Info => 6,
            Severity::Debug | Severity::Trace => 7,
        }
    }
}

/// A line in the making: a flat list of fields, some of them in groups.
#[derive(Debug)]
pub(super) struct Line<'a> {
    format: LogFormat,
    out: &'a mut Vec<u8>,
    groups: Vec<&'static str>,
    /// Whether the innermost object has a member yet.
    empty: bool,
}

impl<'a> Line<'a> {
    /// `host` is what GELF calls the source of a message.
    pub(super) fn begin(
        out: &'a mut Vec<u8>,
        format: LogFormat,
        severity: Severity,
        message: &str,
        host: &str,
    ) -> Line<'a> {
        let now = Moment::now();
        let mut line = Line {
            format,
            out,
            groups: Vec::new(),
            empty: true,
        };
        match format {
            LogFormat::Text => {
                line.key("time");
                now.write(line.out);
                line.text("level", severity.word());
                line.text("msg", message);
            }
            LogFormat::Json | LogFormat::JsonPretty => {
                line.out.push(b'{');
                line.key("time");
                line.out.push(b'"');
                now.write(line.out);
                line.out.push(b'"');
                line.text("level", severity.word());
                line.text("msg", message);
            }
            LogFormat::Gelf => {
                line.out
                    .extend_from_slice(b"{\"version\":\"1.1\",\"host\":");
                json_text(line.out, host.as_bytes());
                line.out.extend_from_slice(b",\"short_message\":");
                json_text(line.out, message.as_bytes());
                let seconds = now.seconds();
                // Writing to a vector can't fail, here and below.
                let _ = write!(
                    line.out,
                    ",\"timestamp\":{seconds:.3},\"level\":{}",
                    severity.syslog()
                );
                line.empty = false;
            }
        }
        line
    }

    /// The members that follow belong to a group, until it is closed.
    pub(super) fn open(&mut self, name: &'static str) {
        if self.nested() {
            self.key(name);
            self.out.push(b'{');
            self.empty = true;
        }
        self.groups.push(name);
    }

    pub(super) fn close(&mut self) {
        self.groups.pop();
        if self.nested() {
            let empty = std::mem::replace(&mut self.empty, false);
            if !empty {
                self.new_line();
            }
            self.out.push(b'}');
        }
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.bytes(name, value.as_bytes());
    }

    pub(super) fn bytes(&mut self, name: &str, value: &[u8]) {
        self.key(name);
        match self.format {
            LogFormat::Text => bare_text(self.out, value),
            LogFormat::Json | LogFormat::JsonPretty | LogFormat::Gelf => json_text(self.out, value),
        }
    }

    /// A number or the like: nothing that needs quotes.
    pub(super) fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        self.plain(name, &format_args!("{value}"));
    }

    /// GELF has no booleans.
    pub(super) fn flag(&mut self, name: &str, value: bool) {
        match self.format {
            LogFormat::Gelf => self.text(name, if value { "true" } else { "false" }),
            LogFormat::Text | LogFormat::Json | LogFormat::JsonPretty => self.number(name, value),
        }
    }

    /// Absent in formats without such a thing.
    pub(super) fn null(&mut self, name: &str) {
        match self.format {
            LogFormat::Json | LogFormat::JsonPretty => self.number(name, "null"),
            LogFormat::Text | LogFormat::Gelf => {}
        }
    }

    pub(super) fn end(mut self) {
        while !self.groups.is_empty() {
            self.close();
        }
        match self.format {
            LogFormat::Text => {}
            LogFormat::Json | LogFormat::Gelf => self.out.push(b'}'),
            LogFormat::JsonPretty => self.out.extend_from_slice(b"\n}"),
        }
        self.out.push(b'\n');
    }

    fn nested(&self) -> bool {
        matches!(self.format, LogFormat::Json | LogFormat::JsonPretty)
    }

    fn plain(&mut self, name: &str, value: &std::fmt::Arguments<'_>) {
        self.key(name);
        let _ = self.out.write_fmt(*value);
    }

    /// What is known to need no escapes, such as an address.
    pub(super) fn quoted(&mut self, name: &str, value: impl std::fmt::Display) {
        self.key(name);
        let _ = match self.format {
            LogFormat::Text => write!(self.out, "{value}"),
            LogFormat::Json | LogFormat::JsonPretty | LogFormat::Gelf => {
                write!(self.out, "\"{value}\"")
            }
        };
    }

    fn key(&mut self, name: &str) {
        match self.format {
            LogFormat::Text => {
                if !std::mem::replace(&mut self.empty, false) {
                    self.out.push(b' ');
                }
                for group in &self.groups {
                    self.out.extend_from_slice(group.as_bytes());
                    self.out.push(b'.');
                }
                self.out.extend(name.bytes().map(harmless));
                self.out.push(b'=');
            }
            LogFormat::Json | LogFormat::JsonPretty => {
                if !std::mem::replace(&mut self.empty, false) {
                    self.out.push(b',');
                }
                self.new_line();
                json_text(self.out, name.as_bytes());
                self.out.push(b':');
                if self.format == LogFormat::JsonPretty {
                    self.out.push(b' ');
                }
            }
            LogFormat::Gelf => {
                self.out.extend_from_slice(b",\"_");
                for group in &self.groups {
                    self.out.extend_from_slice(group.as_bytes());
                    self.out.push(b'_');
                }
                self.out.extend(name.bytes().map(harmless));
                self.out.extend_from_slice(b"\":");
            }
        }
    }

    fn new_line(&mut self) {
        if self.format == LogFormat::JsonPretty {
            self.out.push(b'\n');
            let depth = 2 * (self.groups.len() + 1);
            self.out.resize(self.out.len() + depth, b' ');
        }
    }
}

/// What a field's name is made of where it stands without quotes.
fn harmless(b: u8) -> u8 {
    match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => b,
        _ => b'_',
    }
}

/// As it is where that leaves no doubt, else in quotes.
fn bare_text(out: &mut Vec<u8>, value: &[u8]) {
    let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'\\');
    if !value.is_empty() && value.iter().all(plain) {
        out.extend_from_slice(value);
    } else {
        json_text(out, value);
    }
}

fn json_text(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    if is_plain(value) {
        out.extend_from_slice(value);
    } else {
        for chunk in value.utf8_chunks() {
            chunk.valid().chars().for_each(|c| json_char(out, c));
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

/// Whether nothing needs an escape. Looks at many bytes at once: most of a line goes through here.
fn is_plain(value: &[u8]) -> bool {
    let plain = |b: u8| (0x20..0x7f).contains(&b) & (b != b'"') & (b != b'\\');
    value
        .chunks(32)
        .all(|chunk| chunk.iter().fold(true, |so_far, &b| so_far & plain(b)))
}

fn json_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        c if is_deceptive(c) => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Controls, line and paragraph separators, marks that turn the direction of text. All are below U+10000.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn line(format: LogFormat, fill: impl FnOnce(&mut Line<'_>)) -> String {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, format, Severity::Warn, "it \"happened\"", "box");
        fill(&mut line);
        line.end();
        String::from_utf8(out).unwrap()
    }

    fn sample(line: &mut Line<'_>) {
        line.text("a", "x y");
        line.open("group");
        line.number("n", 3);
        line.open("deep");
        line.close();
        line.flag("yes", true);
        line.close();
        line.null("nothing");
    }

    #[test]
    fn json_nests_groups() {
        for format in [LogFormat::Json, LogFormat::JsonPretty] {
            let text = line(format, sample);
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["level"], "warning");
            assert_eq!(value["msg"], "it \"happened\"");
            assert_eq!(value["group"]["n"], 3);
            assert_eq!(value["group"]["yes"], true);
            assert_eq!(value["group"]["deep"], serde_json::json!({}));
            assert_eq!(value["nothing"], Value::Null);
            assert!(value["time"].as_str().unwrap().ends_with('Z'));
            assert_eq!(
                text.trim_end().contains('\n'),
                format == LogFormat::JsonPretty
            );
        }
    }

    #[test]
    fn text_joins_groups_by_dots_and_quotes_where_it_must() {
        let text = line(LogFormat::Text, sample);
        assert!(text.starts_with("time=2"), "{text}");
        assert!(
            text.ends_with(
                " level=warning msg=\"it \\\"happened\\\"\" a=\"x y\" group.n=3 group.yes=true\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn gelf_is_flat_and_its_own_fields_have_no_underscore() {
        let value: Value = serde_json::from_str(&line(LogFormat::Gelf, sample)).unwrap();
        assert_eq!(value["version"], "1.1");
        assert_eq!(value["host"], "box");
        assert_eq!(value["level"], 4);
        assert_eq!(value["_group_n"], 3);
        assert_eq!(value["_group_yes"], "true");
        assert!(value["timestamp"].as_f64().unwrap() > 1.7e9);
    }

    #[test]
    fn no_value_ends_a_line_or_begins_a_field() {
        let evil = [
            &b"a\tlevel=info granted=true\"\n"[..],
            b"x\" level=info \"",
            b"\x1b[2J\r\n",
            "a\u{2028}b\u{202e}c\u{85}d\u{9b}e".as_bytes(),
            b"\xff\xfe\n",
            b"",
            b"k=v",
            b"back\\slash",
        ];
        for format in [LogFormat::Json, LogFormat::Gelf, LogFormat::Text] {
            for value in evil {
                let text = line(format, |line| {
                    line.bytes("agent", value);
                    line.flag("granted", false);
                });
                assert_eq!(text.matches('\n').count(), 1, "{text:?}");
                assert!(!text.trim_end().chars().any(is_deceptive), "{text:?}");
                if format == LogFormat::Text {
                    let rest = text.split_once(" agent=").unwrap().1;
                    let end = " granted=false\n";
                    let shown = rest.strip_suffix(end).unwrap();
                    if shown.starts_with('"') {
                        let read: String = serde_json::from_str(shown).unwrap();
                        assert_eq!(read, String::from_utf8_lossy(value));
                    } else {
                        assert!(!shown.contains([' ', '=', '"']), "{shown}");
                    }
                } else {
                    let read: Value = serde_json::from_str(&text).unwrap();
                    let name = if format == LogFormat::Gelf {
                        "_agent"
                    } else {
                        "agent"
                    };
                    assert_eq!(read[name], *String::from_utf8_lossy(value));
                }
            }
        }
    }

    #[test]
    fn names_are_made_harmless_where_they_stand_bare() {
        let text = line(LogFormat::Text, |line| line.text("a b=c\n", "1"));
        assert!(text.ends_with(" a_b_c_=1\n"), "{text}");
    }
}
