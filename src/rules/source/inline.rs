//! Rules inside the configuration: `inline://` and base64.

use super::{FetchError, Fetched, Fingerprint, RuleSource, SourceKind, rules};
use crate::config::Secret;
use async_trait::async_trait;
use base64::Engine as _;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Inline {
    id: Arc<str>,
    content: Secret,
}

impl Inline {
    pub(super) fn new(id: Arc<str>, content: Secret) -> Inline {
        Inline { id, content }
    }
}

#[async_trait]
impl RuleSource for Inline {
    fn id(&self) -> &Arc<str> {
        &self.id
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Inline
    }

    async fn fetch(&self, _: Option<&Fingerprint>) -> Result<Fetched, FetchError> {
        let text = base64::engine::general_purpose::STANDARD
            .decode(self.content.reveal())
            .map_err(|error| FetchError::Unreadable(error.to_string()))?;
        Ok(Fetched::Rules {
            rules: rules(&text, "")?,
            fingerprint: None,
        })
    }

    /// Only with the configuration.
    async fn changed(&self, _: u32) {
        std::future::pending().await
    }
}
