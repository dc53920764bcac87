//! Finds the end of a chunked body, and refuses what another parser could read differently (RFC 9112 §7.1).
//!
//! Only watches: the bytes go on to Pingora as they came. Extensions are passed over, without line breaks or other control characters
//! in them; trailers are refused: nothing here or behind us needs them, and their parsing is where servers differ.

/// What the next byte may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the hexadecimal size; how many digits were read.
    Size {
        digits: u8,
    },
    /// Behind a semicolon.
    Extension {
        bytes: u16,
    },
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    LastReturn,
    LastLineFeed,
    Done,
}

/// The longest extension that is passed over.
const EXTENSION: u16 = 256;

/// A watcher over one chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    state: State,
    left: u64,
}

/// The body is not chunked as RFC 9112 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadChunk;

impl Chunks {
    pub(super) fn new() -> Chunks {
        Chunks {
            state: State::Size { digits: 0 },
            left: 0,
        }
    }

    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// How many of these bytes belong to the body.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            match self.state {
                State::Done => break,
                State::Data => {
                    let take = usize::try_from(self.left)
                        .unwrap_or(usize::MAX)
                        .min(rest.len());
                    self.left -= take as u64;
                    rest = rest.get(take..).unwrap_or_default();
                    if self.left == 0 {
                        self.state = State::DataReturn;
                    }
                }
                state => {
                    self.state = self.step(state, *byte)?;
                    rest = tail;
                }
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn step(&mut self, state: State, byte: u8) -> Result<State, BadChunk> {
        match (state, byte) {
            (State::Size { digits: 1.. }, b'\r') => Ok(State::SizeLineFeed),
            (State::Size { digits: 1.. }, b';') => Ok(State::Extension { bytes: 0 }),
            (State::Extension { .. }, b'\r') => Ok(State::SizeLineFeed),
            (State::Extension { bytes }, b'\t' | b' '..=b'~' | 0x80..) if bytes < EXTENSION => {
                Ok(State::Extension { bytes: bytes + 1 })
            }
            // 15 digits always fit into 64 bits, and no chunk is that long.
            (State::Size { digits }, _) if digits < 15 => {
                let digit = char::from(byte).to_digit(16).ok_or(BadChunk)?;
                self.left = self.left * 16 + u64::from(digit);
                Ok(State::Size { digits: digits + 1 })
            }
            (State::SizeLineFeed, b'\n') if self.left == 0 => Ok(State::LastReturn),
            (State::SizeLineFeed, b'\n') => Ok(State::Data),
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::Size { digits: 0 }),
            (State::LastReturn, b'\r') => Ok(State::LastLineFeed),
            (State::LastLineFeed, b'\n') => Ok(State::Done),
            _ => Err(BadChunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_everywhere(bytes: &[u8]) -> Vec<Result<usize, BadChunk>> {
        (0..=bytes.len())
            .map(|cut| {
                let mut chunks = Chunks::new();
                let first = chunks.advance(&bytes[..cut])?;
                Ok(first + chunks.advance(&bytes[cut..])?)
            })
            .collect()
    }

    #[test]
    fn the_end_is_the_same_however_the_bytes_arrive() {
        let body = b"2\r\nhe\r\n0A\r\nhellohello\r\n000\r\n\r\nGET / HTTP/1.1\r\n";
        for taken in split_everywhere(body) {
            // A cut inside the next request's bytes leaves them untouched.
            assert_eq!(taken, Ok(body.len() - "GET / HTTP/1.1\r\n".len()));
        }
    }

    #[test]
    fn what_other_parsers_read_differently_is_refused() {
        for body in [
            "0x5\r\nhello",
            "+5\r\nhello",
            "-5\r\nhello",
            "5 5\r\nhello",
            "5;\n\r\nhello",
            "5;a\rb\r\nhello",
            "5\nhello",
            "\r\nhello",
            "g\r\n",
            "5\r\nhelloX",
            "0\r\nX-Trailer: a\r\n\r\n",
            "10000000000000005\r\n",
            "0_5\r\n",
        ] {
            let mut chunks = Chunks::new();
            assert_eq!(chunks.advance(body.as_bytes()), Err(BadChunk), "{body:?}");
        }
    }
}
