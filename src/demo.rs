//! `doorward demo`: proxy, API, an upstream that echoes, and ready-made rules, in one process on loopback.

use crate::app::{self, StartError};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::{fs, io, thread};

const CONFIG: &str = include_str!("../conf/demo.yaml");
const RULES: &str = include_str!("../rules/demo.yaml");

/// Serves the demonstration until it is interrupted.
pub fn serve() -> Result<(), StartError> {
    let echo = start_echo()
        .map_err(|error| StartError::Demo(format!("no upstream on loopback: {error}")))?;
    let folder = write_files(echo).map_err(|error| {
        StartError::Demo(format!("no folder for the demonstration's files: {error}"))
    })?;
    let config = folder.join("doorward.yaml");
    let rules = format!("file://{}", folder.join("rules.yaml").display());
    app::serve_with(
        &[config],
        [("ACCESS_RULES_REPOSITORIES".to_owned(), rules)],
        move || greet(&folder, echo),
    )
}

fn write_files(echo: SocketAddr) -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("doorward-demo-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("doorward.yaml"), CONFIG)?;
    fs::write(
        folder.join("rules.yaml"),
        RULES.replace("${ECHO}", &echo.to_string()),
    )?;
    Ok(folder)
}

fn greet(folder: &std::path::Path, echo: SocketAddr) {
    let folder = folder.display();
    println!(
        "\
Doorward is running. In another terminal, try:

  curl -i http://127.0.0.1:4455/hello/world
      200, from the echoing upstream, which was told `X-User: guest` by a mutator
  curl -i -H 'X-User: admin' http://127.0.0.1:4455/hello/world
      200, and still `X-User: guest`: a client can't bring a header that a mutator sets
  curl -i http://127.0.0.1:4455/closed/door
      401: nobody is let in there
  curl -i http://127.0.0.1:4455/members/only
      403: known, but not allowed
  curl -i http://127.0.0.1:4455/elsewhere
      404: no rule
  curl -i http://127.0.0.1:4456/decisions/hello/world
      200 with `X-User: guest` and no body: the answer that another gateway asks for

  proxy           http://127.0.0.1:4455     configuration  {folder}/doorward.yaml
  decision API    http://127.0.0.1:4456     rules          {folder}/rules.yaml
  metrics         http://127.0.0.1:9000     upstream       http://{echo}

Change the rules and ask again. Ctrl-C ends it. Next: README.md, conf/doorward.yaml, rules/."
    );
}

/// An HTTP/1.1 server that answers with what it was asked.
fn start_echo() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    Ok(address)
}

/// Answers the requests of one connection; bodies are passed over by their length.
fn echo(stream: TcpStream) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    loop {
        let mut seen = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            // Writing to a string does not fail.
            let _ = writeln!(seen, "{line}");
        }
        io::copy(&mut io::Read::take(&mut requests, length), &mut io::sink())?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            seen.len()
        );
        answers.write_all(head.as_bytes())?;
        answers.write_all(seen.as_bytes())?;
    }
}
