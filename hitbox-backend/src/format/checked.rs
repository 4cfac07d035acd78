//! Encoding that refuses what could not be read back.
//!
//! A serializer is wrapped, and every value and compound that it is handed on to. What the value
//! writes is held against what its type asks for when it is read, step by step, so that it holds for
//! each value and not only for the first of its type.

use std::{cell::Cell, fmt::Display};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{
    FormatError,
    bounded::{DECODES_BY_LOOKING, MAX_DEPTH},
    shape::{Node, NodeId, Shape, Tag},
};

const SKIPPED_FIELD: &str = "it leaves out a field (serde's skip_serializing_if)";
const UNKNOWN_LENGTH: &str =
    "it has a sequence or map that does not know its length (serde's flatten makes one)";
const TOO_DEEP: &str = "the value is nested deeper than 128 levels";
const TOO_DEEP_IN_JSON: &str =
    "the value is nested deeper than 127 arrays and objects, or 128 options";
const NOT_ASKED_FOR: &str = "its Serialize writes other fields, variants or kinds than its \
     Deserialize asks for (serde's skip, skip_serializing, skip_deserializing, serialize_with and \
     rename can do so)";
const NOT_FINITE: &str = "a number in it is NaN or infinite, which JSON writes as null";
const SOME_NULL: &str = "it has a Some that JSON writes as null, which is read as None";

/// How deep arrays and objects may be nested for `serde_json` to read them.
const MAX_JSON_DEPTH: u8 = 127;

/// What a format cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// bincode and postcard: nothing but the values themselves.
    Bare,
    /// JSON: no numbers but finite ones, one `null`.
    Json,
    /// A format from outside: it knows what it cannot do.
    Outside,
}

/// How a value is checked, and what has been found.
pub(super) struct Check<'c> {
    rules: Rules,
    /// What the type asks for; empty if that is not known.
    nodes: &'c [Node],
    root: NodeId,
    finding: Cell<Option<&'static str>>,
    doubts: Cell<Doubts>,
    demand: Cell<Demand>,
}

/// What may keep a value from being read as it was written, depending on its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubts {
    /// A number beyond 64 bits, which is read as a float by who does not ask for it as what it is.
    pub(super) wide_number: bool,
    /// A map of unknown length: that of serde's `flatten`, which may write two fields of one name.
    pub(super) flattened: bool,
}

/// What it takes to decode the value, as the decoder is going to account for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// In bytes. If it is not known what the type asks for: how many parts there are.
    pub(super) memory: usize,
    /// How many elements and entries all sequences and maps claim, and one more each.
    pub(super) elements: usize,
}

impl<'c> Check<'c> {
    pub(super) fn new(rules: Rules, shape: Option<&'c Shape>) -> Self {
        Self {
            rules,
            nodes: shape.map_or(&[], |shape| &shape.nodes),
            root: shape.map_or(0, |shape| shape.root),
            finding: Cell::new(None),
            doubts: Cell::default(),
            demand: Cell::new(Demand {
                memory: shape.map_or(0, |shape| shape.memory),
                elements: 0,
            }),
        }
    }

    /// `inner`, checked from now on.
    pub(super) fn around<T>(&'c self, inner: T) -> Checked<'c, T> {
        let depth_left = match self.rules {
            Rules::Bare | Rules::Outside => MAX_DEPTH,
            Rules::Json => MAX_JSON_DEPTH,
        };
        Checked {
            inner,
            depth_left,
            options_left: MAX_DEPTH,
            within_some: false,
            node: self.root,
            taken: 0,
            check: self,
        }
    }

    /// Why the value cannot be read back.
    pub(super) fn finding(&self) -> Option<&'static str> {
        self.finding.get()
    }

    pub(super) fn doubts(&self) -> Doubts {
        self.doubts.get()
    }

    pub(super) fn demand(&self) -> Demand {
        self.demand.get()
    }

    fn demands(&self, memory: usize, elements: usize) {
        let before = self.demand.get();
        self.demand.set(Demand {
            memory: before.memory.saturating_add(memory),
            elements: before.elements.saturating_add(elements),
        });
    }

