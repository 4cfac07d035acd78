//! Attributes of containers, fields and variants, but those by which an enum is represented.

use std::{borrow::Cow, collections::BTreeMap, fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number as text.
mod as_text {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_not_one| serde::de::Error::custom("no number"))
    }
}

fn as_flag<S: Serializer>(value: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(*value == 1)
}

fn from_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    bool::deserialize(deserializer).map(u8::from)
}

fn seven() -> u8 {
    7
}

/// Of another crate, which knows nothing of serde.
struct Foreign {
    a: u8,
    b: u8,
}

#[derive(Serialize, Deserialize)]
struct Celsius {
    degrees: i16,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "i16", into = "i16")]
struct Converted {
    degrees: i16,
}

impl From<Converted> for i16 {
    fn from(value: Converted) -> Self {
        value.degrees
    }
}

impl From<i16> for Converted {
    fn from(degrees: i16) -> Self {
        Self { degrees }
    }
}

/// Cannot be below absolute zero.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "i16", try_from = "i16")]
struct Possible(i16);

impl From<Possible> for i16 {
    fn from(value: Possible) -> Self {
        value.0
    }
}

impl TryFrom<i16> for Possible {
    type Error = &'static str;

    fn try_from(degrees: i16) -> Result<Self, Self::Error> {
        (degrees >= -273).then_some(Self(degrees)).ok_or("too cold")
    }
}

#[derive(Serialize, Deserialize)]
struct Of<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// Reads into what borrows, and takes it over.
#[derive(Serialize)]
struct Borrowing(Of<'static>);

impl<'de> Deserialize<'de> for Borrowing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Of::deserialize(deserializer)?.text.into_owned();
        Ok(Self(Of { text: text.into() }))
    }
}

trait Named {
    type Name;
}

impl Named for u8 {
    type Name = String;
}

impl Named for u16 {
    type Name = u32;
}

