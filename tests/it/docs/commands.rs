//! Commands are run, configurations validated.

use super::blocks::{Block, Page, pages, root};
use crate::ports::free_port;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long an answer may take to become what is printed: servers start, files are noticed.
const PATIENCE: Duration = Duration::from_secs(20);
/// The ports that the documentation speaks of: proxy, API, metrics, ext_authz, upstream.
const PORTS: [u16; 5] = [4455, 4456, 9000, 4457, 8080];

#[test]
fn every_command_answers_as_printed() {
    let mut count = 0;
    let mut broken = Vec::new();
    for page in pages() {
        let blocks = page.blocks();
        count += blocks
            .iter()
            .filter(|block| block.language == "console")
            .count();
        let mut outcome = Sandbox::new().play(&blocks);
        for _ in 0..2 {
            if matches!(&outcome, Err(why) if why.contains("Address already in use")) {
                // Another test was given the port between our looking for it and using it.
                outcome = Sandbox::new().play(&blocks);
            }
        }
        if let Err(why) = outcome {
            broken.push(format!("{}:{why}", page.name()));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(count > 5, "there are commands");
}

#[test]
fn a_command_that_answers_otherwise_is_noticed() {
    let text = "```console\n$ doorward version\nVersion:    v…\n```\n```console\n$ doorward version\nVersion: banana\n```\n";
    let page = Page {
        file: root().join("none.md"),
        text: text.to_owned(),
    };
    let blocks = page.blocks();
    assert_eq!(Sandbox::new().play(&blocks[..1]), Ok(()));
    assert!(Sandbox::new().play(&blocks[1..]).is_err());
    let wrong = "```yaml,config\nserve: { proxy: { prot: 1 } }\n```\n```sh\ndoorward validate --loudly\n```\n```sh\nif true\n```\n";
    let page = Page {
        file: root().join("none.md"),
        text: wrong.to_owned(),
    };
    for block in page.blocks() {
        let block = [block];
        assert!(Sandbox::new().play(&block).is_err(), "{}", block[0].text);
    }
}

/// A folder with the shipped configurations, ports that are free, and servers that end with it.
struct Sandbox {
    dir: TempDir,
    ports: Vec<(u16, u16)>,
    server: Option<Child>,
    others: Vec<Child>,
}

impl Sandbox {
    fn new() -> Sandbox {
        let sandbox = Sandbox {
            dir: tempfile::tempdir().unwrap(),
            ports: PORTS.map(|port| (port, free_port())).to_vec(),
            server: None,
            others: Vec::new(),
        };
        fs::create_dir(sandbox.path("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_doorward"), sandbox.path("bin/doorward"))
            .unwrap();
        for folder in ["conf", "rules"] {
            sandbox.copy(folder);
        }
        sandbox
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn copy(&self, folder: &str) {
        fs::create_dir_all(self.path(folder)).unwrap();
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                self.copy(&name);
            } else {
                let text = fs::read_to_string(entry.path()).unwrap();
                fs::write(self.path(&name), self.hidden(&text)).unwrap();
            }
        }
    }

    /// With the ports of this run.
    fn hidden(&self, text: &str) -> String {
        replaced(text, self.ports.iter().copied())
    }

    /// With the ports of the documentation.
    fn shown(&self, text: &str) -> String {
        replaced(text, self.ports.iter().map(|&(one, other)| (other, one)))
    }

    /// `Err` says in which line what was wrong.
    fn play(mut self, blocks: &[Block]) -> Result<(), String> {
        let mut unchecked = None;
        for block in blocks {
            let at = |why: String| format!("{}: {why}", block.line);
            let mut file = block.file();
            if block.is("config") {
                file = file.or(Some("doorward.yaml"));
                unchecked = Some(block.line);
            }
            if block.is("rules") {
                file = file.or(Some("rules.yaml"));
            }
            if let Some(name) = file {
                fs::write(self.path(name), self.hidden(&block.text)).unwrap();
            }
            match block.language.as_str() {
                "console" => {
                    for (command, expected) in steps(&block.text) {
                        self.step(&command, &expected).map_err(at)?;
                    }
                }
                "sh" => well_formed(&block.text).map_err(at)?,
                "json" => {
                    serde_json::from_str::<serde_json::Value>(&block.text)
                        .map_err(|error| at(error.to_string()))?;
                }
                "yaml" if block.is("rules") && self.path("doorward.yaml").exists() => {
                    self.validate("0 problems, 0 warnings").map_err(at)?;
                    unchecked = None;
                }
                _ => {}
            }
        }
        match unchecked {
            // A part of a configuration, without rules, which is worth a warning.
            Some(line) => self
                .validate("0 problems, …")
                .map_err(|why| format!("{line}: {why}")),
            None => Ok(()),
        }
    }

    fn validate(&self, wanted: &str) -> Result<(), String> {
        let text = text(&self.shell("doorward validate -c doorward.yaml"));
        if says(&text, &[wanted.to_owned()]) {
            Ok(())
        } else {
            Err(text)
        }
    }

    fn step(&mut self, command: &str, expected: &[String]) -> Result<(), String> {
        let run = self.hidden(command);
        if let Some(run) = run.strip_suffix(" &") {
            return self.start(run, expected);
        }
        let patient = ["curl ", "doorward health", "doorward rules"]
            .iter()
            .any(|word| run.starts_with(word));
        let end = Instant::now() + PATIENCE;
        loop {
            let output = self.shell(&run);
            let text = self.shown(&text(&output));
            let fine = if expected.is_empty() {
                output.status.success()
            } else {
                says(&text, expected)
            };
            if fine {
                return Ok(());
            }
            if !patient || Instant::now() >= end {
                let log = self.log();
                return Err(format!(
                    "`{command}` answers\n{text}\nand not\n{}\n{log}",
                    expected.join("\n")
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A server goes on until the end of the page, or until another `doorward` takes its place.
    fn start(&mut self, run: &str, expected: &[String]) -> Result<(), String> {
        let is_doorward = run.starts_with("doorward");
        if is_doorward && let Some(server) = self.server.take() {
            end(server);
        }
        let log = File::create(self.path("log")).unwrap();
        let mut command = self.command(&format!("exec {run}"));
        if is_doorward {
            command.stdout(log.try_clone().unwrap()).stderr(log);
        } else {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        let child = command.spawn().unwrap();
        if is_doorward {
            self.server = Some(child);
        } else {
            self.others.push(child);
        }
        let limit = Instant::now() + PATIENCE;
        while !says(&self.shown(&self.log()), expected) {
            if Instant::now() >= limit {
                return Err(format!(
                    "`{run}` says\n{}\nand not\n{}",
                    self.log(),
                    expected.join("\n")
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn shell(&self, command: &str) -> Output {
        self.command(command).output().unwrap()
    }

    /// The listeners stay on loopback and at this run's ports, also where a configuration doesn't say so.
    fn command(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("timeout");
        command
            .args(["120", "bash", "-c", script])
            .current_dir(self.dir.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("TMPDIR", self.dir.path())
            .stdin(Stdio::null());
        for (listener, (_, port)) in ["PROXY", "API", "PROMETHEUS"].iter().zip(&self.ports) {
            command.env(format!("SERVE_{listener}_PORT"), port.to_string());
            command.env(format!("SERVE_{listener}_HOST"), "127.0.0.1");
        }
        command
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server
            .take()
            .into_iter()
            .chain(self.others.drain(..))
            .for_each(end);
    }
}

/// `timeout` passes the signal on to what it runs.
fn end(mut child: Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Commands with the lines of their answers.
fn steps(text: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push((command.to_owned(), Vec::new())),
            (None, Some((command, expected))) if expected.is_empty() && goes_on(command) => {
                let _ = write!(command, "\n{line}");
            }
            (None, Some((_, expected))) => expected.push(line.to_owned()),
            (None, None) => panic!("an answer before a command: {line}"),
        }
    }
    steps
}

/// After a backslash, and until a here-document ends.
fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || (command.contains("<<'END'") && !command.ends_with("\nEND"))
}

/// Whether the lines come in this order, perhaps with others in between.
fn says(text: &str, expected: &[String]) -> bool {
    let mut lines = text.lines();
    expected
        .iter()
        .filter(|line| !line.trim().is_empty() && line.trim() != "…")
        .all(|wanted| lines.any(|line| fits(line.trim_end(), wanted.trim_end())))
}

/// `…` stands for anything.
fn fits(line: &str, wanted: &str) -> bool {
    let Some((head, rest)) = wanted.split_once('…') else {
        return line == wanted;
    };
    let Some(mut line) = line.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match line.split_once(part) {
            Some((_, after)) => line = after,
            None => return false,
        }
    }
    line.ends_with(tail)
}

/// Numbers that are ports, each as a whole.
fn replaced(text: &str, ports: impl Iterator<Item = (u16, u16)> + Clone) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let (number, after) = digits.split_at(end);
        out.push_str(before);
        match ports.clone().find(|(from, _)| from.to_string() == number) {
            Some((_, to)) => out.push_str(&to.to_string()),
            None => out.push_str(number),
        }
        rest = after;
    }
    out + rest
}

/// What is not run: the shell can read it, and what it says to `doorward` exists.
fn well_formed(script: &str) -> Result<(), String> {
    let read = Command::new("bash")
        .args(["-n", "-c", script])
        .output()
        .unwrap();
    if !read.status.success() {
        return Err(text(&read));
    }
    let joined = script.replace("\\\n", " ");
    let commands = joined.lines().filter_map(|line| {
        let words: Vec<&str> = line
            .split_whitespace()
            .skip_while(|word| Path::new(word).file_name() != Some("doorward".as_ref()))
            .collect();
        words.split_first().map(|(_, words)| words.to_vec())
    });
    for words in commands {
        let path: Vec<&str> = words
            .iter()
            .copied()
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()))
            .take(2)
            .collect();
        if path.is_empty() {
            continue;
        }
        let help = |path: &[&str]| {
            Command::new(env!("CARGO_BIN_EXE_doorward"))
                .args(path)
                .arg("--help")
                .output()
                .unwrap()
        };
        let mut help_page = text(&help(&path[..1]));
        if let Some(nested) = path
            .get(1)
            .filter(|word| help_page.contains(&format!("\n  {word} ")))
        {
            help_page = text(&help(&[path[0], nested]));
        }
        if !help_page.contains(&format!("Usage: doorward {}", path[0])) {
            return Err(format!("`doorward {}` is no command", path[0]));
        }
        for option in words.iter().filter(|word| word.starts_with("--")) {
            let option = option.split('=').next().unwrap_or_default();
            if !help_page.contains(option) {
                return Err(format!(
                    "`doorward {}` has no option {option}",
                    path.join(" ")
                ));
            }
        }
    }
    Ok(())
}
