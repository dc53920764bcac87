//! Sets of characters: what one step of a pattern consumes.
//!
//! A set is resolved completely when its pattern is read: classes, Unicode categories, subtraction and the reference's idea of
//! ignoring case all end up as plain ranges, so that both engines work on the same value.

use std::sync::{Arc, OnceLock};

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, HirKind};

/// A set of characters with a fast answer for ASCII.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::matcher) struct Set {
    ascii: u128,
    beyond: Beyond,
    class: ClassUnicode,
}

/// What the set holds outside ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::matcher) enum Beyond {
    Nothing,
    Everything,
    Some,
}

impl std::hash::Hash for Set {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.ascii.hash(state);
        self.class.ranges().len().hash(state);
    }
}

impl Set {
    pub(in crate::matcher) fn new(class: ClassUnicode) -> Self {
        let mut ascii = 0;
        let mut beyond: u32 = 0;
        for range in class.ranges() {
            let (first, last) = (u32::from(range.start()), u32::from(range.end()));
            for c in first..=last.min(0x7f) {
                ascii |= 1 << c;
            }
            if last >= 0x80 {
                beyond += scalars(first.max(0x80), last);
            }
        }
        let beyond = match beyond {
            0 => Beyond::Nothing,
            n if n == scalars(0x80, 0x10_ffff) => Beyond::Everything,
            _ => Beyond::Some,
        };
        Self {
            ascii,
            beyond,
            class,
        }
    }

    /// Everything but `excluded`.
    pub(in crate::matcher) fn all_but(excluded: &[char]) -> Self {
        let mut class = ClassUnicode::new(excluded.iter().map(|&c| ClassUnicodeRange::new(c, c)));
        class.negate();
        Self::new(class)
    }

    pub(in crate::matcher) fn one(c: char) -> Self {
        Self::new(single(c))
    }

    pub(in crate::matcher) fn contains(&self, c: char) -> bool {
        if c.is_ascii() {
            return self.contains_ascii(c as u8);
        }
        match self.beyond {
            Beyond::Nothing => false,
            Beyond::Everything => true,
            Beyond::Some => contains(&self.class, c),
        }
    }

    /// For bytes below 0x80; others are never in it.
    pub(in crate::matcher) fn contains_ascii(&self, byte: u8) -> bool {
        byte < 0x80 && self.ascii >> byte & 1 == 1
    }

    /// The one ASCII character that is missing, where the set is all the rest.
    pub(in crate::matcher) fn all_but_one(&self) -> Option<u8> {
        let missing = !self.ascii;
        (self.beyond == Beyond::Everything && missing.count_ones() == 1)
            .then(|| missing.trailing_zeros() as u8)
    }

    pub(in crate::matcher) fn is_everything(&self) -> bool {
        self.beyond == Beyond::Everything && self.ascii == u128::MAX
    }

    pub(in crate::matcher) fn overlaps(&self, other: &Set) -> bool {
        let mut both = self.class.clone();
        both.intersect(&other.class);
        !both.ranges().is_empty()
    }

    pub(in crate::matcher) fn beyond(&self) -> Beyond {
        self.beyond
    }

    pub(in crate::matcher) fn class(&self) -> &ClassUnicode {
        &self.class
    }

    /// Its only member, if it has just one.
    pub(in crate::matcher) fn only(&self) -> Option<char> {
        match self.class.ranges() {
            [range] if range.start() == range.end() => Some(range.start()),
            _ => None,
        }
    }

    /// A member, a readable one where there is one: for examples.
    pub(in crate::matcher) fn example(&self) -> Option<char> {
        let readable = ('a'..='z')
            .chain('0'..='9')
            .chain('A'..='Z')
            .chain('!'..='~');
        readable
            .into_iter()
            .find(|&c| self.contains(c))
            .or_else(|| self.class.ranges().first().map(ClassUnicodeRange::start))
    }

