//! From events to a value.

use super::grammar;
use super::scalar::{Scalar, Tag, resolve};
use super::{Dialect, SyntaxError};
use crate::config::document::Document;
use crate::config::document::lines::{Lines, Path};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::rc::Rc;

/// Deeper nesting is refused; nobody writes it by hand.
const MAX_DEPTH: usize = 200;

pub(super) fn read(text: &str, dialect: Dialect) -> Result<Document, SyntaxError> {
    let mut composer = Composer {
        parser: Parser::new_from_str(text),
        rest: text.chars(),
        index: 0,
        anchors: HashMap::new(),
        depth: 0,
        flow: 0,
    };
    let root = composer.document()?;
    let mut builder = Builder {
        dialect,
        path: Path::default(),
        lines: Lines::default(),
        decoded: 0,
        aliased: 0,
        inside_alias: 0,
    };
    let value = match &root {
        Some(node) => builder.value(node)?,
        None => Value::Null,
    };
    Ok(Document {
        value,
        lines: builder.lines,
    })
}

/// A node of the document, before it means anything.
#[derive(Debug)]
struct Node {
    line: usize,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Scalar {
        text: String,
        tag: Tag,
        merge: bool,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Alias(Rc<Node>),
}

fn wrong(line: usize, message: impl Into<String>) -> SyntaxError {
    SyntaxError {
        line: Some(line),
        message: message.into(),
    }
}

struct Composer<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// The text that is still to come, and how many characters lie behind: marks count characters and only grow.
    rest: std::str::Chars<'t>,
    index: usize,
    anchors: HashMap<usize, Rc<Node>>,
    depth: usize,
    /// How many `[` and `{` are open.
    flow: usize,
}

impl<'t> Composer<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), SyntaxError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(wrong(error.marker().line(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The first document; what follows it isn't looked at.
    fn document(&mut self) -> Result<Option<Node>, SyntaxError> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(None),
                (Event::DocumentStart(_), _) => break,
                _ => {}
            }
        }
        let first = self.next()?;
        if matches!(first.0, Event::DocumentEnd) {
            return Ok(None);
        }
        let node = self.node(first)?;
        Ok(Some(node))
    }

    fn node(&mut self, (event, span): (Event<'t>, Span)) -> Result<Node, SyntaxError> {
        let line = span.start.line();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(wrong(line, "nested too deeply"));
        }
        let (anchor, shape) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                (anchor, self.scalar(&text, style, tag, span)?)
            }
            Event::SequenceStart(anchor, _) => {
                let flow = self.flow;
                self.flow += usize::from(self.at(span) == Some('['));
                let list = self.list()?;
                self.flow = flow;
                (anchor, list)
            }
            Event::MappingStart(anchor, _) => {
                let flow = self.flow;
                self.flow += usize::from(self.at(span) == Some('{'));
                let map = self.map()?;
                self.flow = flow;
                (anchor, map)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => (0, Shape::Alias(node.clone())),
                None => return Err(wrong(line, "an anchor contains itself")),
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(wrong(line, "the document ends too early")),
        };
        self.depth -= 1;
        let node = Node { line, shape };
        if anchor == 0 {
            return Ok(node);
        }
        let shared = Rc::new(node);
        self.anchors.insert(anchor, shared.clone());
        Ok(Node {
            line,
            shape: Shape::Alias(shared),
        })
    }

    fn list(&mut self) -> Result<Shape, SyntaxError> {
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::SequenceEnd) {
                return Ok(Shape::List(items));
            }
            items.push(self.node(event)?);
        }
    }

    fn map(&mut self) -> Result<Shape, SyntaxError> {
        let mut members = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::MappingEnd) {
                return Ok(Shape::Map(members));
            }
            let key = self.node(event)?;
            let event = self.next()?;
            let value = self.node(event)?;
            members.push((key, value));
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&saphyr_parser::Tag>,
        span: Span,
    ) -> Result<Shape, SyntaxError> {
        let line = span.start.line();
        if style == ScalarStyle::DoubleQuoted {
            let source = self.source(span);
            grammar::escapes(&source).map_err(|message| wrong(line, message))?;
        }
        let quoted = style != ScalarStyle::Plain;
        if !quoted && self.flow > 0 && text.contains('?') {
            return Err(wrong(line, "text with `?` must be quoted inside brackets"));
        }
        Ok(Shape::Scalar {
            text: text.to_owned(),
            merge: text == "<<" && !quoted && tag.is_none()
                || tag.is_some_and(|tag| core(tag) == Some("merge")),
            tag: tag_of(tag),
            quoted,
        })
    }

    /// Moves on to where a span begins, and says which character is there.
    fn at(&mut self, span: Span) -> Option<char> {
        let start = span.start.index();
        let skipped = start.saturating_sub(self.index);
        if skipped > 0 {
            self.rest.nth(skipped - 1);
            self.index = start;
        }
        self.rest.clone().next()
    }

    /// The text of a span.
    fn source(&mut self, span: Span) -> String {
        self.at(span);
        let length = span.end.index().saturating_sub(span.start.index());
        self.index += length;
        self.rest.by_ref().take(length).collect()
    }
}

