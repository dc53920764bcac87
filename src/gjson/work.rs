//! What a look-up may cost.

/// Steps for any document, and for each of its bytes more: one step is about a byte read or written.
const STEPS: u64 = 4 << 20;
const STEPS_A_BYTE: u64 = 32;
/// How deep look-ups may stand inside each other.
const DEPTH: u32 = 256;

/// The steps that are left. When they are spent every part of the look-up returns with what it has, and the answer is thrown away.
#[derive(Debug)]
pub(super) struct Work {
    left: u64,
    depth: u32,
}

impl Work {
    pub(super) fn for_document(document: &[u8]) -> Work {
        Work {
            left: STEPS + STEPS_A_BYTE * document.len() as u64,
            depth: 0,
        }
    }

    /// Takes steps; `false` where there are no more.
    pub(super) fn take(&mut self, steps: usize) -> bool {
        self.left = self.left.saturating_sub(steps as u64 + 1);
        self.left > 0
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Does something one level deeper; the default where that is too deep.
    pub(super) fn deeper<T: Default>(&mut self, inner: impl FnOnce(&mut Work) -> T) -> T {
        if self.depth == DEPTH {
            self.left = 0;
        }
        if self.is_spent() {
            return T::default();
        }
        self.depth += 1;
        let done = inner(self);
        self.depth -= 1;
        done
    }
}