    /// Whether it was most likely written as what it is not: `[^a-z/]` is no list of letters whose lower-case forms were meant too.
    pub(in crate::matcher) fn is_negative(&self) -> bool {
        self.beyond == Beyond::Everything || self.contains(char::MAX)
    }

    /// Whether its lower-case form would be the same.
    pub(in crate::matcher) fn is_lower_case(&self) -> bool {
        const UPPER: u128 = ((1 << 26) - 1) << b'A';
        self.beyond == Beyond::Nothing && (self.ascii & UPPER) << 32 & !self.ascii == 0
    }

    /// The same set with the lower-case form of all its members: for hosts, which are compared in lower case.
    pub(in crate::matcher) fn with_lower_case(&self) -> Self {
        let mut class = self.class.clone();
        class.union(&lower_case_of(&self.class));
        Self::new(class)
    }
}

/// How many characters there are from `first` to `last`, surrogates not counted.
fn scalars(first: u32, last: u32) -> u32 {
    let surrogates = if first <= 0xd800 && last >= 0xdfff {
        0x800
    } else {
        0
    };
    last + 1 - first - surrogates
}

fn contains(class: &ClassUnicode, c: char) -> bool {
    let ranges = class.ranges();
    let at = ranges.partition_point(|range| range.end() < c);
    ranges.get(at).is_some_and(|range| range.start() <= c)
}

pub(in crate::matcher) fn single(c: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(c, c)])
}

/// From code point to code point; surrogates, which no text holds, fall out.
pub(super) fn range(first: u32, last: u32) -> ClassUnicode {
    let below = (first.min(0xd7ff), last.min(0xd7ff));
    let above = (first.max(0xe000), last.max(0xe000));
    let mut class = ClassUnicode::empty();
    for (keep, (from, to)) in [(first <= 0xd7ff, below), (last >= 0xe000, above)] {
        if let (true, Some(from), Some(to)) = (keep, char::from_u32(from), char::from_u32(to)) {
            class.push(ClassUnicodeRange::new(from, to));
        }
    }
    class
}

/// The reference's simple lower case: always one character, so `İ` becomes `i`.
pub(in crate::matcher) fn lower(c: char) -> char {
    match c {
        'İ' => 'i',
        c if c.is_ascii() => c.to_ascii_lowercase(),
        c => c.to_lowercase().next().unwrap_or(c),
    }
}

/// All characters that have a lower-case form other than themselves, with it.
fn upper_case() -> &'static [(char, char)] {
    static PAIRS: OnceLock<Vec<(char, char)>> = OnceLock::new();
    // No cased script lies beyond U+1FFFF.
    PAIRS.get_or_init(|| {
        ('A'..='\u{1ffff}')
            .map(|c| (c, lower(c)))
            .filter(|(c, l)| c != l)
            .collect()
    })
}

pub(super) fn lower_case_of(class: &ClassUnicode) -> ClassUnicode {
    let found = upper_case()
        .iter()
        .filter(|(upper, _)| contains(class, *upper));
    ClassUnicode::new(found.map(|&(_, lower)| ClassUnicodeRange::new(lower, lower)))
}

/// All characters whose lower-case form is in `class`: what the reference accepts where case is ignored.
pub(super) fn ignoring_case(class: &ClassUnicode) -> ClassUnicode {
    let upper = |&(c, _): &(char, char)| ClassUnicodeRange::new(c, c);
    let mut result = class.clone();
    result.difference(&ClassUnicode::new(upper_case().iter().map(upper)));
    let accepted = upper_case()
        .iter()
        .filter(|(_, lower)| contains(class, *lower));
    result.union(&ClassUnicode::new(accepted.map(upper)));
    result
}

/// The set that one character stands for where case is ignored.
pub(super) fn folded(c: char) -> ClassUnicode {
    ignoring_case(&single(lower(c)))
}

