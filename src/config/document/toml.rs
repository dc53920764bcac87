//! TOML, with dates and times as text.

use super::lines::{Lines, Path};
use super::{Document, SyntaxError, not_text};
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) fn read(text: &[u8]) -> Result<Document, SyntaxError> {
    let text = std::str::from_utf8(text).map_err(|_| not_text())?;
    let table = DeTable::parse(text).map_err(|error| SyntaxError {
        line: error.span().map(|span| line(text, span.start)),
        message: error.message().to_owned(),
    })?;
    let mut reader = Reader {
        text,
        path: Path::default(),
        lines: Lines::default(),
    };
    let value = reader.table(table.get_ref())?;
    Ok(Document {
        value,
        lines: reader.lines,
    })
}

fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|b| **b == b'\n').count()
}

struct Reader<'t> {
    text: &'t str,
    path: Path,
    lines: Lines,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Result<Value, SyntaxError> {
        let mut members = Map::new();
        for (name, member) in table {
            let name = name.get_ref().as_ref();
            let value = self.member(name, member)?;
            members.insert(name.to_owned(), value);
        }
        Ok(Value::Object(members))
    }

    fn member(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<Value, SyntaxError> {
        let length = self.path.enter(name);
        let line = line(self.text, value.span().start);
        self.lines.note(self.path.text(), line);
        let read = self.value(value.get_ref(), line);
        self.path.leave(length);
        read
    }

    fn value(&mut self, value: &DeValue<'_>, line: usize) -> Result<Value, SyntaxError> {
        let wrong = |message: &str| SyntaxError {
            line: Some(line),
            message: message.to_owned(),
        };
        Ok(match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => {
                let (digits, radix) = (number.as_str().replace('_', ""), number.radix());
                let number = i64::from_str_radix(&digits, radix)
                    .map(Number::from)
                    .or_else(|_| u64::from_str_radix(&digits, radix).map(Number::from));
                Value::Number(number.map_err(|_| wrong("the number is too large"))?)
            }
            DeValue::Float(number) => {
                let number: f64 = number
                    .as_str()
                    .replace('_', "")
                    .parse()
                    .map_err(|_| wrong("not a number"))?;
                Value::Number(
                    Number::from_f64(number).ok_or_else(|| wrong("the number is not finite"))?,
                )
            }
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Array(items) => {
                let items = items.iter().enumerate();
                let items: Result<Vec<Value>, SyntaxError> = items
                    .map(|(index, item)| self.member(&index.to_string(), item))
                    .collect();
                Value::Array(items?)
            }
            DeValue::Table(table) => self.table(table)?,
        })
    }
}
