//! Go's `text/template` with the Sprig functions: lexer, parser, compiled program.

/// Which functions exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    #[default]
    Safe,
    /// Functions that reach the environment, the network or key generation too (`templates.unsafe_functions`).
    WithUnsafeFunctions,
}
