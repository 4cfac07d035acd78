//! Values of random types, and their way through serde.

mod read;
mod write;

use std::cell::Cell;

use fastrand::Rng;

use super::schema::{Fields, Schema, Variant};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Signed(i128),
    Unsigned(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Str(String),
    Bytes(Vec<u8>),
    Unit,
    None,
    Some(Box<Value>),
    Many(Vec<Value>),
    Pairs(Vec<(Value, Value)>),
    Variant(usize, Vec<Value>),
}

thread_local! {
    static SCHEMA: Cell<Option<&'static Schema>> = const { Cell::new(None) };
}

/// Runs `work` while [`Any`] is of the type that `schema` says.
pub(super) fn within<T>(schema: &'static Schema, work: impl FnOnce() -> T) -> T {
    let before = SCHEMA.replace(Some(schema));
    read::forget_numbers();
    let outcome = work();
    SCHEMA.set(before);
    outcome
}

/// A value of the type that the thread's schema says.
#[derive(Debug)]
pub(super) struct Any(pub(super) Value);

/// The structs and enums around a value.
type Around = Vec<&'static Schema>;

/// What is at a place: the schema that is there, or one that it is in.
fn resolved(schema: &'static Schema, around: &mut Around) -> &'static Schema {
    match schema {
        Schema::Again(out) => {
            around.truncate(around.len() - out);
            around.pop().unwrap()
        }
        here => here,
    }
}

pub(super) fn of(schema: &'static Schema, random: &mut Rng) -> Any {
    Any(value(schema, &vec![], 8, random))
}

fn value(schema: &'static Schema, around: &Around, budget: usize, random: &mut Rng) -> Value {
    let mut around = around.clone();
    let schema = resolved(schema, &mut around);
    if matches!(schema, Schema::Struct(_) | Schema::Enum { .. }) {
        around.push(schema);
    }
    let less = budget.saturating_sub(1);
    let mut part = |schema: &'static Schema| value(schema, &around, less, random);
    match schema {
        Schema::Newtype(_, inner) => return part(inner),
        Schema::Tuple(parts) | Schema::TupleStruct(_, parts) => {
            return Value::Many(parts.iter().map(part).collect());
        }
        Schema::Struct(fields) => return Value::Many(fields.parts.iter().map(part).collect()),
        _ => {}
    }
    let number = if budget == 0 { 0 } else { random.usize(0..4) };
    match schema {
        Schema::Option(_) if number == 0 => Value::None,
        Schema::Option(inner) => Value::Some(Box::new(value(inner, &around, less, random))),
        Schema::Seq(inner) => {
            let each = |_| value(inner, &around, less, random);
            Value::Many((0..number).map(each).collect())
        }
        Schema::Map(key, inner) => {
            let each = |_| {
                (
                    value(key, &around, less, random),
                    value(inner, &around, less, random),
                )
            };
            Value::Pairs((0..number).map(each).collect())
        }
        Schema::Enum { parts, .. } => {
            let chosen = random.usize(0..parts.len());
            let mut part = |schema: &'static Schema| value(schema, &around, less, random);
            let parts = match &parts[chosen] {
                Variant::Unit => vec![],
                Variant::Newtype(inner) => vec![part(inner)],
                Variant::Tuple(parts) => parts.iter().map(part).collect(),
                Variant::Struct(fields) => fields.parts.iter().map(part).collect(),
            };
            Value::Variant(chosen, parts)
        }
        leaf => leaf_value(leaf, random),
    }
}

fn leaf_value(schema: &Schema, random: &mut Rng) -> Value {
    let small = random.bool();
    let wide = if small {
        random.i128(-3..100)
    } else {
        random.i128(..)
    };
    match schema {
        Schema::Bool => Value::Bool(random.bool()),
        Schema::I8 => Value::Signed((wide as i8).into()),
        Schema::I16 => Value::Signed((wide as i16).into()),
        Schema::I32 => Value::Signed((wide as i32).into()),
        Schema::I64 => Value::Signed((wide as i64).into()),
        Schema::I128 => Value::Signed(wide),
        Schema::U8 => Value::Unsigned((wide as u8).into()),
        Schema::U16 => Value::Unsigned((wide as u16).into()),
        Schema::U32 => Value::Unsigned((wide as u32).into()),
        Schema::U64 => Value::Unsigned((wide as u64).into()),
        Schema::U128 => Value::Unsigned(wide as u128),
        Schema::F32 => Value::F32(random.f32()),
        Schema::F64 => Value::F64(random.f64()),
        Schema::Char => Value::Char(random.char('a'..'\u{ff}')),
        Schema::Str => Value::Str(
            (0..random.usize(0..4))
                .map(|_| random.alphabetic())
                .collect(),
        ),
        Schema::Bytes => Value::Bytes((0..random.usize(0..4)).map(|_| random.u8(..)).collect()),
        _ => Value::Unit,
    }
}

/// What the data are, whatever the kinds: numbers by their value, fields and variants by their names.
pub(super) fn described(schema: &'static Schema, value: &Value) -> String {
    description(schema, value, &vec![])
}

fn description(schema: &'static Schema, value: &Value, around: &Around) -> String {
    let mut around = around.clone();
    let schema = resolved(schema, &mut around);
    if matches!(schema, Schema::Struct(_) | Schema::Enum { .. }) {
        around.push(schema);
    }
    let part = |schema: &'static Schema, value: &Value| description(schema, value, &around);
    let list = |schemas: &'static [Schema], values: &[Value]| -> String {
        schemas
            .iter()
            .zip(values)
            .map(|(schema, value)| part(schema, value) + ",")
            .collect()
    };
    let named = |fields: &'static Fields, values: &[Value]| -> String {
        let mut entries: Vec<String> = fields
            .names
            .iter()
            .zip(fields.parts.iter().zip(values))
            .map(|(name, (schema, value))| format!("{name}:{},", part(schema, value)))
            .collect();
        entries.sort();
        entries.concat()
    };
    match (schema, value) {
        (Schema::Newtype(_, inner), value) => part(inner, value),
        (Schema::Option(inner), Value::Some(value)) => format!("some({})", part(inner, value)),
        (Schema::Seq(inner), Value::Many(values)) => {
            let each: String = values
                .iter()
                .map(|value| part(inner, value) + ",")
                .collect();
            format!("[{each}]")
        }
        (Schema::Map(key, inner), Value::Pairs(pairs)) => {
            let each: String = pairs
                .iter()
                .map(|(k, v)| format!("{}={},", part(key, k), part(inner, v)))
                .collect();
            format!("map({each})")
        }
        (Schema::Tuple(parts) | Schema::TupleStruct(_, parts), Value::Many(values)) => {
            format!("({})", list(parts, values))
        }
        (Schema::Struct(fields), Value::Many(values)) => format!("{{{}}}", named(fields, values)),
        (
            Schema::Enum {
                variants, parts, ..
            },
            Value::Variant(chosen, values),
        ) => {
            let content = match &parts[*chosen] {
                Variant::Unit => String::new(),
                Variant::Newtype(inner) => part(inner, &values[0]),
                Variant::Tuple(parts) => list(parts, values),
                Variant::Struct(fields) => named(fields, values),
            };
            format!("{}({content})", variants[*chosen])
        }
        (_, Value::Signed(number)) => number.to_string(),
        (_, Value::Unsigned(number)) => number.to_string(),
        (_, Value::F32(number)) => f64::from(*number).to_string(),
        (_, Value::F64(number)) => number.to_string(),
        (_, Value::Bytes(bytes)) => {
            let each: String = bytes.iter().map(|byte| format!("{byte},")).collect();
            format!("[{each}]")
        }
        (_, other) => format!("{other:?}"),
    }
}
