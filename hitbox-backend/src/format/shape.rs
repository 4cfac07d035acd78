//! A fingerprint of a type, stored beside payloads that do not describe themselves.
//!
//! It is taken by asking the type to deserialize itself from a deserializer that only takes note of
//! what it is asked for, and then fails. So it sees what a payload is going to be read as, whatever
//! the type is called: two services may give the same data different names.
//!
//! What is hashed is part of the stored form (`docs/stored-form.md`): FNV-1a, 32 bits, over a tag
//! byte per request, with names and lengths where the request has them. It does not see everything:
//! of a container it follows the first element only, of an enum it sees the names of the variants.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, StdError, Visitor,
};

/// How far into the type the probe goes; recursive types have no end of their own.
const MAX_DEPTH: u8 = 16;

/// The fingerprint of `T`; never 0, which stands for "not known".
pub(super) fn of<T: DeserializeOwned>() -> u32 {
    let mut hash = Fnv::START;
    // Ends in `Leaf`, unless the type swallows errors. What it has asked for until then counts.
    let _leaf = T::deserialize(Probe {
        hash: &mut hash,
        depth_left: MAX_DEPTH,
    });
    hash.0.max(1)
}

#[derive(Clone, Copy)]
struct Fnv(u32);

impl Fnv {
    const START: Self = Self(0x811C_9DC5);
    const PRIME: u32 = 0x0100_0193;

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(Self::PRIME);
        }
    }

    fn length(&mut self, length: usize) {
        // Sixty-four bits everywhere: a 32-bit machine must come to the same fingerprint.
        self.bytes(&(length as u64).to_le_bytes());
    }

    fn names(&mut self, names: &[&str]) {
        self.length(names.len());
        for name in names {
            self.length(name.len());
            self.bytes(name.as_bytes());
        }
    }
}

/// What the probe answers every request with, in the end.
#[derive(Debug)]
struct Leaf;

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a probe has no values")
    }
}

impl StdError for Leaf {}

impl Error for Leaf {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

/// The kinds, with the tags that stand for them in the hash. Never renumber: stored fingerprints
/// would no longer match.
#[derive(Clone, Copy)]
enum Kind {
    Any = 1,
    Bool = 2,
    I8 = 3,
    I16 = 4,
    I32 = 5,
    I64 = 6,
    I128 = 7,
    U8 = 8,
    U16 = 9,
    U32 = 10,
    U64 = 11,
    U128 = 12,
    F32 = 13,
    F64 = 14,
    Char = 15,
    Str = 16,
    Bytes = 17,
    Unit = 18,
    Option = 19,
    Seq = 20,
    Tuple = 21,
    Map = 22,
    Struct = 23,
    Enum = 24,
    Identifier = 25,
}

struct Probe<'h> {
    hash: &'h mut Fnv,
    depth_left: u8,
}

impl<'h> Probe<'h> {
    fn note(&mut self, kind: Kind) {
        self.hash.bytes(&[kind as u8]);
    }

    fn deeper(self) -> Result<Self, Leaf> {
        let depth_left = self.depth_left.checked_sub(1).ok_or(Leaf)?;
        Ok(Self {
            hash: self.hash,
            depth_left,
        })
    }

    fn first_element(self) -> Result<First<'h>, Leaf> {
        Ok(First(Some(self.deeper()?)))
    }
}

