//! Go's `text/template` with the Sprig functions: lexer, parser, compiled program.
