//! Everything a decision depends on, immutable; and the cell that holds it.