/// `\w` of the reference: letters, non-spacing marks, decimal digits, connectors and the two joiners.
pub(in crate::matcher) fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    word().contains(c)
}

pub(super) fn word() -> &'static Arc<Set> {
    static WORD: OnceLock<Arc<Set>> = OnceLock::new();
    WORD.get_or_init(|| {
        Arc::new(Set::new(known(
            r"[\p{L}\p{Mn}\p{Nd}\p{Pc}\x{200c}\x{200d}]",
        )))
    })
}

pub(super) fn digit() -> &'static Arc<Set> {
    static DIGIT: OnceLock<Arc<Set>> = OnceLock::new();
    DIGIT.get_or_init(|| Arc::new(Set::new(known(r"\p{Nd}"))))
}

pub(super) fn space() -> &'static Arc<Set> {
    static SPACE: OnceLock<Arc<Set>> = OnceLock::new();
    SPACE.get_or_init(|| Arc::new(Set::new(known(r"\p{White_Space}"))))
}

/// `[[:space:]]` of the reference, which is ECMAScript's.
pub(super) fn ecma_space() -> ClassUnicode {
    known(
        r"[\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}]",
    )
}

fn known(expression: &str) -> ClassUnicode {
    parsed(expression).unwrap_or_else(ClassUnicode::empty)
}

fn parsed(expression: &str) -> Option<ClassUnicode> {
    match regex_syntax::parse(expression).ok()?.into_kind() {
        HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => Some(class),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            text.chars().next().map(single)
        }
        _ => None,
    }
}

/// The category, script or property that `\p{name}` means, if the reference knows the name.
pub(super) fn property(name: &str) -> Option<ClassUnicode> {
    const CATEGORIES: &[&str] = &[
        "C", "Cc", "Cf", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd",
        "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So",
        "Z", "Zl", "Zp", "Zs",
    ];
    const PROPERTIES: &[&str] = &[
        "ASCII_Hex_Digit",
        "Bidi_Control",
        "Dash",
        "Deprecated",
        "Diacritic",
        "Extender",
        "Hex_Digit",
        "Ideographic",
        "Join_Control",
        "Logical_Order_Exception",
        "Noncharacter_Code_Point",
        "Pattern_Syntax",
        "Pattern_White_Space",
        "Prepended_Concatenation_Mark",
        "Quotation_Mark",
        "Radical",
        "Regional_Indicator",
        "Sentence_Terminal",
        "Soft_Dotted",
        "Terminal_Punctuation",
        "Unified_Ideograph",
        "Variation_Selector",
        "White_Space",
    ];
    if name == "C" {
        // The reference's "other" has no unassigned characters.
        return parsed(r"[\p{Cc}\p{Cf}\p{Co}]");
    }
    if name == "Cs" {
        return Some(ClassUnicode::empty());
    }
    if CATEGORIES.contains(&name) {
        return parsed(&format!(r"\p{{gc={name}}}"));
    }
    if PROPERTIES.contains(&name) {
        return parsed(&format!(r"\p{{{name}}}"));
    }
    if is_script_name(name) {
        return parsed(&format!(r"\p{{sc={name}}}"));
    }
    None
}

/// Whether the name is spelt like a script's full name; `regex-syntax` would take any spelling and the four-letter codes too.
fn is_script_name(name: &str) -> bool {
    const SHORT: &[&str] = &[
        "Ahom", "Cham", "Kawi", "Lisu", "Modi", "Newa", "Thai", "Toto",
    ];
    let spelt = name.split('_').all(|word| {
        let mut letters = word.chars();
        word == "of"
            || letters.next().is_some_and(|c| c.is_ascii_uppercase())
                && letters.all(|c| c.is_ascii_lowercase())
    });
    let hyphenated = matches!(name, "Phags_Pa" | "SignWriting");
    (spelt || hyphenated) && (name.len() != 4 || SHORT.contains(&name))
}
