//! Sprig's snake, kebab and camel case, with the word boundaries of the `xstrings` library.

use super::Function;
use super::Ty::String as Text;
use super::strings::chars;
use crate::template::quote::{is_punct, is_space, lower, upper};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("snakecase", &[Text], |cx, mut args| {
        let text = separated(&chars(args.str().bytes()), '_');
        cx.text(text)
    }),
    Function::new("kebabcase", &[Text], |cx, mut args| {
        let text = separated(&chars(args.str().bytes()), '-');
        cx.text(text)
    }),
    Function::new("camelcase", &[Text], |cx, mut args| {
        let text = camel(&chars(args.str().bytes()));
        cx.text(text)
    }),
];

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

/// Letters of scripts that have case or at least words; not Chinese, Japanese or Korean ones.
fn is_alphabet(c: char) -> bool {
    c.is_alphabetic()
        && !matches!(u32::from(c), 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x2_fa1f | 0xac00..=0xd7a3)
}

/// Words begin behind connectors, which are dropped, and with capitals. Connectors at the beginning and repeated ones stay.
fn camel(text: &[char]) -> String {
    let mut out = String::new();
    let start = text.iter().take_while(|c| is_connector(**c)).count();
    out.extend(text.iter().take(start));
    let Some(first) = text.get(start) else {
        return out;
    };
    let mut first_upper = first.is_uppercase();
    let mut before = upper(*first);
    for &c in text.iter().skip(start + 1) {
        let mut now = c;
        if is_connector(now) && is_connector(before) {
            out.push(before);
            before = now;
            continue;
        }
        if is_connector(before) {
            first_upper = now.is_uppercase();
            now = upper(now);
        } else {
            if first_upper {
                if now.is_uppercase() {
                    now = lower(now);
                } else {
                    first_upper = false;
                }
            }
            out.push(before);
        }
        before = now;
    }
    out.push(before);
    out
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Nothing,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// The kind and the length of the word at the beginning.
fn next_word(text: &[char]) -> (Word, usize) {
    let Some(&first) = text.first() else {
        return (Word::Nothing, 0);
    };
    let run = |from: usize, f: &dyn Fn(char) -> bool| {
        from + text.iter().skip(from).take_while(|c| f(**c)).count()
    };
    if is_connector(first) {
        (Word::Connector, run(1, &is_connector))
    } else if is_punct(first) {
        (Word::Punctuation, run(1, &is_punct))
    } else if first.is_uppercase() {
        (Word::Upper, upper_word(text))
    } else if is_alphabet(first) {
        (
            Word::Alphabet,
            run(1, &|c| is_alphabet(c) && !c.is_uppercase()),
        )
    } else if first.is_numeric() {
        (Word::Number, run(1, &|c| c.is_numeric()))
    } else {
        let other = |c: char| !(is_connector(c) || is_alphabet(c) || c.is_numeric() || is_punct(c));
        (Word::Other, run(1, &other))
    }
}

/// `HTTPServer` is `HTTP` and `Server`.
fn upper_word(text: &[char]) -> usize {
    let Some(&second) = text.get(1) else {
        return 1;
    };
    if second.is_uppercase() {
        let end = text.iter().take_while(|c| c.is_uppercase()).count();
        return match text.get(end) {
            Some(&next) if is_alphabet(next) => end - 1,
            Some(_) | None => end,
        };
    }
    if is_alphabet(second) {
        let small = |c: &&char| is_alphabet(**c) && !c.is_uppercase();
        return 1 + text.iter().skip(1).take_while(small).count();
    }
    1
}

struct Words<'t> {
    rest: &'t [char],
    word: &'t [char],
    kind: Word,
}

impl Words<'_> {
    fn advance(&mut self) {
        let (kind, length) = next_word(self.rest);
        let (word, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.kind = kind;
        self.word = word;
        self.rest = rest;
    }

    fn is_text(&self) -> bool {
        matches!(self.kind, Word::Alphabet | Word::Number)
    }
}

fn push(out: &mut String, kind: Word, word: &[char], connector: char) {
    for &c in word {
        out.push(match kind {
            Word::Upper | Word::Connector if is_connector(c) => connector,
            Word::Upper | Word::Connector => lower(c),
            _ => c,
        });
    }
}

fn separated(text: &[char], connector: char) -> String {
    let mut out = String::new();
    let mut words = Words {
        rest: text,
        word: &[],
        kind: Word::Nothing,
    };
    words.advance();
    while !words.rest.is_empty() {
        if words.kind != Word::Connector {
            push(&mut out, words.kind, words.word, connector);
        }
        let before = words.kind;
        let last = words.word;
        words.advance();
        match before {
            Word::Number => {
                while words.is_text() {
                    push(&mut out, words.kind, words.word, connector);
                    words.advance();
                }
                if !ends(words.kind) {
                    out.push(connector);
                }
            }
            Word::Connector => push(&mut out, before, last, connector),
            Word::Punctuation => {}
            Word::Nothing | Word::Upper | Word::Alphabet | Word::Other => {
                behind_letters(&mut out, &mut words, connector);
            }
        }
    }
    push(&mut out, words.kind, words.word, connector);
    out
}

fn ends(kind: Word) -> bool {
    matches!(kind, Word::Nothing | Word::Punctuation | Word::Connector)
}

/// What follows a word of letters: a number belongs to it unless small letters follow the number.
fn behind_letters(out: &mut String, words: &mut Words<'_>, connector: char) {
    if words.kind != Word::Number {
        if !matches!(words.kind, Word::Connector | Word::Punctuation) {
            out.push(connector);
        }
        return;
    }
    if words.rest.is_empty() {
        return;
    }
    let number = words.word;
    words.advance();
    if words.kind != Word::Alphabet {
        push(out, Word::Number, number, connector);
        if !matches!(words.kind, Word::Connector | Word::Punctuation) {
            out.push(connector);
        }
        return;
    }
    out.push(connector);
    push(out, Word::Number, number, connector);
    while words.is_text() {
        push(out, words.kind, words.word, connector);
        words.advance();
    }
    if !ends(words.kind) {
        out.push(connector);
    }
}