    /// What `write` makes of `object`.
    ///
    /// # Errors
    ///
    /// [`FormatError::NotRoundTrip`] if a decoder could not read it back, [`FormatError::Encode`] if
    /// `write` fails for another reason.
    pub(super) fn encode<T: Serialize + ?Sized, E>(
        &'c self,
        format: &'static str,
        object: &T,
        write: impl FnOnce(Checked<'c, &T>) -> Result<Vec<u8>, E>,
    ) -> Result<Written, FormatError> {
        let outcome = write(self.around(object));
        // Before the outcome: a type's own `Serialize` may have swallowed the error.
        if let Some(reason) = self.finding() {
            return Err(FormatError::NotRoundTrip { format, reason });
        }
        let payload = outcome.map_err(|_quotes_the_value| {
            FormatError::encode(
                format,
                "the type's Serialize failed, or the format has no such kind",
            )
        })?;
        Ok(Written {
            payload,
            doubts: self.doubts(),
            demand: self.demand(),
        })
    }
}

/// A payload, what may keep it from being read, and what reading it takes.
pub(super) struct Written {
    pub(super) payload: Vec<u8>,
    pub(super) doubts: Doubts,
    pub(super) demand: Demand,
}

/// A serializer, a compound of one, or a value on its way into one.
pub(super) struct Checked<'c, T> {
    inner: T,
    depth_left: u8,
    options_left: u8,
    within_some: bool,
    /// What is asked for here.
    node: NodeId,
    /// How many parts of a compound have been written.
    taken: usize,
    check: &'c Check<'c>,
}

impl<'c, T> Checked<'c, T> {
    fn around<U>(&self, inner: U) -> Checked<'c, U> {
        Checked {
            inner,
            depth_left: self.depth_left,
            options_left: self.options_left,
            within_some: false,
            node: self.node,
            taken: 0,
            check: self.check,
        }
    }

    fn at<U>(&self, node: NodeId, inner: U) -> Checked<'c, U> {
        Checked {
            node,
            ..self.around(inner)
        }
    }

    fn found<E: Error>(&self, reason: &'static str) -> E {
        self.check.finding.set(Some(reason));
        E::custom(reason)
    }

    /// One level further in. Counts what a recursive type cannot do without, as the decoder does:
    /// options, sequences, maps and variants; of JSON, arrays and objects.
    fn go_deeper<E: Error>(&mut self) -> Result<(), E> {
        let reason = match self.check.rules {
            Rules::Bare | Rules::Outside => TOO_DEEP,
            Rules::Json => TOO_DEEP_IN_JSON,
        };
        self.depth_left = self
            .depth_left
            .checked_sub(1)
            .ok_or_else(|| self.found(reason))?;
        Ok(())
    }

    /// The same for what is an array or an object in JSON, and bears no level elsewhere.
    fn go_deeper_in_json<E: Error>(&mut self) -> Result<(), E> {
        match self.check.rules {
            Rules::Bare | Rules::Outside => Ok(()),
            Rules::Json => self.go_deeper(),
        }
    }

    fn go_into_option<E: Error>(&mut self) -> Result<(), E> {
        match self.check.rules {
            Rules::Bare | Rules::Outside => self.go_deeper(),
            Rules::Json => {
                self.options_left = self
                    .options_left
                    .checked_sub(1)
                    .ok_or_else(|| self.found(TOO_DEEP_IN_JSON))?;
                Ok(())
            }
        }
    }

    fn known(&self) -> Option<&'c Node> {
        self.check.nodes.get(self.node)
    }

    /// Holds if the type asks for this here, or if that is not known.
    fn expect<E: Error>(&self, tag: Tag) -> Result<(), E> {
        match self.known() {
            Some(node) if node.tag != tag => Err(self.unasked(node)),
            _ => Ok(()),
        }
    }

    fn unasked<E: Error>(&self, node: &Node) -> E {
        if node.tag.looks_at_what_is_there() {
            self.found(DECODES_BY_LOOKING)
        } else {
            self.found(NOT_ASKED_FOR)
        }
    }

    fn expect_either<E: Error>(&self, tags: &[Tag]) -> Result<(), E> {
        match self.known() {
            Some(node) if !tags.contains(&node.tag) => Err(self.unasked(node)),
            _ => Ok(()),
        }
    }

    /// Holds if the type asks for so many values, one after the other.
    fn expect_parts<E: Error>(&self, tags: &[Tag], length: usize) -> Result<(), E> {
        match self.known() {
            Some(node) if !tags.contains(&node.tag) || node.parts.len() != length => {
                Err(self.unasked(node))
            }
            _ => Ok(()),
        }
    }

    /// What the type asks for in this part, which is about to be written.
    fn part<E: Error>(&self, part: usize) -> Result<NodeId, E> {
        let Some(node) = self.known() else {
            self.check.demands(1, 0);
            return Ok(self.node);
        };
        let Some(id) = node.parts.get(part) else {
            return Err(self.found(NOT_ASKED_FOR));
        };
        let memory = node.memory.get(part).copied();
        self.check.demands(memory.unwrap_or_default(), 0);
        Ok(*id)
    }

    /// The next of the parts that are asked for one after the other.
    fn next_part<E: Error>(&mut self) -> Result<NodeId, E> {
        let part = self.part(self.taken);
        self.taken += 1;
        part
    }

    fn next_field<E: Error>(&mut self, name: &'static str) -> Result<NodeId, E> {
        if let Some(node) = self.known()
            && node.tag != Tag::Tuple
            && !node.has_name(self.taken, name)
        {
            return Err(self.found(NOT_ASKED_FOR));
        }
        self.next_part()
    }

    fn expect_end<E: Error>(&self) -> Result<(), E> {
        match self.known() {
            Some(node) if node.parts.len() != self.taken => Err(self.found(NOT_ASKED_FOR)),
            _ => Ok(()),
        }
    }

    /// What the type asks for in this variant.
    fn variant<E: Error>(&self, index: u32, name: &'static str, tag: Tag) -> Result<NodeId, E> {
        let Some(node) = self.known() else {
            return Ok(self.node);
        };
        self.expect(Tag::Enum)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if node.names.get(index) != Some(&name) {
            return Err(self.found(NOT_ASKED_FOR));
        }
        let variant = self.part(index)?;
        self.at(variant, ()).expect(tag)?;
        Ok(variant)
    }

    fn expect_number<E: Error>(&self, tag: Tag, number: f64) -> Result<(), E> {
        if self.check.rules == Rules::Json && !number.is_finite() {
            return Err(self.found(NOT_FINITE));
        }
        self.expect(tag)
    }

    /// A number that JSON's readers may know as a float only.
    fn expect_wide<E: Error>(&self, tag: Tag, fits_in_64_bits: Option<()>) -> Result<(), E> {
        if fits_in_64_bits.is_none() && self.check.rules == Rules::Json {
            self.check.doubts.set(Doubts {
                wide_number: true,
                ..self.check.doubts()
            });
        }
        self.expect(tag)
    }

    /// Holds if this may be `null` in JSON.
    fn expect_null<E: Error>(&self, tag: Tag) -> Result<(), E> {
        if self.check.rules == Rules::Json && self.within_some {
            return Err(self.found(SOME_NULL));
        }
        self.expect(tag)
    }

    fn expect_length<E: Error>(&self, length: Option<usize>) -> Result<(), E> {
        let memory_of_end = self.known().map_or(1, |node| node.memory_of_end);
        let elements = length.map_or(0, |length| length.saturating_add(1));
        self.check.demands(memory_of_end, elements);
        match (length, self.check.rules) {
            (None, Rules::Bare) => Err(self.found(UNKNOWN_LENGTH)),
            (None, Rules::Json) => {
                self.check.doubts.set(Doubts {
                    flattened: true,
                    ..self.check.doubts()
                });
                Ok(())
            }
            (None, Rules::Outside) | (Some(_), _) => Ok(()),
        }
    }
}