/// The name of a tag of the core schema.
fn core(tag: &saphyr_parser::Tag) -> Option<&str> {
    match tag.handle.as_str() {
        "tag:yaml.org,2002:" | "!!" => Some(&tag.suffix),
        "" => tag.suffix.strip_prefix("tag:yaml.org,2002:"),
        _ => None,
    }
}

fn tag_of(tag: Option<&saphyr_parser::Tag>) -> Tag {
    if tag.is_some_and(|tag| format!("{}{}", tag.handle, tag.suffix) == "!") {
        return Tag::NonSpecific;
    }
    match tag.and_then(core) {
        Some("str") => Tag::Text,
        Some("bool") => Tag::Boolean,
        Some("int") => Tag::Integer,
        Some("float") => Tag::Float,
        Some("null") => Tag::Null,
        Some("timestamp") => Tag::Timestamp,
        Some("binary") => Tag::Binary,
        Some(_) | None => Tag::None,
    }
}

struct Builder {
    dialect: Dialect,
    path: Path,
    lines: Lines,
    /// Nodes looked at, and how many of them inside aliases: the measure against bombs.
    decoded: usize,
    aliased: usize,
    inside_alias: usize,
}

impl Builder {
    fn value(&mut self, node: &Node) -> Result<Value, SyntaxError> {
        self.count(node.line)?;
        match &node.shape {
            Shape::Scalar { .. } => scalar(node, self.dialect)?
                .into_value()
                .map_err(|message| wrong(node.line, message)),
            Shape::List(items) => {
                let items: Result<Vec<Value>, SyntaxError> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.within(&index.to_string(), item))
                    .collect();
                Ok(Value::Array(items?))
            }
            Shape::Map(members) => self.map(members),
            Shape::Alias(target) => {
                self.inside_alias += 1;
                let value = self.value(target);
                self.inside_alias -= 1;
                value
            }
        }
    }

    fn within(&mut self, name: &str, node: &Node) -> Result<Value, SyntaxError> {
        let length = self.path.enter(name);
        self.note(node.line);
        let value = self.value(node);
        self.path.leave(length);
        value
    }

    /// Of rules only the line on which each begins: there may be a hundred thousand of them.
    fn note(&mut self, line: usize) {
        if self.dialect == Dialect::Configuration || !self.path.text().contains('.') {
            self.lines.note(self.path.text(), line);
        }
    }

    /// Go's own measure against documents that explode: the larger they are, the fewer nodes may come from aliases.
    fn count(&mut self, line: usize) -> Result<(), SyntaxError> {
        self.decoded += 1;
        self.aliased += usize::from(self.inside_alias > 0);
        let share = match self.decoded {
            0..=400_000 => 0.99,
            4_000_000.. => 0.10,
            many => 0.99 - 0.89 * ((many - 400_000) as f64 / 3_600_000.0),
        };
        let excessive = self.aliased > 100
            && self.decoded > 1000
            && self.aliased as f64 / self.decoded as f64 > share;
        if excessive {
            return Err(wrong(line, "the document contains excessive aliasing"));
        }
        Ok(())
    }

    fn map(&mut self, members: &[(Node, Node)]) -> Result<Value, SyntaxError> {
        if self.dialect == Dialect::Configuration {
            unique(members)?;
        }
        let mut out = Map::new();
        let mut merges = Vec::new();
        for (key, value) in members {
            if is_merge(key) {
                match self.dialect {
                    // Merged members come last and replace nothing, or in their place and replace what came before.
                    Dialect::Configuration => merges.push(value),
                    Dialect::Rules => self.merge(&mut out, value, Priority::Merged)?,
                }
                continue;
            }
            let name = self.key(key)?;
            let length = self.path.enter(&name);
            self.note(key.line);
            let value = self.value(value);
            self.path.leave(length);
            out.insert(name, value?);
        }
        for value in merges {
            self.merge(&mut out, value, Priority::Written)?;
        }
        if self.dialect == Dialect::Rules {
            // On its way through JSON the reference sorts them, which counts where names differ in case only.
            out.sort_keys();
        }
        Ok(Value::Object(out))
    }

    fn merge(
        &mut self,
        out: &mut Map<String, Value>,
        node: &Node,
        priority: Priority,
    ) -> Result<(), SyntaxError> {
        let sources: Vec<&Node> = match &resolved(node).shape {
            Shape::Map(_) => vec![node],
            Shape::List(items) => items.iter().collect(),
            Shape::Scalar { .. } | Shape::Alias(_) => Vec::new(),
        };
        if sources.is_empty()
            || !sources
                .iter()
                .all(|node| matches!(resolved(node).shape, Shape::Map(_)))
        {
            return Err(wrong(
                node.line,
                "`<<` needs an object or a list of objects",
            ));
        }
        // Of several sources the first wins.
        let mut merged = Map::new();
        for source in sources {
            if let Value::Object(members) = self.value(source)? {
                for (name, value) in members {
                    merged.entry(name).or_insert(value);
                }
            }
        }
        for (name, value) in merged {
            match priority {
                Priority::Merged => {
                    out.insert(name, value);
                }
                Priority::Written => {
                    out.entry(name).or_insert(value);
                }
            }
        }
        Ok(())
    }

    fn key(&self, node: &Node) -> Result<String, SyntaxError> {
        let node = resolved(node);
        let Shape::Scalar { text, .. } = &node.shape else {
            return Err(wrong(node.line, "a key must be text"));
        };
        // The reference reads the outermost level of a configuration into text keys, whatever they look like.
        if self.dialect == Dialect::Configuration && self.path.text().is_empty() {
            return Ok(text.clone());
        }
        Ok(match (scalar(node, self.dialect)?, self.dialect) {
            (Scalar::Text(text), _) => text,
            (Scalar::Integer(number), _) => number.to_string(),
            (Scalar::Boolean(value), _) => value.to_string(),
            (Scalar::Float(number), dialect) => float_key(number, dialect),
            (Scalar::Large(number), Dialect::Configuration) => number.to_string(),
            (Scalar::Time(time), _) => time.printed(),
            (Scalar::Null, Dialect::Configuration) => "<nil>".to_owned(),
            (Scalar::Null | Scalar::Large(_), Dialect::Rules) => {
                return Err(wrong(node.line, "a key must be text"));
            }
        })
    }
}

