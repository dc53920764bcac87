//! What several handlers share. Knows no handler.

pub(crate) mod media;
pub(crate) mod when;
