//! The values that a type is given while it is traced.
//!
//! Many types take no more than some values, and say so only by refusing others.

use serde::de::{Error, Visitor};

use super::tag::Tag;

/// Small, so that a type that takes one for a length does not make room for much.
const NUMBERS: [u8; 7] = [0, 1, 2, 3, 7, 32, 100];

const CHARACTERS: [char; 4] = ['a', 'A', '0', ' '];

/// What ordinary types that are text in every format take.
const TEXTS: [&str; 26] = [
    "",
    "a",
    "A",
    "0",
    "1",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00+00:00",
    "1970-01-01T00:00:00",
    "1970-01-01 00:00:00",
    "1970-01-01",
    "00:00:00",
    "UTC",
    "+00:00",
    "Mon",
    "Jan",
    "P1D",
    "1s",
    "127.0.0.1",
    "127.0.0.1/32",
    "127.0.0.1:80",
    "00000000-0000-0000-0000-000000000000",
    "http://a.example/",
    "a@a.example",
    "a.example",
    "1.0.0",
    "text/plain",
];

/// The lengths of bytes: of identifiers, addresses, hashes, keys.
const LENGTHS: [usize; 10] = [0, 1, 16, 4, 8, 32, 20, 12, 24, 64];

const ZEROS: [u8; 64] = [0; 64];

/// How many there are of the kind.
pub(super) fn number(tag: Tag) -> usize {
    match tag {
        Tag::Bool => 2,
        Tag::Char => CHARACTERS.len(),
        Tag::Str => TEXTS.len(),
        Tag::Bytes => LENGTHS.len(),
        Tag::I8
        | Tag::I16
        | Tag::I32
        | Tag::I64
        | Tag::I128
        | Tag::U8
        | Tag::U16
        | Tag::U32
        | Tag::U64
        | Tag::U128
        | Tag::F32
        | Tag::F64 => NUMBERS.len(),
        Tag::Any
        | Tag::Unit
        | Tag::Option
        | Tag::Seq
        | Tag::Tuple
        | Tag::Map
        | Tag::Struct
        | Tag::Enum
        | Tag::Identifier
        | Tag::UnitVariant
        | Tag::NewtypeVariant
        | Tag::TupleVariant
        | Tag::StructVariant
        | Tag::Newtype
        | Tag::Root => 1,
    }
}

/// Gives the visitor the value with this number, counted round and round.
pub(super) fn visit<'de, V: Visitor<'de>, E: Error>(
    tag: Tag,
    choice: usize,
    visitor: V,
) -> Result<V::Value, E> {
    let small = NUMBERS[choice % NUMBERS.len()];
    match tag {
        Tag::Bool => visitor.visit_bool(choice % 2 == 1),
        Tag::I8 => visitor.visit_i8(small.cast_signed()),
        Tag::I16 => visitor.visit_i16(small.into()),
        Tag::I32 => visitor.visit_i32(small.into()),
        Tag::I64 => visitor.visit_i64(small.into()),
        Tag::I128 => visitor.visit_i128(small.into()),
        Tag::U8 => visitor.visit_u8(small),
        Tag::U16 => visitor.visit_u16(small.into()),
        Tag::U32 => visitor.visit_u32(small.into()),
        Tag::U64 => visitor.visit_u64(small.into()),
        Tag::U128 => visitor.visit_u128(small.into()),
        Tag::F32 => visitor.visit_f32(small.into()),
        Tag::F64 => visitor.visit_f64(small.into()),
        Tag::Char => visitor.visit_char(CHARACTERS[choice % CHARACTERS.len()]),
        Tag::Str => visitor.visit_str(TEXTS[choice % TEXTS.len()]),
        Tag::Bytes => visitor.visit_bytes(&ZEROS[..LENGTHS[choice % LENGTHS.len()]]),
        Tag::Unit => visitor.visit_unit(),
        // There is nothing to give: one looks at what is there, the others have parts.
        Tag::Any
        | Tag::Option
        | Tag::Seq
        | Tag::Tuple
        | Tag::Map
        | Tag::Struct
        | Tag::Enum
        | Tag::Identifier
        | Tag::UnitVariant
        | Tag::NewtypeVariant
        | Tag::TupleVariant
        | Tag::StructVariant
        | Tag::Newtype
        | Tag::Root => Err(E::custom("no value")),
    }
}
