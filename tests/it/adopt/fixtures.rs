//! `doorward test`: what it says of fixtures that hold, of those that don't, and of files that can't be used.

use super::{doorward, doorward_in, stderr, stdout};
use serde_json::Value;
use std::process::Output;
use tempfile::TempDir;

const CONFIG: &str = r#"
access_rules: { repositories: ["file://rules.yaml"] }
authenticators:
  anonymous: { enabled: true }
  jwt:
    enabled: true
    config: { jwks_urls: ["https://idp.test/keys"], trusted_issuers: ["https://idp.test/"], allowed_algorithms: [ES256] }
  cookie_session:
    enabled: true
    config: { check_session_url: "http://sessions.test/whoami", subject_from: identity.id, preserve_path: true }
authorizers:
  allow: { enabled: true }
  remote_json:
    enabled: true
    config: { remote: "http://keto.test/check", payload: '{"subject": {{ .Subject | toJson }}}' }
mutators:
  noop: { enabled: true }
  header: { enabled: true, config: { headers: { X-User: "{{ .Subject }}" } } }
"#;

const RULES: &str = r#"
- id: token
  match: { url: "http://h.test/token", methods: [GET, POST] }
  authenticators: [{ handler: jwt }]
  authorizer: { handler: remote_json }
  mutators: [{ handler: header }]
  upstream: { url: "http://up.test/base" }
- id: session
  match: { url: "http://h.test/session", methods: [GET] }
  authenticators: [{ handler: cookie_session }]
  authorizer: { handler: allow }
  mutators: [{ handler: header, config: { headers: { Authorization: "Bearer hush-hush" } } }]
- id: lonely
  match: { url: "http://h.test/lonely", methods: [GET] }
  authenticators: [{ handler: anonymous }]
  authorizer: { handler: allow }
  mutators: [{ handler: noop }]
"#;

const SERVERS: &str = r#"
config: doorward.yaml
keys: { idp: ES256, stranger: ES256 }
tokens:
  alice: { key: idp, claims: { iss: "https://idp.test/", sub: alice } }
  old: { key: idp, claims: { iss: "https://idp.test/", sub: alice }, valid_for: "-5m" }
  forged: { key: stranger, claims: { iss: "https://idp.test/", sub: alice } }
servers:
  - { url: "https://idp.test/keys", answer: { keys: [idp] } }
  - { url: "http://keto.test/check", when: { json: { subject: alice } }, answer: { status: 200 } }
  - { url: "http://keto.test/check", answer: { status: 403 } }
  - url: http://sessions.test/*
    when: { headers: { Cookie: { matches: ".*sid=bob.*" } } }
    answer: { json: { identity: { id: bob } } }
  - { url: "http://sessions.test/*", answer: { status: 401 } }
"#;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("doorward.yaml"), CONFIG).unwrap();
    std::fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
    folder
}

/// Runs fixtures against the setup above.
fn try_with(folder: &TempDir, fixtures: &str, arguments: &[&str]) -> Output {
    let text = format!("{SERVERS}\nfixtures:\n{fixtures}");
    std::fs::write(folder.path().join("fixtures.yaml"), text).unwrap();
    let all = [&["test", "fixtures.yaml"], arguments].concat();
    doorward_in(folder.path(), &all)
}

