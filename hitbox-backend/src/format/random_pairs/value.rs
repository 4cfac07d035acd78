//! Values of random types, and their way through serde.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use fastrand::Rng;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        DeserializeSeed, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
        Visitor,
    },
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::schema::{Fields, MOST_NAMELESS, Schema, Variant};

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
    NUMBERS.take();
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

thread_local! {
    /// Where the options, sequences, maps and tuples of the schema are.
    static NUMBERS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
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
