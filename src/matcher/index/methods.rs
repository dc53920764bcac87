//! Methods as bits, so that a rule's whole list is compared at once.

use super::super::{Entry, Protocol};

/// The bit for all methods that have none of their own.
const RARE: u32 = 63;

/// The methods of a rule set. Each belongs to one protocol, so that protocols need no look of their own.
#[derive(Debug, Default)]
pub(super) struct Methods {
    names: Vec<(Protocol, String)>,
    /// Rules with methods beyond the 63rd: (rule's entry, index in `names`), sorted.
    rare: Vec<(u32, u32)>,
}

/// A request's method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    index: u32,
    bit: u64,
}

impl Methods {
    /// The bits of an entry's list.
    pub(super) fn add(&mut self, index: u32, entry: &Entry<'_>) -> u64 {
        let mut bits = 0;
        for method in entry.methods {
            let known = self.position(entry.protocol, method);
            let position = known.unwrap_or_else(|| {
                self.names.push((entry.protocol, method.clone()));
                self.names.len() as u32 - 1
            });
            if position >= RARE {
                self.rare.push((index, position));
            }
            bits |= 1 << position.min(RARE);
        }
        bits
    }

    fn position(&self, protocol: Protocol, method: &str) -> Option<u32> {
        let same =
            |(of, name): &(Protocol, String)| *of == protocol && name.eq_ignore_ascii_case(method);
        self.names
            .iter()
            .position(same)
            .map(|position| position as u32)
    }

    pub(super) fn finish(&mut self) {
        self.rare.sort_unstable();
    }

    /// `None`: no rule has it.
    pub(super) fn get(&self, protocol: Protocol, method: &str) -> Option<Method> {
        self.position(protocol, method).map(|index| Method {
            index,
            bit: 1 << index.min(RARE),
        })
    }

    pub(super) fn allows(&self, bits: u64, entry: u32, method: Method) -> bool {
        bits & method.bit != 0
            && (method.index < RARE || self.rare.binary_search(&(entry, method.index)).is_ok())
    }
}
