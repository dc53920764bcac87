//! What handlers call out with: HTTP, key sets, caches.
