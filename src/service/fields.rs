//! Pingora's headers as the canonical rules change them.

use crate::canonical::headers::Fields;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};

/// Pingora keeps the spelling of names beside the map; both change through its own methods.
macro_rules! fields {
    ($header:ty) => {
        impl Fields for $header {
            fn map(&self) -> &HeaderMap {
                &self.headers
            }

            fn remove(&mut self, name: &HeaderName) {
                self.remove_header(name);
            }

            fn set(&mut self, name: HeaderName, value: HeaderValue) {
                // INVARIANT: name and value are of the types that Pingora would convert to; nothing is left to fail.
                let _ = self.insert_header(name, value);
            }
        }
    };
}

fields!(RequestHeader);
fields!(ResponseHeader);
