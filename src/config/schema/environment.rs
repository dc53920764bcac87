//! Which environment variable sets which key.
