//! What several handlers share. Knows no handler.

pub(crate) mod media;
pub(in crate::handlers) mod outgoing;
pub(in crate::handlers) mod remote;
pub(in crate::handlers) mod session_check;
pub(in crate::handlers) mod templated;
pub(in crate::handlers) mod token_endpoint;
pub(crate) mod when;