/// What wins where a member is both written and merged.
#[derive(Debug, Clone, Copy)]
enum Priority {
    Written,
    Merged,
}

/// `%v` of a double, or the shortest text of a single for rules.
fn float_key(number: f64, dialect: Dialect) -> String {
    match dialect {
        Dialect::Configuration => crate::value::plain_float(number),
        Dialect::Rules => (number as f32).to_string(),
    }
}

fn resolved(node: &Node) -> &Node {
    match &node.shape {
        Shape::Alias(target) => resolved(target),
        Shape::Scalar { .. } | Shape::List(_) | Shape::Map(_) => node,
    }
}

fn is_merge(key: &Node) -> bool {
    matches!(&resolved(key).shape, Shape::Scalar { merge: true, .. })
}

fn scalar(node: &Node, dialect: Dialect) -> Result<Scalar, SyntaxError> {
    match &node.shape {
        Shape::Scalar {
            text,
            quoted: true,
            tag: Tag::None,
            ..
        } => Ok(Scalar::Text(text.clone())),
        Shape::Scalar { text, tag, .. } => {
            resolve(text, *tag, dialect).map_err(|message| wrong(node.line, message))
        }
        Shape::List(_) | Shape::Map(_) | Shape::Alias(_) => Err(wrong(node.line, "must be text")),
    }
}

/// Refuses two keys that are written alike, as `yaml.v3` does.
fn unique(members: &[(Node, Node)]) -> Result<(), SyntaxError> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (key, _) in members {
        let node = resolved(key);
        if let Shape::Scalar { text, .. } = &node.shape
            && let Some(first) = seen.insert(text, key.line)
        {
            let message = format!("the key `{text}` is already on line {first}");
            return Err(wrong(key.line, message));
        }
    }
    Ok(())
}
