//! Hashes of beginnings and ends of subjects, and the table that they lead through.
//!
//! A collision costs a needless look at a rule, never a wrong answer: every candidate is verified.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x243f_6a88_85a3_08d3;

fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(MULTIPLIER);
    (product >> 64) as u64 ^ product as u64
}

/// A running hash over a text that can be read off after each `/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    state: u64,
    word: u64,
    bytes: u32,
}

impl Running {
    pub(super) fn new() -> Self {
        Self {
            state: SEED,
            word: 0,
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.word = self.word << 8 | u64::from(byte);
        self.bytes += 1;
        if self.bytes == 8 {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.state = mix(self.state, self.word);
        self.word = 0;
        self.bytes = 0;
    }

    /// The hash of a beginning that ends with a slash. Later hashes build on it.
    pub(super) fn at_slash(&mut self) -> u64 {
        self.settle();
        self.state
    }

    /// The hash of the whole text.
    pub(super) fn whole(&self) -> u64 {
        mix(mix(self.state, self.word), u64::from(self.bytes) + 1)
    }

    pub(super) fn of_beginning(text: &str) -> u64 {
        let mut running = Self::new();
        let mut hash = SEED;
        for byte in text.bytes() {
            running.push(byte);
            if byte == b'/' {
                hash = running.at_slash();
            }
        }
        hash
    }

    pub(super) fn of_whole(text: &str) -> u64 {
        let mut running = Self::new();
        for byte in text.bytes() {
            running.push(byte);
            if byte == b'/' {
                running.at_slash();
            }
        }
        running.whole()
    }
}

/// Which bytes of a subject a child of a node is keyed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Those after what the node's rules have in common.
    Front,
    /// Those at the end.
    Back,
    /// Those from any slash on.
    Slash,
}

pub(super) fn of_child(node: u32, side: Side, bytes: &[u8]) -> u64 {
    let mut state = mix(SEED, (u64::from(node) << 8) | (side as u64 + 1));
    for chunk in bytes.chunks(8) {
        let word = chunk
            .iter()
            .fold(1, |word: u64, &byte| word << 8 | u64::from(byte));
        state = mix(state, word);
    }
    mix(state, bytes.len() as u64)
}

/// Open addressing, made once.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<(u64, u32)>,
}

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// Marks a rule where a node could be: most nodes would hold just one.
pub(super) const RULE: u32 = 1 << 31;

impl Table {
    pub(super) fn new(entries: &[(u64, u32)]) -> Self {
        let size = (entries.len() * 2).next_power_of_two().max(2);
        let mut slots = vec![(0, NONE); size];
        for &(hash, node) in entries {
            let mut at = hash as usize & (size - 1);
            while slots.get(at).is_some_and(|slot| slot.1 != NONE) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = (hash, node);
            }
        }
        Self { slots }
    }

    pub(super) fn get(&self, hash: u64) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let &(found, node) = self.slots.get(at)?;
            if node == NONE {
                return None;
            }
            if found == hash {
                return Some(node);
            }
            at = (at + 1) & mask;
        }
    }
}
