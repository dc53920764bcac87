//! What the operator wrote: raw, checked, compiled.
