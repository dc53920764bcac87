//! From files and environment to a [`Config`].

use super::{Config, Handlers, Place, Problem, Problems, merge, schema};
use serde_json::{Map, Value};
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
    let _ = env.into_iter();
    let mut document = Value::Object(Map::new());
    for file in files {
        merge(&mut document, read(file)?);
    }
    schema::fill(schema::root(), &mut document);
    let findings = schema::check(schema::root(), &document, "", &|_| Place::Unknown);
    findings.problems.or(())?;
    let handlers = Handlers::of(&document);
    let mut config: Config = serde_json::from_value(document)
        .map_err(|error| problem(Place::Unknown, error.to_string()))?;
    config.handlers = handlers;
    Ok(Loaded {
        config,
        warnings: findings.warnings,
    })
}

fn read(file: &Path) -> Result<Value, Problems> {
    let place = Place::File {
        path: Arc::new(file.to_owned()),
        line: None,
    };
    let text =
        std::fs::read_to_string(file).map_err(|error| problem(place.clone(), error.to_string()))?;
    let value: Result<Value, String> = match file.extension().and_then(|name| name.to_str()) {
        Some("json") => serde_json::from_str(&text).map_err(|error| error.to_string()),
        Some("yaml" | "yml") => serde_yaml::from_str(&text).map_err(|error| error.to_string()),
        Some("toml") => toml::from_str(&text).map_err(|error| error.to_string()),
        Some(_) | None => Err("the name must end in .yaml, .yml, .json or .toml".to_owned()),
    };
    value.map_err(|message| problem(place, message))
}

fn problem(place: Place, message: String) -> Problems {
    Problems::from(Problem {
        place,
        path: String::new(),
        message,
        hint: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::HandlerKind;
    use super::*;

    #[test]
    fn nothing_at_all_is_a_configuration() {
        let loaded = load(&[], []).unwrap();
        assert!(loaded.warnings.is_empty());
        let config = loaded.config;
        assert_eq!(config.serve.proxy.address.port, 4455);
        assert!(config.serve.proxy.tls.is_none());
        assert!(config.serve.proxy.cors.is_none());
        assert!(config.serve.ext_authz.is_none());
        assert_eq!(config.serve.proxy.timeout.body_idle.as_secs(), 60);
        assert_eq!(config.errors.fallback, ["json"]);
    }

    #[test]
    fn a_file_overrides_defaults_and_bad_keys_are_all_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.json");
        std::fs::write(&good, r#"{"serve":{"proxy":{"port":1,"timeout":{"read":"7s"},"tls":{"key":{"path":"k"},"cert":{"path":"c"}}}},
            "authenticators":{"anonymous":{"enabled":true}},"access_rules":{"repositories":["file://rules.json"]}}"#).unwrap();
        let config = load(&[good], []).unwrap().config;
        assert_eq!(config.serve.proxy.address.port, 1);
        assert_eq!(config.serve.proxy.timeout.body_idle.as_secs(), 7);
        assert!(config.serve.proxy.tls.is_some());
        assert!(
            config
                .handlers
                .enabled(HandlerKind::Authenticator, "anonymous")
        );
        assert!(!config.handlers.enabled(HandlerKind::Authenticator, "noop"));
        let settings =
            config
                .handlers
                .effective(HandlerKind::Authenticator, "anonymous", &Value::Null);
        assert_eq!(
            settings.unwrap(),
            serde_json::json!({"subject": "anonymous"})
        );

        let bad = folder.path().join("bad.json");
        std::fs::write(&bad, r#"{"serve":{"proxi":{}},"log":{"level":"loud"}}"#).unwrap();
        let problems = load(&[bad], []).unwrap_err();
        let paths: Vec<&str> = problems
            .iter()
            .map(|problem| problem.path.as_str())
            .collect();
        assert_eq!(paths, ["serve.proxi", "log.level"]);
    }
}