macro_rules! leaf {
    ($($method:ident => $kind:ident,)*) => {
        $(
            fn $method<V: Visitor<'de>>(mut self, _visitor: V) -> Result<V::Value, Leaf> {
                self.note(Kind::$kind);
                Err(Leaf)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Leaf;

    leaf! {
        deserialize_any => Any,
        deserialize_ignored_any => Any,
        deserialize_identifier => Identifier,
        deserialize_bool => Bool,
        deserialize_i8 => I8,
        deserialize_i16 => I16,
        deserialize_i32 => I32,
        deserialize_i64 => I64,
        deserialize_i128 => I128,
        deserialize_u8 => U8,
        deserialize_u16 => U16,
        deserialize_u32 => U32,
        deserialize_u64 => U64,
        deserialize_u128 => U128,
        deserialize_f32 => F32,
        deserialize_f64 => F64,
        deserialize_char => Char,
        deserialize_str => Str,
        deserialize_string => Str,
        deserialize_bytes => Bytes,
        deserialize_byte_buf => Bytes,
        deserialize_unit => Unit,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Leaf> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Leaf> {
        self.note(Kind::Option);
        visitor.visit_some(self.deeper()?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Leaf> {
        visitor.visit_newtype_struct(self.deeper()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Leaf> {
        self.note(Kind::Seq);
        visitor.visit_seq(self.first_element()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Leaf> {
        self.note(Kind::Tuple);
        self.hash.length(length);
        visitor.visit_seq(self.first_element()?)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Leaf> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Leaf> {
        self.note(Kind::Map);
        visitor.visit_map(self.first_element()?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Leaf> {
        self.note(Kind::Struct);
        self.hash.names(fields);
        visitor.visit_seq(self.first_element()?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Leaf> {
        self.note(Kind::Enum);
        self.hash.names(variants);
        Err(Leaf)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Has one element to give, and with it the probe: a visitor that carries on after the failure is
/// not followed.
struct First<'h>(Option<Probe<'h>>);

impl<'de> SeqAccess<'de> for First<'_> {
    type Error = Leaf;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Leaf> {
        seed.deserialize(self.0.take().ok_or(Leaf)?).map(Some)
    }
}

impl<'de> MapAccess<'de> for First<'_> {
    type Error = Leaf;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Leaf> {
        seed.deserialize(self.0.take().ok_or(Leaf)?).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _seed: S) -> Result<S::Value, Leaf> {
        Err(Leaf)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    struct User {
        id: u64,
        name: String,
    }

    mod elsewhere {
        #[derive(serde::Deserialize)]
        #[allow(dead_code, reason = "only the shape is looked at")]
        pub(super) struct Account {
            id: u64,
            name: String,
        }

        #[derive(serde::Deserialize)]
        #[allow(dead_code, reason = "only the shape is looked at")]
        pub(super) struct Renamed {
            id: u64,
            nickname: String,
        }

        #[derive(serde::Deserialize)]
        #[allow(dead_code, reason = "only the shape is looked at")]
        pub(super) struct Longer {
            id: u64,
            name: String,
            age: u8,
        }
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    enum Light {
        Red,
        Amber,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    struct Id(u64);

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    struct Chain {
        next: Option<Box<Chain>>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the shape is looked at")]
    struct Endless(Box<Endless>);

    #[test]
    fn different_types_differ() {
        let shapes = [
            of::<u64>(),
            of::<u32>(),
            of::<i64>(),
            of::<f64>(),
            of::<String>(),
            of::<Vec<u8>>(),
            of::<Vec<String>>(),
            of::<Vec<u32>>(),
            of::<Vec<Vec<u32>>>(),
            of::<Option<u32>>(),
            of::<(u32, u32)>(),
            of::<(u32, u32, u32)>(),
            of::<BTreeMap<String, u32>>(),
            of::<BTreeMap<u32, String>>(),
            of::<()>(),
            of::<bool>(),
            of::<char>(),
            of::<User>(),
            of::<elsewhere::Renamed>(),
            of::<elsewhere::Longer>(),
            of::<Vec<User>>(),
            of::<Colour>(),
            of::<Light>(),
            of::<Chain>(),
        ];
        let different: HashSet<u32> = shapes.into_iter().collect();
        assert_eq!(different.len(), shapes.len());
        assert!(!different.contains(&0));
    }

    #[test]
    fn what_is_read_alike_is_alike() {
        assert_eq!(of::<User>(), of::<elsewhere::Account>());
        assert_eq!(of::<Id>(), of::<u64>());
        assert_eq!(of::<Box<str>>(), of::<String>());
        assert_eq!(of::<Box<Vec<u32>>>(), of::<Vec<u32>>());
    }

    /// Pinned: a change here turns everything that is stored into misses.
    #[test]
    fn fingerprints_are_part_of_the_stored_form() {
        assert_eq!(of::<u64>(), 0x0E0C_6B4A);
        assert_eq!(of::<Vec<String>>(), 0xE994_6DE9);
        assert_eq!(of::<User>(), 0x5519_42C5);
        assert_eq!(of::<Colour>(), 0x5113_629B);
    }

    #[test]
    fn types_without_end_have_a_fingerprint() {
        assert_ne!(of::<Endless>(), of::<Chain>());
    }

    #[test]
    fn a_type_that_swallows_the_failure_does_no_harm() {
        struct Lenient;
        impl<'de> Deserialize<'de> for Lenient {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ReadAll;
                impl<'de> Visitor<'de> for ReadAll {
                    type Value = Lenient;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a list")
                    }
                    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Lenient, A::Error> {
                        assert!(seq.next_element::<u8>().is_err());
                        assert!(seq.next_element::<u16>().is_err());
                        Ok(Lenient)
                    }
                }
                deserializer.deserialize_seq(ReadAll)
            }
        }
        assert_eq!(of::<Lenient>(), of::<Vec<u8>>());
    }
}
