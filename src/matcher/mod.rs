//! URL patterns and the index over them. Knows neither rules nor an HTTP library: maps (method, scheme, host, path) to small integers.
