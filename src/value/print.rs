//! Values as `fmt`'s `%v` prints them.

use super::{Map, Value, plain_float};

/// `<nil>` for null, lists as `[a b]`, objects as `map[a:1 b:2]`.
pub fn print(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(n) => out.push_str(&plain_float(*n)),
        Value::String(text) => out.push_str(text),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                print(out, item);
            }
            out.push(']');
        }
        Value::Strings(items) => {
            out.push('[');
            out.push_str(&items.join(" "));
            out.push(']');
        }
        Value::Map(map) => print_map(out, map),
    }
}

fn print_map(out: &mut String, map: &Map) {
    out.push_str("map[");
    for (i, (name, value)) in map.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(name);
        out.push(':');
        print(out, value);
    }
    out.push(']');
}
