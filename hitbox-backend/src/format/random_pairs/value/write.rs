//! Values on their way through `Serialize`.

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{Any, Around, SCHEMA, Value, resolved};
use crate::format::random_pairs::schema::{Schema, Variant};

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let schema = SCHEMA.get().unwrap();
        Part(schema, &self.0, &vec![]).serialize(serializer)
    }
}

struct Part<'v>(&'static Schema, &'v Value, &'v Around);

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut around = self.2.clone();
        let schema = resolved(self.0, &mut around);
        if matches!(schema, Schema::Struct(_) | Schema::Enum { .. }) {
            around.push(schema);
        }
        match (schema, self.1) {
            (Schema::Newtype(name, inner), value) => {
                serializer.serialize_newtype_struct(name, &Part(inner, value, &around))
            }
            (Schema::Option(inner), Value::Some(value)) => {
                serializer.serialize_some(&Part(inner, value, &around))
            }
            (Schema::Seq(inner), Value::Many(values)) => {
                let mut seq = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    seq.serialize_element(&Part(inner, value, &around))?;
                }
                seq.end()
            }
            (Schema::Map(key, inner), Value::Pairs(pairs)) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (k, v) in pairs {
                    map.serialize_entry(&Part(key, k, &around), &Part(inner, v, &around))?;
                }
                map.end()
            }
            (Schema::Tuple(parts), Value::Many(values)) => {
                let mut tuple = serializer.serialize_tuple(parts.len())?;
                for (part, value) in parts.iter().zip(values) {
                    tuple.serialize_element(&Part(part, value, &around))?;
                }
                tuple.end()
            }
            (Schema::TupleStruct(name, parts), Value::Many(values)) => {
                let mut tuple = serializer.serialize_tuple_struct(name, parts.len())?;
                for (part, value) in parts.iter().zip(values) {
                    tuple.serialize_field(&Part(part, value, &around))?;
                }
                tuple.end()
            }
            (Schema::Struct(fields), Value::Many(values)) => {
                let mut out = serializer.serialize_struct(fields.name, fields.parts.len())?;
                for ((name, part), value) in fields.names.iter().zip(&fields.parts).zip(values) {
                    out.serialize_field(name, &Part(part, value, &around))?;
                }
                out.end()
            }
            (
                Schema::Enum {
                    name,
                    variants,
                    parts,
                },
                Value::Variant(chosen, values),
            ) => {
                let written = Chosen(name, *chosen, variants[*chosen]);
                serialize_variant(serializer, &written, &parts[*chosen], values, &around)
            }
            (schema, value) => serialize_leaf(serializer, schema, value),
        }
    }
}

struct Chosen(&'static str, usize, &'static str);

fn serialize_variant<S: Serializer>(
    serializer: S,
    Chosen(name, chosen, variant): &Chosen,
    parts: &'static Variant,
    values: &[Value],
    around: &Around,
) -> Result<S::Ok, S::Error> {
    let index = u32::try_from(*chosen).unwrap();
    match parts {
        Variant::Unit => serializer.serialize_unit_variant(name, index, variant),
        Variant::Newtype(inner) => serializer.serialize_newtype_variant(
            name,
            index,
            variant,
            &Part(inner, &values[0], around),
        ),
        Variant::Tuple(parts) => {
            let mut out = serializer.serialize_tuple_variant(name, index, variant, parts.len())?;
            for (part, value) in parts.iter().zip(values) {
                out.serialize_field(&Part(part, value, around))?;
            }
            out.end()
        }
        Variant::Struct(fields) => {
            let number = fields.parts.len();
            let mut out = serializer.serialize_struct_variant(name, index, variant, number)?;
            for ((name, part), value) in fields.names.iter().zip(&fields.parts).zip(values) {
                out.serialize_field(name, &Part(part, value, around))?;
            }
            out.end()
        }
    }
}

fn serialize_leaf<S: Serializer>(
    serializer: S,
    schema: &Schema,
    value: &Value,
) -> Result<S::Ok, S::Error> {
    match (schema, value) {
        (Schema::I8, Value::Signed(n)) => serializer.serialize_i8(*n as i8),
        (Schema::I16, Value::Signed(n)) => serializer.serialize_i16(*n as i16),
        (Schema::I32, Value::Signed(n)) => serializer.serialize_i32(*n as i32),
        (Schema::I64, Value::Signed(n)) => serializer.serialize_i64(*n as i64),
        (_, Value::Signed(n)) => serializer.serialize_i128(*n),
        (Schema::U8, Value::Unsigned(n)) => serializer.serialize_u8(*n as u8),
        (Schema::U16, Value::Unsigned(n)) => serializer.serialize_u16(*n as u16),
        (Schema::U32, Value::Unsigned(n)) => serializer.serialize_u32(*n as u32),
        (Schema::U64, Value::Unsigned(n)) => serializer.serialize_u64(*n as u64),
        (_, Value::Unsigned(n)) => serializer.serialize_u128(*n),
        (_, Value::Bool(flag)) => serializer.serialize_bool(*flag),
        (_, Value::F32(number)) => serializer.serialize_f32(*number),
        (_, Value::F64(number)) => serializer.serialize_f64(*number),
        (_, Value::Char(letter)) => serializer.serialize_char(*letter),
        (_, Value::Str(text)) => serializer.serialize_str(text),
        (_, Value::Bytes(bytes)) => serializer.serialize_bytes(bytes),
        (_, Value::None) => serializer.serialize_none(),
        (Schema::UnitStruct(name), _) => serializer.serialize_unit_struct(name),
        (_, other) => {
            assert_eq!(*other, Value::Unit);
            serializer.serialize_unit()
        }
    }
}
