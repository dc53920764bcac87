//! A rule file, as written.

use serde::Deserialize;
use serde_json::Value;

/// One rule of a file. Everything may be missing; what must be there is checked when it is compiled.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Rule {
    pub id: String,
    pub version: String,
    pub description: String,
    #[serde(rename = "match")]
    pub matching: Option<Match>,
    pub authenticators: Vec<HandlerUse>,
    pub authorizer: HandlerUse,
    pub mutators: Vec<HandlerUse>,
    pub errors: Vec<HandlerUse>,
    pub upstream: Upstream,
}

/// A handler and what the rule says of its configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HandlerUse {
    pub handler: String,
    pub config: Value,
}

/// What a rule applies to.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Match {
    Rpc {
        authority: String,
        full_method: String,
        #[serde(skip)]
        methods: Vec<String>,
    },
    Http {
        #[serde(default)]
        methods: Vec<String>,
        #[serde(default)]
        url: String,
    },
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Upstream {
    pub url: String,
    pub preserve_host: bool,
    pub strip_path: String,
    /// Doorward's own members (`urls`, `policy`, `health`, …), checked when the rule is compiled.
    #[serde(flatten)]
    pub own: serde_json::Map<String, Value>,
}

impl Rule {
    /// The pattern over whole URLs; empty where the rule has none.
    pub fn pattern(&self) -> String {
        match &self.matching {
            Some(Match::Http { url, .. }) => url.clone(),
            Some(Match::Rpc {
                authority,
                full_method,
                ..
            }) => {
                format!("rpc://{authority}/{full_method}")
            }
            None => String::new(),
        }
    }

    pub fn methods(&self) -> &[String] {
        match &self.matching {
            Some(Match::Http { methods, .. } | Match::Rpc { methods, .. }) => methods,
            None => &[],
        }
    }
}

/// A whole rule file: a list of rules.
pub fn parse(text: &[u8]) -> Result<Vec<Rule>, serde_yaml::Error> {
    serde_yaml::from_slice(text)
}
