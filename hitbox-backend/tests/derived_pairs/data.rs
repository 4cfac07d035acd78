//! What a value serializes to, so that two values of different types can be compared.
//!
//! Two renderings, since a type may serialize otherwise for people than for machines:
//!
//! - for formats without names, a text with each name, kind and value in it, which must be the same to
//!   the letter;
//! - for JSON, JSON: a payload of it says itself what it is, and is read by name. There the data are the
//!   same if all that both values name is the same.

mod machine;

use serde::Serialize;
use serde_json::Value;

pub(crate) use machine::for_machines;

/// How a value that has been read compares with the one that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    Same,
    /// Of what has been written, the reader has no place for all, or it has its own default for what has
    /// not: one of the types is an older version of the other.
    Part,
    Other,
}

pub(crate) fn for_people<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

pub(crate) fn compared(written: &str, read: &str) -> Likeness {
    if written == read {
        return Likeness::Same;
    }
    let parsed = |text| serde_json::from_str::<Value>(text).unwrap();
    values(&parsed(written), &parsed(read))
}

fn values(written: &Value, read: &Value) -> Likeness {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            let all = written.keys().chain(read.keys());
            worst(all.map(|name| match (written.get(name), read.get(name)) {
                (Some(written), Some(read)) => values(written, read),
                (None, Some(default)) if !is_default(default) => Likeness::Other,
                _ => Likeness::Part,
            }))
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            worst(written.iter().zip(read).map(|(one, two)| values(one, two)))
        }
        // A float may stand for the number, rounded to what it can hold.
        (Value::Number(written), Value::Number(read)) if is_rounded(written, read) => {
            Likeness::Same
        }
        // JSON has no bytes: those of a text, as numbers.
        (Value::String(text), Value::Array(bytes)) if is_bytes_of(text, bytes) => Likeness::Same,
        // A variant that holds nothing.
        (Value::Object(variant), Value::String(name)) if is_empty_variant(variant, name) => {
            Likeness::Same
        }
        _ if written == read => Likeness::Same,
        _ => Likeness::Other,
    }
}

fn worst(parts: impl Iterator<Item = Likeness>) -> Likeness {
    parts.fold(Likeness::Same, |so_far, part| match (so_far, part) {
        (Likeness::Other, _) | (_, Likeness::Other) => Likeness::Other,
        (Likeness::Part, _) | (_, Likeness::Part) => Likeness::Part,
        (Likeness::Same, Likeness::Same) => Likeness::Same,
    })
}

/// What a reader can have by itself for a field that was not written.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.values().all(is_default),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "the rounding is what is looked for"
)]
fn is_rounded(written: &serde_json::Number, read: &serde_json::Number) -> bool {
    let (written, number) = (written.as_f64().unwrap(), read.as_f64().unwrap());
    read.is_f64() && (written == number || written as f32 == number as f32)
}

fn is_empty_variant(variant: &serde_json::Map<String, Value>, name: &str) -> bool {
    variant.len() == 1 && variant.get(name) == Some(&Value::Null)
}

fn is_bytes_of(text: &str, bytes: &[Value]) -> bool {
    bytes.len() == text.len()
        && (text.bytes().zip(bytes)).all(|(byte, number)| number.as_u64() == Some(byte.into()))
}

#[test]
fn json_is_compared_by_name() {
    for (written, read, likeness) in [
        (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, Likeness::Same),
        (r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#, Likeness::Other),
        (r#"{"a":1,"b":2}"#, r#"{"a":1,"c":null}"#, Likeness::Part),
        (r#"{"a":1,"b":2}"#, r#"{"a":1,"c":2}"#, Likeness::Other),
        ("[1,[2]]", "[1.0,[2]]", Likeness::Same),
        ("[1,2]", "[2,1]", Likeness::Other),
        ("[1,2]", "[1]", Likeness::Other),
        ("1.5", "1", Likeness::Other),
        ("1e300", "null", Likeness::Other),
        (r#""ab""#, "[97,98]", Likeness::Same),
        (r#""ab""#, "[97,99]", Likeness::Other),
        ("[1,2]", r#"{"a":1,"b":2}"#, Likeness::Other),
        (r#"{"A":null}"#, r#""A""#, Likeness::Same),
        (r#"{"A":0}"#, r#""A""#, Likeness::Other),
    ] {
        assert_eq!(compared(written, read), likeness, "{written} {read}");
    }
}
