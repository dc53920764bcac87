//! Reads recorded cases. The folder is `tests/goldens`, or what `DOORWARD_GOLDENS` names.

use serde_json::Value;
use std::path::PathBuf;

/// One recorded case.
pub(crate) struct Case(Value);

/// The cases of one operation; it is an error if there are none.
pub(crate) fn cases(file: &str, op: &str) -> Vec<Case> {
    let folder = std::env::var_os("DOORWARD_GOLDENS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join(file)).expect("goldens can be read");
    let all: Vec<Value> = serde_json::from_str(&text).expect("goldens are JSON");
    let found: Vec<Case> = all
        .into_iter()
        .filter(|case| case["op"] == op)
        .map(Case)
        .collect();
    assert!(!found.is_empty(), "no case of {op} in {file}");
    found
}

impl Case {
    pub(crate) fn name(&self) -> &str {
        self.0["name"].as_str().expect("a case has a name")
    }

    pub(crate) fn input(&self, member: &str) -> &Value {
        &self.0["input"][member]
    }

    pub(crate) fn text(&self, member: &str) -> String {
        string(self.input(member))
    }

    pub(crate) fn flag(&self, member: &str) -> bool {
        self.input(member).as_bool().unwrap_or_default()
    }

    /// A member beside the output.
    pub(crate) fn member(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// What is required: `sane` where there is one, `None` where the reference fails.
    pub(crate) fn output(&self) -> Option<&Value> {
        self.0.get("sane").or_else(|| self.0.get("output"))
    }
}

/// A string of a case that is UTF-8.
pub(crate) fn string(value: &Value) -> String {
    String::from_utf8(bytes(value)).expect("UTF-8")
}

/// A string of a case, or one in base64 that isn't UTF-8.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    use base64::Engine as _;
    match value.get("base64") {
        Some(encoded) => base64::engine::general_purpose::STANDARD
            .decode(encoded.as_str().expect("base64 is text"))
            .expect("valid base64"),
        None => value.as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

/// The other way round.
pub(crate) fn json(bytes: &[u8]) -> Value {
    use base64::Engine as _;
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            serde_json::json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) })
        }
    }
}
