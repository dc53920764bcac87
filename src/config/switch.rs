//! Booleans of the configuration that the code knows by what they mean.

/// Reads `false` as the first of the type's two variants, `true` as the second.
macro_rules! switch {
    ($type:ident, $off:ident, $on:ident) => {
        impl From<bool> for $type {
            fn from(on: bool) -> $type {
                if on { $type::$on } else { $type::$off }
            }
        }
    };
}
