use super::*;
use crate::rules::source::SourceKind;
use std::fs;
use std::path::Path;

fn rule(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","match":{{"url":"http://h/{id}","methods":["GET"]}},"authenticators":[{{"handler":"noop"}}],"authorizer":{{"handler":"allow"}},"mutators":[{{"handler":"noop"}}]}}"#
    )
}

fn config(sources: &[String], more: &str) -> String {
    format!(
        r#"{{"authenticators":{{"noop":{{"enabled":true}}}},"authorizers":{{"allow":{{"enabled":true}}}},"mutators":{{"noop":{{"enabled":true}}}},"access_rules":{{"repositories":{}{more}}}}}"#,
        serde_json::to_string(sources).unwrap()
    )
}

struct Running(Followed);

impl std::ops::Deref for Running {
    type Target = Followed;

    fn deref(&self) -> &Followed {
        &self.0
    }
}

fn running(file: &Path) -> Result<Running, StartError> {
    let files = vec![file.to_owned()];
    let seen = crate::rules::watch::look([file]);
    start(Setup {
        seen,
        config: config::load(&files, []).unwrap().config,
        files,
        env: Vec::new(),
        clients: Arc::new(Clients::default()),
        hangups: Hangups::LeftAlone,
        on_configuration: Box::new(|_| {}),
    })
    .map(Running)
}

impl Running {
    /// Waits until the report is as wanted; the last one if that never happens.
    fn until(&self, wanted: impl Fn(&Report) -> bool) -> Arc<Report> {
        let began = std::time::Instant::now();
        loop {
            let report = self.board.read();
            if wanted(&report) {
                return report;
            }
            assert!(began.elapsed() < Duration::from_secs(15), "{report:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn ids(report: &Report) -> Vec<&str> {
    report.rules.iter().map(|rule| &*rule.id).collect()
}

#[test]
fn a_broken_edit_keeps_the_last_good_rules_and_a_good_one_replaces_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let rules = format!("file://{}", at("rules.json").display());
    fs::write(at("rules.json"), format!("[{}]", rule("a"))).unwrap();
    fs::write(at("config.json"), config(&[rules], "")).unwrap();
    let running = running(&at("config.json")).unwrap();
    assert_eq!(ids(&running.board.read()), ["a"]);
    assert!(running.board.read().missing().is_empty());
    let before = running.live.load();

    fs::write(at("rules.json"), "[{").unwrap();
    let report = running.until(|report| report.sources[0].error.is_some());
    assert_eq!(ids(&report), ["a"]);
    assert_eq!(running.live.load().generation, 1);

    fs::write(at("rules.json"), format!("[{},{}]", rule("b"), rule("c"))).unwrap();
    let report = running.until(|report| report.rules.len() == 2);
    assert_eq!(ids(&report), ["b", "c"]);
    assert_eq!(report.sources[0].error, None);
    assert_eq!(
        before.rules.len(),
        1,
        "who began with the old rules keeps them"
    );
    assert_eq!(running.live.load().generation, 2);
}

#[test]
fn sources_come_and_go_with_the_configuration_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let url = |name: &str| format!("file://{}", at(name).display());
    for id in ["a", "b"] {
        fs::write(at(id), format!("[{}]", rule(id))).unwrap();
    }
    fs::write(at("config.json"), config(&[url("b"), url("a")], "")).unwrap();
    let running = running(&at("config.json")).unwrap();
    assert_eq!(ids(&running.board.read()), ["b", "a"]);

    fs::write(at("config.json"), config(&[url("a")], "")).unwrap();
    running.until(|report| ids(report) == ["a"]);

    fs::write(at("config.json"), "{").unwrap();
    let report = running.until(|report| report.configuration.is_some());
    assert_eq!(ids(&report), ["a"]);

    fs::write(at("config.json"), config(&[url("a"), url("b")], "")).unwrap();
    let report = running.until(|report| ids(report) == ["a", "b"]);
    assert_eq!(report.configuration, None);
}

#[test]
fn strict_settings_keep_the_last_good_rules() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let rules = format!("file://{}", at("rules.json").display());
    fs::write(at("rules.json"), format!("[{}]", rule("a"))).unwrap();
    let strict = r#","duplicate_ids":"reject","unknown_keys":"reject","on_invalid_rule":"reject""#;
    fs::write(at("config.json"), config(&[rules], strict)).unwrap();
    let running = running(&at("config.json")).unwrap();

    fs::write(at("rules.json"), r#"[{"id":"x","mutator":[]}]"#).unwrap();
    let report = running.until(|report| report.sources[0].error.is_some());
    assert!(
        report.sources[0]
            .error
            .as_deref()
            .unwrap()
            .contains("mutator")
    );
    assert_eq!(ids(&report), ["a"]);

    fs::write(at("rules.json"), r#"[{"id":"x"}]"#).unwrap();
    let report = running.until(|report| !report.problems.is_empty());
    assert_eq!(ids(&report), ["a"]);

    fs::write(at("rules.json"), format!("[{},{}]", rule("d"), rule("d"))).unwrap();
    let report = running.until(|report| report.sources[0].rules == 2);
    assert_eq!(ids(&report), ["a"]);
}

#[test]
fn inline_rules_that_cannot_be_read_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    fs::write(&file, config(&["inline://e30=".to_owned()], "")).unwrap();
    assert!(matches!(running(&file), Err(StartError::Source { .. })));
}

#[test]
fn a_remote_source_that_is_not_there_leaves_the_others_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("rules.json"), format!("[{}]", rule("a"))).unwrap();
    let rules = format!("file://{}", at("rules.json").display());
    let gone = "http://127.0.0.1:1/rules.json?token=secret".to_owned();
    fs::write(at("config.json"), config(&[gone, rules], "")).unwrap();
    let running = running(&at("config.json")).unwrap();
    let report = running.board.read();
    assert_eq!(ids(&report), ["a"]);
    assert_eq!(report.sources[0].kind, SourceKind::Remote);
    let missing = report.missing().join(" ");
    assert!(
        missing.contains("http://127.0.0.1:1/rules.json:"),
        "{missing}"
    );
    assert!(!missing.contains("secret"));
}
