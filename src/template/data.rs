//! What a template sees of a session.

use super::val::{Multi, MultiType, canonical_header};
use crate::gourl::Url;
use crate::pipeline::{Echo, Session};
use crate::value::Map;
use http::HeaderMap;

/// The session behind `.`; each part is asked for only where a template names it.
pub(crate) trait Data: Sync {
    fn subject(&self) -> &str;
    fn extra(&self) -> Option<&Map>;
    /// `.Header`: what authorizers and mutators set so far.
    fn header(&self) -> Multi;
    fn groups(&self) -> Option<&[String]>;
    fn url(&self) -> Option<Url>;
    fn method(&self) -> &str;
    /// `.MatchContext.Header`
    fn request_header(&self) -> Option<&HeaderMap>;
}

impl Data for Session<'_> {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn extra(&self) -> Option<&Map> {
        self.extra.as_deref()
    }

    fn header(&self) -> Multi {
        let mut header = match self.echo {
            // The reference's `noop` mutator puts the request's own headers there.
            Echo::Request => Multi::of_headers(self.request.headers),
            Echo::Nothing => Multi {
                kind: MultiType::Header,
                nil: self.headers.is_empty(),
                entries: Default::default(),
            },
        };
        for (name, value) in self.headers.iter() {
            header.entries.insert(
                canonical_header(name.name().as_str().as_bytes()),
                vec![value.as_bytes().to_vec()],
            );
        }
        header
    }

    fn groups(&self) -> Option<&[String]> {
        Session::groups(self)
    }

    fn url(&self) -> Option<Url> {
        match &self.replaced {
            Some(context) => context.url.clone(),
            None => Some(self.request.canonical.url()),
        }
    }

    fn method(&self) -> &str {
        match &self.replaced {
            Some(context) => &context.method,
            None => self.request.canonical.method(),
        }
    }

    fn request_header(&self) -> Option<&HeaderMap> {
        match &self.replaced {
            Some(context) => context.header.as_ref(),
            None => Some(self.request.headers),
        }
    }
}
