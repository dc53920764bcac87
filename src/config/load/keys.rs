//! Every key of the schema has an effect, from a file and from the environment.

use super::set;
use crate::config::schema::{Format, Kind, Schema, environment, root};
use crate::config::{HandlerKind, Loaded, Problems, load};
use serde_json::{Value, json};

/// Keys that are accepted and mean nothing, as their descriptions say.
const WITHOUT_EFFECT: &[&str] = &["profiling", "version"];

/// What must be set too for a key to count.
const COMPANIONS: &[(&str, &str, &str)] = &[
    ("serve.proxy.cors.", "serve.proxy.cors.enabled", "true"),
    ("serve.api.cors.", "serve.api.cors.enabled", "true"),
    ("serve.ext_authz.", "serve.ext_authz.port", "4459"),
    (
        "tracing.provider",
        "tracing.providers.otlp.server_url",
        "\"localhost:4318\"",
    ),
    (
        "tracing.provider",
        "tracing.providers.zipkin.server_url",
        "\"http://localhost/\"",
    ),
    (
        "tracing.provider",
        "tracing.providers.jaeger.local_agent_address",
        "\"localhost:6831\"",
    ),
];

#[derive(Debug)]
struct Leaf {
    path: String,
    sample: Value,
}

fn leaves(path: &str, schema: &Schema, out: &mut Vec<Leaf>) {
    let within = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match &schema.kind {
        Kind::Object(object) => {
            for (name, member) in &object.members {
                leaves(&within(name), member, out);
            }
        }
        Kind::Handler(handler) => {
            out.push(Leaf {
                path: within("enabled"),
                sample: json!(!handler.enabled),
            });
            if let Some(config) = &handler.config {
                leaves(&within("config"), config, out);
            }
        }
        Kind::Map(_)
        | Kind::List(_)
        | Kind::Text(_)
        | Kind::Integer(_)
        | Kind::Number(_)
        | Kind::Boolean => out.push(Leaf {
            path: path.to_owned(),
            sample: sample(schema),
        }),
    }
}

/// A good value that is not the default.
fn sample(schema: &Schema) -> Value {
    match &schema.kind {
        Kind::Boolean => json!(schema.default != Some(json!(true))),
        Kind::Integer(range) => match range.only {
            Some([a, _]) => json!(a),
            None => {
                let least = range.min.unwrap_or(0).max(1);
                let candidates = [least + 6, least + 7];
                let other = |n: &&i64| schema.default != Some(json!(**n));
                json!(candidates.iter().find(other).unwrap())
            }
        },
        Kind::Number(_) => json!(0.5),
        Kind::Text(text) => {
            let choice = text
                .choices
                .iter()
                .rev()
                .find(|choice| schema.default != Some(json!(choice)));
            match (choice, text.format) {
                (Some(choice), _) => json!(choice),
                (None, Some(format)) => json!(text_of(format)),
                (None, None) => json!("something"),
            }
        }
        Kind::List(list) => match &list.items.kind {
            // A certificate of its own needs both parts.
            Kind::Object(object) if object.members.iter().any(|(name, _)| *name == "cert") => {
                json!([{ "cert": { "path": "c" }, "key": { "path": "k" } }])
            }
            _ => json!([sample(&list.items)]),
        },
        Kind::Map(values) => json!({ "X-Name": sample(values) }),
        Kind::Object(object) => {
            let (name, member) = &object.members[0];
            json!({ *name: sample(member) })
        }
        Kind::Handler(_) => json!({}),
    }
}

fn text_of(format: Format) -> &'static str {
    match format {
        Format::NotEmpty => "https://other.example",
        Format::Duration | Format::LenientDuration => "77s",
        Format::Uri | Format::UriReference => "https://a.example/b",
        Format::Network => "192.0.2.0/24",
        Format::Repository => "file:///etc/rules.json",
        Format::HostPort => "collector:4318",
        Format::QueryParameter => "return_to",
        Format::CacheBackend => "redis://127.0.0.1/",
        Format::Version => "v1.2.3",
        Format::StatusName => "not_found",
    }
}

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn companions(leaf: &Leaf) -> Vec<(&'static str, Value)> {
    let mut found: Vec<(&str, Value)> = COMPANIONS
        .iter()
        .filter(|(prefix, key, _)| leaf.path.starts_with(prefix) && leaf.path != *key)
        .map(|(_, key, value)| (*key, serde_json::from_str(value).unwrap()))
        .collect();
    // A certificate counts with its key, in the same form.
    for listener in ["proxy", "api", "ext_authz"] {
        for form in ["path", "base64"] {
            for (part, other) in [("key", "cert"), ("cert", "key")] {
                if leaf.path == format!("serve.{listener}.tls.{part}.{form}") {
                    let key = format!("serve.{listener}.tls.{other}.{form}");
                    found.push((Box::leak(key.into_boxed_str()), json!("c29tZXRoaW5n")));
                }
            }
        }
    }
    let other = ["certificates", "client_ca", "client_certificate"];
    for listener in ["proxy", "api", "ext_authz"] {
        let tls = format!("serve.{listener}.tls");
        if other
            .iter()
            .any(|key| leaf.path.starts_with(&format!("{tls}.{key}")))
        {
            found.push((
                Box::leak(format!("{tls}.key.path").into_boxed_str()),
                json!("k"),
            ));
            found.push((
                Box::leak(format!("{tls}.cert.path").into_boxed_str()),
                json!("c"),
            ));
            if leaf.path.ends_with("client_certificate") {
                found.push((
                    Box::leak(format!("{tls}.client_ca.path").into_boxed_str()),
                    json!("ca"),
                ));
            }
        }
    }
    found
}

