//! What several handlers share. Knows no handler.
