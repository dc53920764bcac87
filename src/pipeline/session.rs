//! What is known of the one who asks, handed from stage to stage.

use super::{HeaderChanges, RequestView};
use crate::gourl::Url;
use crate::value::Map;
use http::HeaderMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What an authenticator found out. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Identity {
    pub subject: Arc<str>,
    /// `None` is Go's nil map: it prints as `map[]` and encodes as `null`.
    pub extra: Option<Arc<Map>>,
}

/// The capture groups of the matched pattern, computed when first asked for.
pub trait Captures: Send + Sync {
    /// In the reference's order; `Err` where the pattern overran its step limit.
    fn groups(&self) -> Vec<String>;
}

/// Whether the decision API returns the request's own headers: the reference's `noop` mutator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Echo {
    #[default]
    Nothing,
    Request,
}

/// A match context that a hydrator put in place of the request's own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MatchContext {
    pub groups: Option<Vec<String>>,
    pub url: Option<Url>,
    pub method: String,
    pub header: Option<HeaderMap>,
}

/// The session of one request.
pub struct Session<'r> {
    pub request: &'r RequestView<'r>,
    pub subject: Arc<str>,
    pub extra: Option<Arc<Map>>,
    /// What authorizer and mutators set so far.
    pub headers: HeaderChanges,
    pub echo: Echo,
    /// What `cookie` mutators set so far, newest first: a later one keeps what an earlier one set.
    pub cookies: Vec<(Arc<str>, Vec<u8>)>,
    /// Set by a hydrator that answered with a match context of its own.
    pub replaced: Option<Box<MatchContext>>,
    captures: &'r dyn Captures,
    groups: OnceLock<Vec<String>>,
}

impl<'r> Session<'r> {
    pub fn new(
        request: &'r RequestView<'r>,
        identity: Identity,
        captures: &'r dyn Captures,
    ) -> Session<'r> {
        Session {
            request,
            subject: identity.subject,
            extra: identity.extra,
            headers: HeaderChanges::default(),
            echo: Echo::Nothing,
            cookies: Vec::new(),
            replaced: None,
            captures,
            groups: OnceLock::new(),
        }
    }

    /// `RegexpCaptureGroups`; `None` only where a hydrator answered `null`.
    pub fn groups(&self) -> Option<&[String]> {
        match &self.replaced {
            Some(context) => context.groups.as_deref(),
            None => Some(self.groups.get_or_init(|| self.captures.groups())),
        }
    }
}

impl fmt::Debug for Session<'_> {
    /// No header values and no claims: they may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}
