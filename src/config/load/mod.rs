//! From files and environment to a [`Config`].

use super::document::{self, Lines, Syntax, SyntaxError};
use super::schema::environment::{self, Setting};
use super::{Config, Handlers, Place, Problem, Problems, Repository, advice, merge, schema};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration, and what its author should know about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// Things that work but are probably not meant.
    pub warnings: Problems,
}

/// Reads the files in order, lays the environment over them, and checks the whole.
///
/// `Err` holds every problem that could be found, not only the first.
pub fn load(
    files: &[PathBuf],
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    for file in files {
        if let Err(problem) = sources.add_file(file) {
            problems.push(problem);
        }
    }
    let (settings, unfit) = environment::read(schema::root(), env);
    problems.0.extend(unfit.0);
    for setting in settings {
        sources.add_setting(setting);
    }
    // Where a file can't be read, complaints about what it may have said would only mislead.
    problems.or(())?;
    sources.finish()
}

/// The files, merged: what is written in them, without defaults and without the environment.
pub fn written(files: &[PathBuf]) -> Result<Value, Problems> {
    let mut sources = Sources::default();
    for file in files {
        sources.add_file(file)?;
    }
    Ok(sources.document)
}

/// The names of the variables that set keys of the configuration.
pub fn set_by_environment(env: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let (settings, _) = environment::read(schema::root(), env);
    let names = settings.into_iter().map(|setting| setting.name.to_string());
    names.collect()
}

/// The same for the text of one file, whose name says how it is written, without an environment.
pub fn parse(file: &Path, text: &[u8]) -> Result<Loaded, Problems> {
    let mut sources = Sources::default();
    sources.add_text(file, text)?;
    sources.finish()
}

fn syntax(file: &Path) -> Result<Syntax, Problem> {
    let extension = file.extension().and_then(|name| name.to_str());
    extension.and_then(Syntax::of_extension).ok_or_else(|| {
        let message = "the name must end in .yaml, .yml, .json or .toml";
        unusable(file, None, message.to_owned())
    })
}

fn unusable(file: &Path, line: Option<usize>, message: String) -> Problem {
    Problem {
        place: Place::File {
            path: Arc::new(file.to_owned()),
            line,
        },
        path: String::new(),
        message,
        hint: None,
    }
}

/// The documents so far, merged, and who said what.
#[derive(Debug)]
struct Sources {
    document: Value,
    files: Vec<(Arc<PathBuf>, Lines)>,
    variables: HashMap<String, Arc<str>>,
}

impl Default for Sources {
    fn default() -> Sources {
        Sources {
            document: Value::Object(Map::new()),
            files: Vec::new(),
            variables: HashMap::new(),
        }
    }
}

impl Sources {
    fn add_file(&mut self, file: &Path) -> Result<(), Problem> {
        // The name first: it says what is wrong where something else was meant.
        syntax(file)?;
        let text =
            std::fs::read(file).map_err(|error| unusable(file, None, unreadable(file, &error)))?;
        self.add_text(file, &text)
    }

    fn add_text(&mut self, file: &Path, text: &[u8]) -> Result<(), Problem> {
        let document = document::configuration(syntax(file)?, text)
            .map_err(|SyntaxError { line, message }| unusable(file, line, message))?;
        merge(&mut self.document, document.value);
        self.files.push((Arc::new(file.to_owned()), document.lines));
        Ok(())
    }

    fn add_setting(&mut self, setting: Setting) {
        self.variables.insert(setting.path.join("."), setting.name);
        set(&mut self.document, &setting.path, setting.value);
    }

    /// Where a key was written: by a variable, or in the last file that has it, or in the last one that has what it is inside of.
    fn place(&self, path: &str) -> Place {
        let mut at = path;
        loop {
            if let Some(name) = self.variables.get(at) {
                return Place::Environment(name.clone());
            }
            if let Some((file, lines)) = self.files.iter().rev().find(|(_, lines)| lines.has(at)) {
                return Place::File {
                    path: file.clone(),
                    line: lines.line(at),
                };
            }
            match at.rsplit_once('.') {
                Some((above, _)) => at = above,
                None => break,
            }
        }
        match self.files.last() {
            Some((file, _)) => Place::File {
                path: file.clone(),
                line: None,
            },
            None => Place::Unknown,
        }
    }

    fn finish(mut self) -> Result<Loaded, Problems> {
        let mut document = std::mem::take(&mut self.document);
        schema::fill(schema::root(), &mut document);
        let places = |path: &str| self.place(path);
        let mut findings = schema::check(schema::root(), &document, "", &places);
        let odd = findings.warnings.clone();
        advice::give(&document, &places, &mut findings);
        if !findings.problems.is_empty() {
            // What is merely odd is often what was meant to be the missing part.
            findings.problems.0.extend(odd.0);
            return Err(findings.problems);
        }
        let handlers = Handlers::of(&document);
        let mut config: Config = serde_json::from_value(document).map_err(|error| {
            Problems::from(Problem {
                place: self.place(""),
                path: String::new(),
                message: error.to_string(),
                hint: None,
            })
        })?;
        config.handlers = handlers;
        once_each(&mut config.access_rules.repositories);
        Ok(Loaded {
            config,
            warnings: findings.warnings,
        })
    }
}

/// A relative path is looked for from where Doorward was started, which may not be where it was meant.
fn unreadable(file: &Path, error: &std::io::Error) -> String {
    match std::env::current_dir() {
        Ok(folder) if file.is_relative() => {
            format!("can't be read from {}: {error}", folder.display())
        }
        Ok(_) | Err(_) => format!("can't be read: {error}"),
    }
}

/// Puts a value at a path, making what is missing on the way. Objects merge with what is there.
fn set(document: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return merge(document, value);
    };
    if let (Value::Array(items), Ok(index)) = (&mut *document, first.parse::<usize>()) {
        while items.len() <= index {
            items.push(Value::Null);
        }
        if let Some(item) = items.get_mut(index) {
            set(item, rest, value);
        }
        return;
    }
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    if let Value::Object(members) = document {
        let is_list = rest
            .first()
            .is_some_and(|next| next.parse::<usize>().is_ok());
        let missing = || {
            if is_list {
                Value::Array(Vec::new())
            } else {
                Value::Null
            }
        };
        let member = members.entry(first.clone()).or_insert_with(missing);
        set(member, rest, value);
    }
}

/// A source that is listed twice counts once, as in the reference: each of its rules would match beside itself.
fn once_each(repositories: &mut Vec<Repository>) {
    let mut seen = HashSet::new();
    repositories.retain(|repository| seen.insert(repository.url.clone()));
}

#[cfg(test)]
mod keys;
#[cfg(test)]
mod tests;