/// Everything that a configuration means, as text.
fn meaning(loaded: &Loaded) -> String {
    let handlers: Vec<String> = HandlerKind::ALL
        .iter()
        .flat_map(|kind| kind.ids().into_iter().map(move |id| (*kind, id)))
        .map(|(kind, id)| {
            let handlers = &loaded.config.handlers;
            format!(
                "{kind:?} {id} {} {}",
                handlers.enabled(kind, id),
                handlers.global(kind, id)
            )
        })
        .collect();
    format!("{:?} {handlers:?}", loaded.config)
}

fn with(settings: &[(&str, Value)], env: Vec<(String, String)>) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let mut document = json!({});
    for (key, value) in settings {
        set(&mut document, &path(key), value.clone());
    }
    std::fs::write(&file, document.to_string()).unwrap();
    load(&[file], env)
}

#[test]
fn every_key_of_a_file_has_an_effect() {
    let mut all = Vec::new();
    leaves("", root(), &mut all);
    assert!(all.len() > 200, "{}", all.len());
    let mut idle = Vec::new();
    for leaf in &all {
        // An enabled handler needs settings that others of these cases set.
        if leaf.path.ends_with(".enabled")
            && leaf.path.matches('.').count() >= 2
            && !leaf.path.contains("config")
            && !leaf.path.starts_with("serve")
        {
            continue;
        }
        let companions = companions(leaf);
        // Half a certificate is no configuration to compare with.
        let before = with(&companions, Vec::new()).or_else(|_| with(&[], Vec::new()));
        let before = meaning(&before.unwrap());
        let mut settings = companions.clone();
        settings.push((&leaf.path, leaf.sample.clone()));
        match with(&settings, Vec::new()) {
            Ok(after) if meaning(&after) != before => {}
            Ok(_) if WITHOUT_EFFECT.contains(&leaf.path.as_str()) => {}
            Ok(_) => idle.push(leaf.path.clone()),
            Err(problems) => idle.push(format!("{}: {problems}", leaf.path)),
        }
    }
    assert!(idle.is_empty(), "{}", idle.join("\n"));
}

#[test]
fn every_key_can_be_set_from_the_environment() {
    let mut all = Vec::new();
    leaves("", root(), &mut all);
    let mut idle = Vec::new();
    for leaf in &all {
        let text = match &leaf.sample {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let name = leaf.path.to_uppercase().replace('.', "_");
        let (settings, problems) = environment::read(root(), [(name, text)]);
        let wanted = [(path(&leaf.path), &leaf.sample)];
        let found: Vec<(Vec<String>, &Value)> = settings
            .iter()
            .map(|setting| (setting.path.clone(), &setting.value))
            .collect();
        if !problems.is_empty() || found != wanted {
            idle.push(format!("{}: {found:?} {problems}", leaf.path));
        }
    }
    assert!(idle.is_empty(), "{}", idle.join("\n"));
}

/// The mistakes that people make, each with words that help.
#[test]
fn common_mistakes_get_messages_that_help() {
    let cases = [
        (
            "authenticators:\n  jwt:\n    enabled: true\n    jwks_urls: [https://a/]\n    config: {}\n",
            "config.jwks_urls",
        ),
        (
            "authenticators:\n  cookie_session:\n    enabled: true\n    config: {check_session_url: 'http://a/', preserveHost: true}\n",
            "did you mean `preserve_host`?",
        ),
        (
            "mutator:\n  noop: {enabled: true}\n",
            "did you mean `mutators`?",
        ),
        (
            "authorizers:\n  - allow: {enabled: true}\n",
            "must be an object, is a list",
        ),
        ("log:\n  level: info\n  level: warn\n", "already on line 2"),
        (
            "authenticators:\n  bearer_token:\n    enabled: true\n    config: {check_session_url: 'http://a/', token_from: {header: a, cookie: b}}\n",
            "exactly one of",
        ),
        (
            "serve:\n  proxy:\n    cors: {allowed_methods: [OPTIONS]}\n",
            "`OPTIONS` is not one of",
        ),
        (
            "mutators:\n  hydrator:\n    enabled: true\n    config: {api: {url: 'http://a/', retry: {delayInMilliseconds: 1}}}\n",
            "now `max_delay`",
        ),
        ("cache: {max_bytes: -1}\n", "must be at least 0"),
        (
            "serve:\n  proxy: {trust_forwarded_headers: yes}\n",
            "without quotes",
        ),
    ];
    for (text, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, text).unwrap();
        let said = match load(&[file], []) {
            Ok(loaded) => loaded.warnings.to_string(),
            Err(problems) => problems.to_string(),
        };
        assert!(said.contains(expected), "{text}\n{said}");
    }
    let text = "authenticators:\n  cookie_session:\n    enabled: true\n    config: {check_session_url: 'http://${HOST}/'}\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, text).unwrap();
    let warnings = load(&[file], []).unwrap().warnings.to_string();
    assert!(warnings.contains("is not replaced"), "{warnings}");
}
