//! GJSON paths: what `subject_from` and `extra_from` are written in.
