//! The arguments, as close to those of an ordinary test binary as one can be, so that `cargo test WORD` and editors work.

use std::path::PathBuf;

pub const USAGE: &str = "\
cargo test --test conformance -- [WORD…] [OPTION…]
  WORD                 play what has one of these words in its name (authn2-jwt), or the suite in this .json file
  --exact              the words are whole names
  --skip WORD          leave out what has this word in its name
  --suites DIR         play the suites of another folder
  --no-exceptions      hold every step to what was recorded
  --list               name what would be played
  -q, --quiet          print only what did not hold, and the sum
  --test-threads N     suites played at once";

/// Most suites wait on clocks, so two cores carry more than two at once.
const JOBS: usize = 8;

pub enum Mode {
    Play,
    List,
    Help,
}

pub struct Args {
    pub mode: Mode,
    pub words: Vec<String>,
    pub files: Vec<PathBuf>,
    pub skip: Vec<String>,
    pub exact: bool,
    pub quiet: bool,
    pub suites: Option<PathBuf>,
    pub exceptions: bool,
    pub jobs: usize,
}

impl Args {
    pub fn parse(mut given: impl Iterator<Item = String>) -> Result<Args, String> {
        let mut args = Args {
            mode: Mode::Play,
            words: Vec::new(),
            files: Vec::new(),
            skip: Vec::new(),
            exact: false,
            quiet: false,
            suites: None,
            exceptions: true,
            jobs: JOBS,
        };
        while let Some(argument) = given.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                joined
                    .clone()
                    .or_else(|| given.next())
                    .ok_or_else(|| format!("`{name}` needs a value"))
            };
            match name {
                "--help" | "-h" => args.mode = Mode::Help,
                "--list" => args.mode = Mode::List,
                "--exact" => args.exact = true,
                "--skip" => args.skip.push(value()?),
                "--suites" => args.suites = Some(PathBuf::from(value()?)),
                "--no-exceptions" => args.exceptions = false,
                "--quiet" | "-q" => args.quiet = true,
                "--test-threads" => args.jobs = count(&value()?)?,
                // Nothing is ignored by default, so there is nothing to play.
                "--ignored" => args.words = vec!["\0".into()],
                // What an ordinary test binary takes and what changes nothing here.
                "--nocapture" | "--no-capture" | "--show-output" | "--include-ignored" => {}
                "--format" | "--color" => drop(value()?),
                _ if name.starts_with('-') => return Err(format!("unknown option `{name}`")),
                _ if name.ends_with(".json") => args.files.push(PathBuf::from(name)),
                _ => args.words.push(argument),
            }
        }
        Ok(args)
    }

    /// Whether the words ask for this name.
    pub fn wants(&self, name: &str) -> bool {
        let has = |word: &String| {
            if self.exact {
                name == word
            } else {
                name.contains(word.as_str())
            }
        };
        (self.words.is_empty() || self.words.iter().any(has)) && !self.skip.iter().any(has)
    }

    /// Whether everything is played, so that an exception that names nothing can be told.
    pub fn everything(&self) -> bool {
        self.words.is_empty()
            && self.skip.is_empty()
            && self.files.is_empty()
            && self.suites.is_none()
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("`{text}` is not a number of suites")),
    }
}