pairs! {
    rename: [Same, Same] { struct T { #[serde(rename = "b")] a: u8 } } => { struct T { b: u8 } }, T { a: 1 };
    rename_gone: [Miss, Miss] { struct T { #[serde(rename = "b")] a: u8 } } => { struct T { a: u8 } }, T { a: 1 };
    rename_all: [Same, Same] { #[serde(rename_all = "camelCase")] struct T { one_two: u8 } }
        => { struct T { #[serde(rename = "oneTwo")] a: u8 } }, T { one_two: 1 };
    rename_all_otherwise: [Miss, Miss] { #[serde(rename_all = "camelCase")] struct T { one_two: u8 } }
        => { #[serde(rename_all = "kebab-case")] struct T { one_two: u8 } }, T { one_two: 1 };
    rename_to_write: [NotStorable, NotStorable] { struct T { #[serde(rename(serialize = "b"))] a: u8 } } => { struct T { b: u8 } },
        T { a: 1 };
    rename_to_write_with_alias: [Same, Same] { struct T { #[serde(rename(serialize = "b"), alias = "b")] a: u8 } } => { struct T { #[serde(alias = "a")] b: u8 } },
        T { a: 1 };
    alias: [Miss, Declared(r#"{"b":1}"#)] { struct T { a: u8 } } => { struct T { #[serde(alias = "a")] b: u8 } }, T { a: 1 };
    alias_written: [Miss, Same] { struct T { #[serde(alias = "b")] a: u8 } } => { struct T { a: u8 } }, T { a: 1 };
    alias_of_first_or_second: [Miss, Declared(r#"{"a":1,"x":2}"#)] { struct T { #[serde(alias = "b")] a: u8, x: u8 } }
        => { struct T { a: u8, #[serde(alias = "b")] x: u8 } }, T { a: 1, x: 2 };
    alias_taken_over: [Miss, Miss] { struct T { #[serde(alias = "a")] b: u8, x: u8 } }
        => { struct T { a: u8, #[serde(alias = "b")] x: u8 } }, T { b: 1, x: 2 };
    alias_in_variant: [Miss, Declared(r#"{"A":{"a":1,"x":2}}"#)] { enum T { A { #[serde(alias = "b")] a: u8, x: u8 } } }
        => { enum T { A { a: u8, #[serde(alias = "b")] x: u8 } } }, T::A { a: 1, x: 2 };
    alias_at_depth: [Miss, Declared(r#"[[{"a":1,"x":2}]]"#)] { struct I { #[serde(alias = "b")] a: u8, x: u8 } struct T(Vec<Vec<I>>); }
        => { struct I { a: u8, #[serde(alias = "b")] x: u8 } struct T(Vec<Vec<I>>); }, T(vec![vec![I { a: 1, x: 2 }]]);
    alias_of_each_other: [Declared(r#"{"a":1,"b":2}"#), Declared(r#"{"a":1,"b":2}"#)] { struct T { a: u8, #[serde(alias = "b")] x: u8 } }
        => { struct T { a: u8, #[serde(alias = "x")] b: u8 } }, T { a: 1, x: 2 };

    default_for_new: [Miss, Part] { struct T { a: u8 } } => { struct T { a: u8, #[serde(default)] b: u8 } }, T { a: 1 };
    default_of_own: [Miss, Declared(r#"{"a":1,"b":7}"#)] { struct T { a: u8 } }
        => { struct T { a: u8, #[serde(default = "seven")] b: u8 } }, T { a: 1 };
    default_of_all: [Miss, Part] { struct T { a: u8 } } => { #[derive(Default)] #[serde(default)] struct T { a: u8, b: Vec<u8> } },
        T { a: 1 };
    default_is_nothing: [Same, Same] { struct T { a: u8 } } => { struct T { #[serde(default)] a: u8 } }, T { a: 1 };
    default_in_front: [Miss, Part] { struct T { b: u8 } } => { struct T { #[serde(default)] a: u8, b: u8 } }, T { b: 1 };

    skip: [Same, Same] { struct T { a: u8, #[serde(skip)] b: u8 } } => { struct T { a: u8 } }, T { a: 1, b: 2 };
    skip_in_the_middle: [Same, Same] { struct T { a: u8, #[serde(skip)] b: u8, c: u8 } } => { struct T { a: u8, c: u8 } },
        T { a: 1, b: 2, c: 3 };
    skip_no_more: [Miss, Part] { struct T { #[serde(skip)] a: u8, b: u8 } } => { struct T { #[serde(default)] a: u8, b: u8 } },
        T { a: 1, b: 2 };
    skip_from_now_on: [Miss, Part] { struct T { a: u8, b: u8 } } => { struct T { #[serde(skip)] a: u8, b: u8 } }, T { a: 1, b: 2 };
    skip_in_tuple: [Miss, Miss] { struct T(u8, #[serde(skip)] u8, u8); } => { struct T(u8, u8, u8); }, T(1, 2, 3);
    skip_serializing: [NotStorable, Same] { struct T { #[serde(skip_serializing, default)] a: u8, b: u8 } } => { struct T { b: u8 } },
        T { a: 1, b: 2 };
    skip_serializing_when_read: [Miss, Same] { struct T { b: u8 } } => { struct T { #[serde(skip_serializing, default)] a: u8, b: u8 } },
        T { b: 2 };
    skip_deserializing: [NotStorable, Part] { struct T { #[serde(skip_deserializing)] a: u8, b: u8 } } => { struct T { b: u8 } },
        T { a: 0, b: 2 };
    skip_both_crosswise: [NotStorable, Same]
        { struct T { #[serde(skip_serializing, default)] a: u8, #[serde(skip_deserializing)] b: u8 } }
        => { struct T { b: u8 } }, T { a: 1, b: 0 };
    skip_if_none: [NotStorable, Part] { struct T { #[serde(skip_serializing_if = "Option::is_none")] a: Option<u8>, b: u8 } }
        => { struct T { a: Option<u8>, b: u8 } }, T { a: None, b: 2 };
    skip_if_none_but_some: [Same, Same] { struct T { #[serde(skip_serializing_if = "Option::is_none")] a: Option<u8>, b: u8 } }
        => { struct T { a: Option<u8>, b: u8 } }, T { a: Some(1), b: 2 };
    skip_if_empty: [NotStorable, Part] { struct T { #[serde(default, skip_serializing_if = "Vec::is_empty")] a: Vec<u8>, b: u8 } }
        => { struct T { #[serde(default)] a: Vec<u8>, b: u8 } }, T { a: vec![], b: 2 };

    flatten: [NotStorable, Same] { struct I { b: u8 } struct T { a: u8, #[serde(flatten)] i: I } } => { struct T { a: u8, b: u8 } },
        T { a: 1, i: I { b: 2 } };
    flatten_when_read: [Miss, Same] { struct T { a: u8, b: u8 } } => { struct I { b: u8 } struct T { a: u8, #[serde(flatten)] i: I } },
        T { a: 1, b: 2 };
    flatten_map: [NotStorable, Same] { struct T { a: u8, #[serde(flatten)] rest: BTreeMap<String, u8> } }
        => { struct T { b: u8, #[serde(flatten)] rest: BTreeMap<String, u8> } },
        T { a: 1, rest: BTreeMap::from([("b".into(), 2)]) };
    flatten_option: [NotStorable, Same] { struct I { b: u8 } struct T { a: u8, #[serde(flatten)] i: Option<I> } }
        => { struct T { a: u8, b: u8 } }, T { a: 1, i: Some(I { b: 2 }) };
    flatten_as_nested: [NotStorable, Miss] { struct I { b: u8 } struct T { a: u8, #[serde(flatten)] i: I } }
        => { struct I { b: u8 } struct T { a: u8, i: I } }, T { a: 1, i: I { b: 2 } };
    flatten_enum: [NotStorable, Miss] { enum E { A(u8), B(u8) } struct T { a: u8, #[serde(flatten)] e: E } }
        => { enum E { A(u8), C(u8) } struct T { a: u8, #[serde(flatten)] e: E } }, T { a: 1, e: E::B(2) };

    with: [Same, Same] { struct T { #[serde(with = "as_text")] a: u8 } } => { struct T { a: String } }, T { a: 1 };
    with_of_other: [Same, Same] { struct T { #[serde(with = "as_text")] a: u8 } } => { struct T { #[serde(with = "as_text")] a: u32 } },
        T { a: 1 };
    with_gone: [Miss, Miss] { struct T { #[serde(with = "as_text")] a: u8 } } => { struct T { a: u8 } }, T { a: 1 };
    with_on_variant: [Same, Same] { enum T { #[serde(with = "as_text")] A(u8), B } } => { enum T { A(String), B } }, T::A(1);
    with_refuses: [Refused, Miss] { struct T { a: String } } => { struct T { #[serde(with = "as_text")] a: u8 } }, T { a: "a".into() };
    serialize_with: [NotStorable, NotStorable] { struct T { #[serde(serialize_with = "as_flag")] a: u8 } } => { struct T { a: bool } },
        T { a: 1 };
    deserialize_with: [NotStorable, NotStorable] { struct T { #[serde(deserialize_with = "from_flag")] a: u8 } }
        => { struct T { a: u8 } }, T { a: 1 };
    both_with: [Same, Same] { struct T { #[serde(serialize_with = "as_flag", deserialize_with = "from_flag")] a: u8 } }
        => { struct T { a: bool } }, T { a: 1 };
    both_with_when_read: [Miss, Miss] { struct T { a: u8 } }
        => { struct T { #[serde(serialize_with = "as_flag", deserialize_with = "from_flag")] a: u8 } }, T { a: 1 };

    from_and_into: [Same, Same] (Converted) => (i16), Converted { degrees: 20 };
    from_and_into_as_fields: [Miss, Miss] (Converted) => (Celsius), Converted { degrees: 20 };
    into_gone: [Miss, Miss] (Celsius) => (Converted), Celsius { degrees: 20 };
    try_from: [Same, Same] (Possible) => (i16), Possible(20);
    try_from_refuses: [Refused, Miss] (i16) => (Possible), -300;
    try_from_of_other: [Miss, Same] (Possible) => (i32), Possible(20);
    remote: [Same, Same]
        { #[serde(remote = "Foreign")] struct Form { a: u8, b: u8 } struct T { #[serde(with = "Form")] of: Foreign } }
        => { struct F { a: u8, b: u8 } struct T { of: F } }, T { of: Foreign { a: 1, b: 2 } };
    remote_turned: [Miss, Same]
        { #[serde(remote = "Foreign")] struct Form { a: u8, b: u8 } struct T { #[serde(with = "Form")] of: Foreign } }
        => { struct F { b: u8, a: u8 } struct T { of: F } }, T { of: Foreign { a: 1, b: 2 } };

    bound: [Miss, Miss]
        { #[serde(bound(serialize = "N::Name: Serialize", deserialize = "N::Name: Deserialize<'de>"))] struct Of<N: Named> { name: N::Name }
          struct T(Of<u8>); }
        => { #[serde(bound(serialize = "N::Name: Serialize", deserialize = "N::Name: Deserialize<'de>"))] struct Of<N: Named> { name: N::Name }
          struct T(Of<u16>); }, T(Of { name: "a".into() });
    borrow: [Same, Same] (Borrowing) => { struct T { text: String } }, Borrowing(Of { text: "a".into() });
    borrow_of_other: [Miss, Miss] (Borrowing) => { struct T { text: Vec<char> } }, Borrowing(Of { text: "a".into() });
    unknown_denied: [Miss, Miss] { struct T { a: u8, b: u8 } } => { #[serde(deny_unknown_fields)] struct T { a: u8 } }, T { a: 1, b: 2 };
    unknown_denied_but_none: [Same, Same] { struct T { a: u8 } } => { #[serde(deny_unknown_fields)] struct T { a: u8 } }, T { a: 1 };
    expecting: [Same, Same] { struct T { a: u8 } } => { #[serde(expecting = "an A")] struct T { a: u8 } }, T { a: 1 };
}
