//! Counts the streams that a client opens on an HTTP/2 connection, by the heads of its frames (RFC 9113 §4.1).
//!
//! Pingora and its HTTP/2 library refuse streams before any phase of a request runs, without a trace in logs or metrics. What was
//! opened and never became a request is what they refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// `PRI * HTTP/2.0` and what belongs to it (RFC 9113 §3.4).
const PREFACE: u64 = 24;
const HEAD: usize = 9;
const HEADERS: u8 = 1;

/// A watcher over one connection's bytes from the client.
#[derive(Debug)]
pub(super) struct Streams {
    /// Bytes up to the next frame's head.
    skip: u64,
    head: [u8; HEAD],
    have: usize,
    last: u32,
    opened: Arc<AtomicU64>,
}

impl Streams {
    pub(super) fn new(opened: Arc<AtomicU64>) -> Streams {
        Streams {
            skip: PREFACE,
            head: [0; HEAD],
            have: 0,
            last: 0,
            opened,
        }
    }

    pub(super) fn advance(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.skip > 0 {
                let over = usize::try_from(self.skip).map_or(rest.len(), |n| n.min(rest.len()));
                self.skip -= over as u64;
                rest = rest.get(over..).unwrap_or_default();
                continue;
            }
            let missing = (HEAD - self.have).min(rest.len());
            let (part, behind) = rest.split_at(missing);
            for (to, from) in self.head.iter_mut().skip(self.have).zip(part) {
                *to = *from;
            }
            self.have += missing;
            rest = behind;
            if self.have == HEAD {
                self.have = 0;
                self.frame();
            }
        }
    }

    fn frame(&mut self) {
        let [l0, l1, l2, kind, _, s0, s1, s2, s3] = self.head;
        self.skip = u64::from(u32::from_be_bytes([0, l0, l1, l2]));
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
        // Trailers come on streams that were counted; new ones have ever higher numbers.
        if kind == HEADERS && stream > self.last {
            self.last = stream;
            self.opened.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, 0]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn each_stream_counts_once_however_the_bytes_arrive() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (kind, stream, payload) in [
            (4, 0, &[0; 6][..]),
            (HEADERS, 1, &[HEADERS; 700]),
            (0, 1, &[]),
            (HEADERS, 1, b"trailers"),
            (HEADERS, 3, &[]),
            (9, 3, &[HEADERS; 40]),
            (HEADERS, 0x8000_0005, b"x"),
        ] {
            bytes.extend(frame(kind, stream, payload));
        }
        for size in 1..bytes.len() {
            let opened = Arc::new(AtomicU64::new(0));
            let mut streams = Streams::new(opened.clone());
            for part in bytes.chunks(size) {
                streams.advance(part);
            }
            assert_eq!(opened.load(Ordering::Relaxed), 3, "in pieces of {size}");
        }
    }
}
