//! `doorward demo`: proxy, API, an upstream that echoes, and ready-made rules, in one process on loopback.

use crate::app::{self, StartError};
use crate::config;
use crate::service::Listeners;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::{fs, io, thread};

const CONFIG: &str = include_str!("../conf/demo.yaml");
const RULES: &str = include_str!("../rules/demo.yaml");
/// What stands before each port in them.
const HOST: &str = "127.0.0.1:";

/// What may be chosen from outside. The hosts may not: the demonstration stays on loopback.
const CHOICES: [&str; 3] = [
    "SERVE_PROXY_PORT",
    "SERVE_API_PORT",
    "SERVE_PROMETHEUS_PORT",
];

/// Where everything is.
struct Places {
    folder: PathBuf,
    echo: SocketAddr,
    proxy: u16,
    api: u16,
    metrics: u16,
}

/// Serves the demonstration until it is interrupted.
pub fn serve() -> Result<(), StartError> {
    let echo = start_echo()
        .map_err(|error| StartError::Demo(format!("no upstream on loopback: {error}")))?;
    let unusable =
        |error| StartError::Demo(format!("no folder for the demonstration's files: {error}"));
    let folder = make_folder().map_err(unusable)?;
    let files = [folder.join("doorward.yaml")];
    let rules = format!("file://{}", folder.join("rules.yaml").display());
    let chosen = app::environment()
        .into_iter()
        .filter(|(name, _)| CHOICES.contains(&name.as_str()));
    let env: Vec<(String, String)> = chosen
        .chain([("ACCESS_RULES_REPOSITORIES".to_owned(), rules)])
        .collect();
    let serve = config::load(&files, env.clone())?.config.serve;
    let places = Places {
        folder,
        echo,
        proxy: serve.proxy.address.port,
        api: serve.api.listener.address.port,
        metrics: serve.metrics.address.port,
    };
    places.write_rules().map_err(unusable)?;
    app::serve_with(&files, env, Listeners::Open, move || places.greet())
}

fn make_folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("doorward-demo-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("doorward.yaml"), CONFIG)?;
    Ok(folder)
}

impl Places {
    fn write_rules(&self) -> io::Result<()> {
        fs::write(self.folder.join("rules.yaml"), self.rules())
    }

    /// The rules as they are shipped, with the ports that are in use in place of the usual ones.
    fn rules(&self) -> String {
        let mut parts = RULES.split(HOST);
        let mut rules = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.bytes().take_while(u8::is_ascii_digit).count();
            let (usual, rest) = part.split_at_checked(end).unwrap_or((part, ""));
            let port = match usual {
                "4455" => self.proxy.to_string(),
                "4456" => self.api.to_string(),
                "8080" => self.echo.port().to_string(),
                other => other.to_owned(),
            };
            rules.extend([HOST, &port, rest]);
        }
        rules
    }

    fn greet(&self) {
        let Places {
            folder,
            echo,
            proxy,
            api,
            metrics,
        } = self;
        let folder = folder.display();
        println!(
            "\
Doorward is running. In another terminal, try:

  curl -i http://127.0.0.1:{proxy}/hello/world
      200, from the echoing upstream, which was told `X-User: guest` by a mutator
  curl -i -H 'X-User: admin' http://127.0.0.1:{proxy}/hello/world
      200, and still `X-User: guest`: a client can't bring a header that a mutator sets
  curl -i http://127.0.0.1:{proxy}/closed/door
      401: nobody is let in there
  curl -i http://127.0.0.1:{proxy}/members/only
      403: known, but not allowed
  curl -i http://127.0.0.1:{proxy}/elsewhere
      404: no rule
  curl -i http://127.0.0.1:{api}/decisions/hello/world
      200 with `X-User: guest` and no body: the answer that another gateway asks for

  proxy           http://127.0.0.1:{proxy}     configuration  {folder}/doorward.yaml
  decision API    http://127.0.0.1:{api}     rules          {folder}/rules.yaml
  metrics         http://127.0.0.1:{metrics}     upstream       http://{echo}

Change the rules and ask again. Ctrl-C ends it. Next: README.md, the tutorial in docs/src/tutorial.md, conf/doorward.yaml."
        );
    }
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
