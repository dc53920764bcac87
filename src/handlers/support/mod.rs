//! What several handlers share. Knows no handler.

pub(crate) mod media;
pub(in crate::handlers) mod templated;
pub(crate) mod when;