fn tried(fixtures: &str) -> (Option<i32>, String) {
    let output = try_with(&folder(), fixtures, &[]);
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[test]
fn the_shipped_fixtures_hold_and_cover_every_rule() {
    let output = doorward(&[
        "test",
        "rules/tests/demo.yaml",
        "rules/tests/doorward.yaml",
        "rules/tests/decisions.yaml",
        "--coverage",
        "100",
    ]);
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert_eq!(
        stdout(&output),
        "16 fixtures, 0 failed, 100 % of the rules covered\n"
    );
}

#[test]
fn described_servers_and_tokens_make_real_decisions() {
    let (code, said) = tried(
        r#"
  - request: { url: "http://h.test/token?x=1", headers: { Authorization: "Bearer ${token:alice}" } }
    expect: { decision: allowed, rule: token, subject: alice, headers: { X-User: alice, X-Other: null }, upstream: "http://up.test/base/token?x=1" }
  - request: { url: http://h.test/token, headers: { Authorization: "Bearer ${token:old}" } }
    expect: { status: 401, stage: authentication, handler: jwt, rule: token }
  - request: { url: http://h.test/token, headers: { Authorization: "Bearer ${token:forged}" } }
    expect: 401
  - request: { url: http://h.test/session, headers: { Cookie: sid=bob } }
    expect: { decision: allowed, subject: bob }
  - request: { url: http://h.test/session, headers: { Cookie: sid=eve } }
    expect: { decision: denied, status: 401, reason: unauthorized }
  - request: http://h.test/lonely
    expect: allowed
"#,
    );
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said, "6 fixtures, 0 failed, 100 % of the rules covered\n");
}

#[test]
fn what_differs_is_said_with_its_place_and_without_credentials() {
    let (code, said) = tried(
        r#"
  - name: bob is alice
    request: { url: "http://h.test/session?token=hush", headers: { Cookie: sid=bob } }
    expect: { status: 403, rule: lonely, subject: alice, headers: { Authorization: Bearer other } }
"#,
    );
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "fixtures.yaml:19: bob is alice\n",
        "  GET http://h.test/session: 200 by rule `session`\n",
        "  status: expected 403, found 200\n",
        "  rule: expected lonely, found session\n",
        "  subject: expected `alice`, found `bob`\n",
        "  header authorization: expected ***, found ***\n",
        "1 fixtures, 1 failed, 33 % of the rules covered\n",
    ] {
        assert!(said.contains(line), "no {line:?} in:\n{said}");
    }
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn a_server_that_nobody_described_is_named() {
    let folder = folder();
    let rules = RULES.replace(
        "handler: jwt",
        "handler: jwt, config: { jwks_urls: [\"https://elsewhere.test/keys?k=hush\"] }",
    );
    std::fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let fixture = r#"
  - request: { url: http://h.test/token, headers: { Authorization: "Bearer ${token:alice}" } }
    expect: allowed
"#;
    let said = stdout(&try_with(&folder, fixture, &[]));
    let line = "  asked GET https://elsewhere.test/keys, which no entry of `servers` answers\n";
    assert!(said.contains(line), "{said}");
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn too_little_coverage_fails_and_names_the_rules() {
    let fixture = "  - { request: \"http://h.test/lonely\", expect: allowed }\n";
    let output = try_with(&folder(), fixture, &["--coverage", "34"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(
        said.contains("no fixture comes to these rules:\n  token\n  session\n"),
        "{said}"
    );
    let enough = try_with(&folder(), fixture, &["--coverage", "33"]);
    assert_eq!(enough.status.code(), Some(0));
}

#[test]
fn programs_get_json() {
    let fixtures = r#"
  - { name: good, request: "http://h.test/lonely", expect: allowed }
  - { name: bad, request: "http://h.test/lonely", expect: denied }
"#;
    let output = try_with(&folder(), fixtures, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["failed"], 1);
    assert_eq!(said["coverage"]["percent"], 33);
    assert_eq!(said["coverage"]["setups"][0]["untouched"][0], "token");
    let bad = &said["fixtures"][1];
    assert_eq!(
        (&bad["name"], &bad["passed"], &bad["line"]),
        (&"bad".into(), &false.into(), &20.into())
    );
    assert_eq!(
        bad["differences"][0],
        serde_json::json!({ "what": "decision", "expected": "denied", "found": "allowed" })
    );
}

#[test]
fn what_cannot_be_used_is_refused_with_file_and_line() {
    for (fixtures, complaint) in [
        (
            "  - { request: \"http://h.test/\", expect: allowd }\n",
            "fixtures.yaml:18: fixtures.0.expect: must be `allowed` or `denied`",
        ),
        (
            "  - { request: \"http://h.test/\", expect: {} }\n",
            "fixtures.yaml:18: fixtures.0.expect: expects nothing, so it would always hold",
        ),
        (
            "  - request: \"http://h.test/\"\n    expect: { staus: 200 }\n",
            "fixtures.yaml:19: fixtures.0.expect.staus: is not known",
        ),
        (
            "  - request: { url: \"/path\" }\n    expect: 200\n",
            "fixtures.yaml:18: fixtures.0.request.url: must be an absolute URL",
        ),
        (
            "  - request: { url: \"http://h.test/\", headers: { A: \"${token:nobody}\" } }\n    expect: 200\n",
            "fixtures.yaml:18: fixtures.0.request.headers.A: `nobody` is none of this file's `tokens`",
        ),
        (
            "  - request: \"http://h.test/\"\n    expect: { reason: because }\n",
            "fixtures.yaml:19: fixtures.0.expect.reason: must be one of bad_request,",
        ),
        ("  - {", "fixtures.yaml:"),
    ] {
        let (code, said) = tried(fixtures);
        assert_eq!(code, Some(2), "{fixtures}\n{said}");
        assert!(said.starts_with(complaint), "{fixtures}\n{said}");
    }
}

#[test]
fn without_a_readable_setup_nothing_is_said_of_fixtures() {
    let folder = folder();
    let fixture = "  - { request: \"http://h.test/lonely\", expect: denied }\n";
    std::fs::remove_file(folder.path().join("rules.yaml")).unwrap();
    let output = try_with(&folder, fixture, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("rules.yaml"),
        "{}",
        stderr(&output)
    );
    let output = doorward_in(folder.path(), &["test", "absent.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("absent.yaml: can't be read"));
}
