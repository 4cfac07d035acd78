//! Values on their way through `Deserialize`.

use std::{cell::RefCell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
        Visitor,
    },
};

use super::{Any, Around, SCHEMA, Value, resolved};
use crate::format::random_pairs::schema::{Fields, MOST_NAMELESS, Schema, Variant};

thread_local! {
    /// Where the options, sequences, maps and tuples of the schema are.
    static NUMBERS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// For the next schema.
pub(super) fn forget_numbers() {
    NUMBERS.take();
}

/// Which type the visitor is of. What has no name is told apart by that; each has one of its own, as
/// each type has.
fn number(schema: &'static Schema) -> usize {
    if !schema.is_nameless() {
        return 0;
    }
    let address = std::ptr::from_ref(schema).addr();
    NUMBERS.with_borrow_mut(|numbers| {
        let known = numbers.iter().position(|known| *known == address);
        known.unwrap_or_else(|| {
            numbers.push(address);
            numbers.len() - 1
        }) + 1
    })
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let schema = SCHEMA.get().unwrap();
        seed(schema, &vec![]).deserialize(deserializer).map(Self)
    }
}

struct Seed {
    schema: &'static Schema,
    around: Around,
}

fn seed(schema: &'static Schema, around: &Around) -> Seed {
    Seed {
        schema,
        around: around.clone(),
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let mut around = self.around;
        let schema = resolved(self.schema, &mut around);
        macro_rules! visit_as {
            ($($number:literal)*) => {
                match number(schema) {
                    $($number => visit::<$number, D>(schema, around, deserializer),)*
                    _ => unreachable!("more than {MOST_NAMELESS} parts without names"),
                }
            };
        }
        visit_as!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    }
}

fn visit<'de, const NUMBER: usize, D: Deserializer<'de>>(
    schema: &'static Schema,
    mut around: Around,
    deserializer: D,
) -> Result<Value, D::Error> {
    if matches!(schema, Schema::Struct(_) | Schema::Enum { .. }) {
        around.push(schema);
    }
    let read = Read::<NUMBER> { schema, around };
    match schema {
        Schema::Bool => deserializer.deserialize_bool(read),
        Schema::I8 => deserializer.deserialize_i8(read),
        Schema::I16 => deserializer.deserialize_i16(read),
        Schema::I32 => deserializer.deserialize_i32(read),
        Schema::I64 => deserializer.deserialize_i64(read),
        Schema::I128 => deserializer.deserialize_i128(read),
        Schema::U8 => deserializer.deserialize_u8(read),
        Schema::U16 => deserializer.deserialize_u16(read),
        Schema::U32 => deserializer.deserialize_u32(read),
        Schema::U64 => deserializer.deserialize_u64(read),
        Schema::U128 => deserializer.deserialize_u128(read),
        Schema::F32 => deserializer.deserialize_f32(read),
        Schema::F64 => deserializer.deserialize_f64(read),
        Schema::Char => deserializer.deserialize_char(read),
        Schema::Str => deserializer.deserialize_string(read),
        Schema::Bytes => deserializer.deserialize_byte_buf(read),
        Schema::Unit => deserializer.deserialize_unit(read),
        Schema::UnitStruct(name) => deserializer.deserialize_unit_struct(name, read),
        Schema::Newtype(name, _) => deserializer.deserialize_newtype_struct(name, read),
        Schema::Option(_) => deserializer.deserialize_option(read),
        Schema::Seq(_) => deserializer.deserialize_seq(read),
        Schema::Map(..) => deserializer.deserialize_map(read),
        Schema::Tuple(parts) => deserializer.deserialize_tuple(parts.len(), read),
        Schema::TupleStruct(name, parts) => {
            deserializer.deserialize_tuple_struct(name, parts.len(), read)
        }
        Schema::Struct(fields) => deserializer.deserialize_struct(fields.name, fields.names, read),
        Schema::Enum { name, variants, .. } => deserializer.deserialize_enum(name, variants, read),
        Schema::Again(_) => unreachable!("resolved"),
    }
}

struct Read<const NUMBER: usize> {
    schema: &'static Schema,
    around: Around,
}

impl<const NUMBER: usize> Read<NUMBER> {
    fn part(&self, schema: &'static Schema) -> Seed {
        seed(schema, &self.around)
    }

    fn parts<'de, A: SeqAccess<'de>>(
        &self,
        parts: &'static [Schema],
        mut seq: A,
    ) -> Result<Vec<Value>, A::Error> {
        let mut values = Vec::new();
        for part in parts {
            let value = seq.next_element_seed(self.part(part))?;
            let number = values.len();
            values.push(value.ok_or_else(|| A::Error::invalid_length(number, self))?);
        }
        Ok(values)
    }