impl<T: Serialize + ?Sized> Serialize for Checked<'_, &T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let within_some = self.within_some;
        self.inner.serialize(Checked {
            within_some,
            ..self.around(serializer)
        })
    }
}

macro_rules! pass_on {
    ($($method:ident($kind:ty) => $tag:ident,)*) => {
        $(
            fn $method(self, value: $kind) -> Result<S::Ok, S::Error> {
                self.expect(Tag::$tag)?;
                self.inner.$method(value)
            }
        )*
    };
}

impl<'c, S: Serializer> Serializer for Checked<'c, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Checked<'c, S::SerializeSeq>;
    type SerializeTuple = Checked<'c, S::SerializeTuple>;
    type SerializeTupleStruct = Checked<'c, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Checked<'c, S::SerializeTupleVariant>;
    type SerializeMap = Checked<'c, S::SerializeMap>;
    type SerializeStruct = Checked<'c, S::SerializeStruct>;
    type SerializeStructVariant = Checked<'c, S::SerializeStructVariant>;

    pass_on! {
        serialize_bool(bool) => Bool,
        serialize_i8(i8) => I8,
        serialize_i16(i16) => I16,
        serialize_i32(i32) => I32,
        serialize_i64(i64) => I64,
        serialize_u8(u8) => U8,
        serialize_u16(u16) => U16,
        serialize_u32(u32) => U32,
        serialize_u64(u64) => U64,
        serialize_char(char) => Char,
        serialize_str(&str) => Str,
        serialize_bytes(&[u8]) => Bytes,
    }

    fn serialize_i128(self, value: i128) -> Result<S::Ok, S::Error> {
        self.expect_wide(Tag::I128, i64::try_from(value).ok().map(drop))?;
        self.inner.serialize_i128(value)
    }

    fn serialize_u128(self, value: u128) -> Result<S::Ok, S::Error> {
        self.expect_wide(Tag::U128, u64::try_from(value).ok().map(drop))?;
        self.inner.serialize_u128(value)
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.expect_number(Tag::F32, value.into())?;
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.expect_number(Tag::F64, value)?;
        self.inner.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.expect_null(Tag::Option)?;
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<S::Ok, S::Error> {
        self.expect(Tag::Option)?;
        self.go_into_option()?;
        let value = Checked {
            within_some: true,
            ..self.at(self.part(0)?, value)
        };
        self.inner.serialize_some(&value)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.expect_null(Tag::Unit)?;
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.expect_null(Tag::Unit)?;
        self.inner.serialize_unit_struct(name)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.variant(index, variant, Tag::UnitVariant)?;
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Checked {
            within_some: self.within_some,
            ..self.around(value)
        };
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.node = self.variant(index, variant, Tag::NewtypeVariant)?;
        self.go_deeper()?;
        let value = self.at(self.part(0)?, value);
        self.inner
            .serialize_newtype_variant(name, index, variant, &value)
    }

    fn serialize_seq(mut self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.expect(Tag::Seq)?;
        self.expect_length(length)?;
        self.go_deeper()?;
        let rest = self.around(());
        Ok(rest.around(self.inner.serialize_seq(length)?))
    }

    fn serialize_tuple(mut self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.expect_parts(&[Tag::Tuple, Tag::Struct], length)?;
        self.go_deeper_in_json()?;
        let rest = self.around(());
        Ok(rest.around(self.inner.serialize_tuple(length)?))
    }

    fn serialize_tuple_struct(
        mut self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.expect_parts(&[Tag::Tuple, Tag::Struct], length)?;
        self.go_deeper_in_json()?;
        let rest = self.around(());
        Ok(rest.around(self.inner.serialize_tuple_struct(name, length)?))
    }

    fn serialize_tuple_variant(
        mut self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.node = self.variant(index, variant, Tag::TupleVariant)?;
        self.expect_parts(&[Tag::TupleVariant], length)?;
        self.go_deeper()?;
        self.go_deeper_in_json()?;
        let rest = self.around(());
        let inner = self
            .inner
            .serialize_tuple_variant(name, index, variant, length)?;
        Ok(rest.around(inner))
    }

    fn serialize_map(mut self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.expect(Tag::Map)?;
        self.expect_length(length)?;
        self.go_deeper()?;
        let rest = self.around(());
        Ok(rest.around(self.inner.serialize_map(length)?))
    }

    fn serialize_struct(
        mut self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        // How many there are is seen at the end: a field that is left out has a reason of its own.
        self.expect_either(&[Tag::Struct, Tag::Tuple])?;
        self.go_deeper_in_json()?;
        let rest = self.around(());
        Ok(rest.around(self.inner.serialize_struct(name, length)?))
    }

    fn serialize_struct_variant(
        mut self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.node = self.variant(index, variant, Tag::StructVariant)?;
        self.go_deeper()?;
        self.go_deeper_in_json()?;
        let rest = self.around(());
        let inner = self
            .inner
            .serialize_struct_variant(name, index, variant, length)?;
        Ok(rest.around(inner))
    }

    // Not the default, which makes a string first: a format may write it piece by piece.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.expect(Tag::Str)?;
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<C: SerializeSeq> SerializeSeq for Checked<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = self.at(self.part(0)?, value);
        self.inner.serialize_element(&value)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

macro_rules! checked_elements {
    ($($compound:ident::$method:ident,)*) => {
        $(
            impl<C: $compound> $compound for Checked<'_, C> {
                type Ok = C::Ok;
                type Error = C::Error;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                    let part = self.next_part()?;
                    let value = self.at(part, value);
                    self.inner.$method(&value)
                }

                fn end(self) -> Result<C::Ok, C::Error> {
                    self.expect_end()?;
                    self.inner.end()
                }
            }
        )*
    };
}

checked_elements! {
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

impl<C: SerializeMap> SerializeMap for Checked<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        let key = self.at(self.part(0)?, key);
        self.inner.serialize_key(&key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = self.at(self.part(1)?, value);
        self.inner.serialize_value(&value)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

macro_rules! checked_fields {
    ($($compound:ident,)*) => {
        $(
            impl<C: $compound> $compound for Checked<'_, C> {
                type Ok = C::Ok;
                type Error = C::Error;

                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    name: &'static str,
                    value: &T,
                ) -> Result<(), C::Error> {
                    let field = self.next_field(name)?;
                    let value = self.at(field, value);
                    self.inner.serialize_field(name, &value)
                }

                // Without names the decoder will ask for every field: it cannot know that this one
                // is not there.
                fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                    match self.check.rules {
                        Rules::Bare => Err(self.found(SKIPPED_FIELD)),
                        Rules::Json | Rules::Outside => self.inner.skip_field(name),
                    }
                }

                fn end(self) -> Result<C::Ok, C::Error> {
                    self.expect_end()?;
                    self.inner.end()
                }
            }
        )*
    };
}

checked_fields! {
    SerializeStruct,
    SerializeStructVariant,
}
