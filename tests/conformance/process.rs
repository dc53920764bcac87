//! The binary under test: its start and end.

use crate::http::Request;
use serde_json::{Map, Value};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Between looks at something that is awaited.
const PAUSE: Duration = Duration::from_millis(20);

/// What a process keeps of this one's environment: the rest could be taken for configuration.
const INHERITED: [&str; 7] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
];

/// A process with its log, killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// `doorward serve --config FIRST --config SECOND …` in a folder.
    pub fn start(
        folder: &Path,
        configs: impl Iterator<Item = PathBuf>,
        environment: &Map<String, Value>,
    ) -> io::Result<Process> {
        let log = folder.join("log");
        let output = File::create(&log)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.arg("serve").current_dir(folder).env_clear();
        // The runtime of one thread, which nothing else tries; the other one serves in tests/it.
        command.env("SERVE_PROXY_THREADS", "1");
        command.env("SERVE_API_THREADS", "1");
        for config in configs {
            command.arg("--config").arg(config);
        }
        for name in INHERITED {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        for (name, value) in environment {
            command.env(name, value.as_str().unwrap_or_default());
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Process { child, log })
    }

    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it found a port taken, by another program that was given it in the meantime.
    pub fn met_a_taken_port(&mut self) -> bool {
        self.ended().is_some() && self.log().contains("Address already in use")
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end.
    pub fn end_within(&mut self, most: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + most;
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() >= end {
                return ended;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until a path answers 200; false if it ends or does not in time.
    pub fn answers_within(&mut self, most: Duration, port: u16, path: &str) -> bool {
        self.becomes(most, || {
            is_open(port) && Request::get(path).send(port, Duration::from_secs(2)).status == 200
        })
    }

    /// Waits until a port is listened on.
    pub fn listens_within(&mut self, most: Duration, port: u16) -> bool {
        self.becomes(most, || is_open(port))
    }

    fn becomes(&mut self, most: Duration, holds: impl Fn() -> bool) -> bool {
        let end = Instant::now() + most;
        while Instant::now() < end && self.ended().is_none() {
            if holds() {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        false
    }
}

fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