    fn fields<'de, A: MapAccess<'de>>(
        &self,
        fields: &'static Fields,
        mut map: A,
    ) -> Result<Vec<Value>, A::Error> {
        let mut values = vec![None; fields.parts.len()];
        while let Some(name) = map.next_key::<Identifier>()? {
            let Some(at) = fields.names.iter().position(|known| *known == name.0) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if values[at].is_some() {
                return Err(A::Error::duplicate_field(fields.names[at]));
            }
            values[at] = Some(map.next_value_seed(self.part(&fields.parts[at]))?);
        }
        let values: Option<Vec<Value>> = values.into_iter().collect();
        values.ok_or_else(|| A::Error::missing_field("one"))
    }
}

struct Identifier(String);

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Identifier;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E>(self, name: &str) -> Result<Identifier, E> {
                Ok(Identifier(name.to_owned()))
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

struct Number(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Number {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Number {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a variant")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<usize, E> {
        let number = usize::try_from(number).unwrap();
        if number < self.0.len() {
            Ok(number)
        } else {
            Err(E::custom("no such variant"))
        }
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        let known = self.0.iter().position(|known| *known == name);
        known.ok_or_else(|| E::custom("no such variant"))
    }
}

macro_rules! take {
    ($($method:ident($kind:ty) => $value:ident,)*) => {
        $(
            fn $method<E>(self, value: $kind) -> Result<Value, E> {
                Ok(Value::$value(value.into()))
            }
        )*
    };
}

impl<'de, const NUMBER: usize> Visitor<'de> for Read<NUMBER> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the schema says")
    }

    take! {
        visit_bool(bool) => Bool,
        visit_i8(i8) => Signed,
        visit_i16(i16) => Signed,
        visit_i32(i32) => Signed,
        visit_i64(i64) => Signed,
        visit_i128(i128) => Signed,
        visit_u8(u8) => Unsigned,
        visit_u16(u16) => Unsigned,
        visit_u32(u32) => Unsigned,
        visit_u64(u64) => Unsigned,
        visit_u128(u128) => Unsigned,
        visit_f32(f32) => F32,
        visit_f64(f64) => F64,
        visit_char(char) => Char,
        visit_str(&str) => Str,
        visit_bytes(&[u8]) => Bytes,
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Unit)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Schema::Option(inner) = self.schema else {
            return Err(D::Error::custom("no option"));
        };
        let value = self.part(inner).deserialize(deserializer)?;
        Ok(Value::Some(Box::new(value)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        let Schema::Newtype(_, inner) = self.schema else {
            return Err(D::Error::custom("no newtype"));
        };
        self.part(inner).deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        match self.schema {
            Schema::Seq(inner) => {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element_seed(self.part(inner))? {
                    values.push(value);
                }
                Ok(Value::Many(values))
            }
            Schema::Tuple(parts) | Schema::TupleStruct(_, parts) => {
                self.parts(parts, seq).map(Value::Many)
            }
            Schema::Struct(fields) => self.parts(&fields.parts, seq).map(Value::Many),
            _ => Err(A::Error::custom("no sequence")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        match self.schema {
            Schema::Map(key, inner) => {
                let mut pairs = Vec::new();
                while let Some(key) = map.next_key_seed(self.part(key))? {
                    pairs.push((key, map.next_value_seed(self.part(inner))?));
                }
                Ok(Value::Pairs(pairs))
            }
            Schema::Struct(fields) => self.fields(fields, map).map(Value::Many),
            _ => Err(A::Error::custom("no map")),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let Schema::Enum {
            variants, parts, ..
        } = self.schema
        else {
            return Err(A::Error::custom("no enum"));
        };
        let (chosen, access) = access.variant_seed(Number(variants))?;
        let values = match &parts[chosen] {
            Variant::Unit => {
                access.unit_variant()?;
                vec![]
            }
            Variant::Newtype(inner) => vec![access.newtype_variant_seed(self.part(inner))?],
            Variant::Tuple(parts) => access.tuple_variant(parts.len(), OfVariant(self, chosen))?,
            Variant::Struct(fields) => {
                access.struct_variant(fields.names, OfVariant(self, chosen))?
            }
        };
        Ok(Value::Variant(chosen, values))
    }
}

/// The content of a variant.
struct OfVariant<const NUMBER: usize>(Read<NUMBER>, usize);

impl<const NUMBER: usize> OfVariant<NUMBER> {
    fn content(&self) -> &'static Variant {
        match self.0.schema {
            Schema::Enum { parts, .. } => &parts[self.1],
            other => unreachable!("{other:?} has no variants"),
        }
    }
}

impl<'de, const NUMBER: usize> Visitor<'de> for OfVariant<NUMBER> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the schema says")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<Value>, A::Error> {
        match self.content() {
            Variant::Tuple(parts) => self.0.parts(parts, seq),
            Variant::Struct(fields) => self.0.parts(&fields.parts, seq),
            Variant::Unit | Variant::Newtype(_) => Err(A::Error::custom("no sequence")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Value>, A::Error> {
        match self.content() {
            Variant::Struct(fields) => self.0.fields(fields, map),
            Variant::Unit | Variant::Newtype(_) | Variant::Tuple(_) => {
                Err(A::Error::custom("no map"))
            }
        }
    }
}
