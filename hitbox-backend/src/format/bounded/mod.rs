//! Decoding from bytes that nobody vouches for.
//!
//! A deserializer is wrapped, and every seed, visitor and access that it meets on the way down, so
//! that three things hold however the payload lies:
//!
//! - nothing is allocated for a length that the payload does not have the bytes for;
//! - what elements, entries and boxes take in memory is bounded, of which a byte of the payload may stand
//!   for a hundred;
//! - the elements claimed by all sequences and maps together are bounded, also where an element
//!   takes no bytes (a `Vec<()>` of 2^33 would loop for seconds);
//! - recursion ends before the stack does.

mod access;

use std::{cell::Cell, fmt};

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::FormatError;
use access::Elements;

/// How deep values may be nested, as in `serde_json`.
pub(super) const MAX_DEPTH: u8 = 128;

/// What a map may need for an entry beside key and value.
pub(super) const ENTRY_OVERHEAD: usize = 16;

/// In how many collections, one in the other, room may be reserved for more than
/// [`DEEP_ROOM`] elements that are not there yet. Each may take a MiB, which is as much as serde reserves.
const ROOMY_COLLECTIONS: u8 = 4;
const DEEP_ROOM: usize = 4;

/// How many elements that take no bytes a payload may claim.
pub(super) const EMPTY_ELEMENTS: usize = 65_536;

pub(super) const DECODES_BY_LOOKING: &str = "it decodes by looking at what is there, which the format does not say \
     (serde_json::Value, and serde's untagged, tag and flatten do)";

/// Where a decoder learns what comes next.
#[derive(Clone, Copy)]
pub(super) enum Kinds {
    /// From the type alone: the payload has neither names nor kinds.
    FromType,
    /// From the payload. Its decoder limits how deep sequences and maps are nested.
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "JSON is the one that does")
    )]
    FromPayload,
    /// The format is one from outside: it may do as it likes, but within the limits.
    Foreign,
    /// The same, and its payloads name their fields.
    ForeignByName,
}

impl Kinds {
    fn may_look(self) -> bool {
        match self {
            Self::FromType => false,
            Self::FromPayload | Self::Foreign | Self::ForeignByName => true,
        }
    }

    /// Whether the payload says which field each value is of. Then a sequence is no struct: it would be
    /// read by position, and the fields may stand in another order than where it was written.
    fn name_fields(self) -> bool {
        match self {
            Self::FromType | Self::Foreign => false,
            Self::FromPayload | Self::ForeignByName => true,
        }
    }
}

/// What `read` makes of the payload. It is given the seed to use, and returns the value and how
/// many bytes of the payload are left over, or why there is no value.
///
/// # Errors
///
/// [`FormatError::NotRoundTrip`] if the type asks for something that the format cannot do,
/// [`FormatError::OverLimit`] if the value would take more than `memory`, [`FormatError::Decode`] if the
/// payload is at fault otherwise.
pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    format: &'static str,
    kinds: Kinds,
    (payload, memory): (&[u8], usize),
    seed: S,
    read: impl FnOnce(Bounded<'_, S>) -> Result<(S::Value, usize), &'static str>,
) -> Result<S::Value, FormatError> {
    let limits = Limits::new(kinds, payload.len(), memory);
    let outcome = read(limits.around(seed));
    match (outcome, limits.finding.get()) {
        (_, _) if limits.is_over() => Err(FormatError::OverLimit { format }),
        (Ok((value, 0)), _) => Ok(value),
        (Ok(_), _) => Err(FormatError::decode(format, "bytes are left over")),
        (Err(_), Some(reason)) => Err(FormatError::NotRoundTrip { format, reason }),
        (Err(why), None) => Err(FormatError::decode(format, why)),
    }
}

/// What is left of the limits.
pub(super) struct Limits {
    kinds: Kinds,
    payload_length: usize,
    elements_left: Cell<usize>,
    room_left: Cell<usize>,
    /// In bytes, of what is not a string: those are no longer than the payload.
    memory_left: Cell<Option<usize>>,
    finding: Cell<Option<&'static str>>,
}

impl Limits {
    pub(super) fn new(kinds: Kinds, payload_length: usize, memory: usize) -> Self {
        Self {
            kinds,
            payload_length,
            // An element that takes bytes takes at least one that no other element counts.
            elements_left: Cell::new(payload_length.saturating_add(EMPTY_ELEMENTS)),
            room_left: Cell::new(payload_length),
            memory_left: Cell::new(Some(memory)),
            finding: Cell::new(None),
        }
    }

    /// `seed` or a deserializer within the limits.
    pub(super) fn around<T>(&self, inner: T) -> Bounded<'_, T> {
        Bounded {
            inner,
            depth_left: MAX_DEPTH,
            collections: 0,
            // As much as any type that is read in place: for the value itself the caller has room.
            place: usize::MAX,
            is_listed: false,
            limits: self,
        }
    }

    /// Whether more memory has been asked for than there may be.
    pub(super) fn is_over(&self) -> bool {
        self.memory_left.get().is_none()
    }

    fn take_memory<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self
            .memory_left
            .get()
            .and_then(|left| left.checked_sub(bytes));
        self.memory_left.set(left);
        left.map(drop)
            .ok_or_else(|| E::custom("more memory than a value may take"))
    }

    fn take_elements<E: Error>(&self, number: usize) -> Result<(), E> {
        let left = self
            .elements_left
            .get()
            .checked_sub(number)
            .ok_or_else(|| E::custom("more elements claimed than the payload can hold"))?;
        self.elements_left.set(left);
        Ok(())
    }

    /// The error of a level, as the level above is to see it. bincode quotes the message of an error
    /// that comes through an erased deserializer, quotation marks and backslashes escaped: every
    /// level of nesting would double it.
    fn shortened<E: Error>(&self, error: E) -> E {
        match self.kinds {
            Kinds::FromType => E::custom("it does not fit the type"),
            // The kind of error is looked at, and the message does not grow.
            Kinds::FromPayload | Kinds::Foreign | Kinds::ForeignByName => error,
        }
    }

    /// For how many of `claimed` elements room may be reserved: for all of an honest payload, whose
    /// elements take a byte each where they need room. Nested claims share it: each level that
    /// reserves for the whole payload would multiply what one may.
    fn take_room(&self, claimed: usize, collections: u8) -> usize {
        let left = self.room_left.get();
        let most = if collections > ROOMY_COLLECTIONS {
            left.min(DEEP_ROOM)
        } else {
            left
        };
        let room = claimed.min(most);
        self.room_left.set(left - room);
        room
    }
}

/// A deserializer, or a seed or an access on its way into or out of one.
pub(super) struct Bounded<'l, T> {
    inner: T,
    depth_left: u8,
    /// How many collections are around.
    collections: u8,
    /// How much memory has been accounted for where the value goes. A larger one is elsewhere, in a box.
    place: usize,
    /// Whether it is an element of a sequence that the type has met by looking: it has a place, no name.
    is_listed: bool,
    limits: &'l Limits,
}

/// Where the number of elements that a visitor is about to see comes from.
#[derive(Clone, Copy)]
enum Length {
    /// From the type: a tuple.
    Fixed,
    /// From the type, which names them: a struct.
    Named,
    /// From the payload.
    Claimed,
    /// From the payload, as is that these are elements or entries at all.
    Looked,
}

struct BoundedVisitor<'l, V> {
    visitor: Bounded<'l, V>,
    length: Length,
}

impl<'l, T> Bounded<'l, T> {
    fn around<U>(&self, inner: U) -> Bounded<'l, U> {
        Bounded {
            inner,
            depth_left: self.depth_left,
            collections: self.collections,
            place: self.place,
            is_listed: self.is_listed,
            limits: self.limits,
        }
    }

    /// Accounts for a value of type `V` where it does not fit in its place.
    fn placed<V, E: Error>(mut self) -> Result<Self, E> {
        let size = size_of::<V>();
        if size > self.place {
            self.limits.take_memory(size)?;
        }
        self.place = size;
        Ok(self)
    }

    /// The same one level further in.
    ///
    /// Options count, sequences, maps and variants: a type cannot contain itself without one of
    /// them. Structs and tuples do not.
    fn deeper<E: Error>(mut self) -> Result<Self, E> {
        self.depth_left = self
            .depth_left
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deep"))?;
        Ok(self)
    }

    /// [`deeper`](Self::deeper), where a decoder of payloads that have kinds counts by itself. It
    /// does not count options, and one of a type that contains itself takes no bytes there.
    fn into_container<E: Error>(self) -> Result<Self, E> {
        match self.limits.kinds {
            Kinds::FromType | Kinds::Foreign | Kinds::ForeignByName => self.deeper(),
            Kinds::FromPayload => Ok(self),
        }
    }

    /// For the elements of a collection.
    fn into_collection<E: Error>(self) -> Result<Self, E> {
        let mut inside = self.into_container()?;
        inside.collections = inside.collections.saturating_add(1);
        Ok(inside)
    }

    fn visitor<V>(&self, visitor: V, length: Length) -> BoundedVisitor<'l, V> {
        BoundedVisitor {
            visitor: self.around(visitor),
            length,
        }
    }

    fn decodes_by_looking<E: Error>(&self) -> E {
        self.limits.finding.set(Some(DECODES_BY_LOOKING));
        E::custom(DECODES_BY_LOOKING)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.around(deserializer);
        self.inner.deserialize(deserializer)
    }
}

macro_rules! pass_on {
    ($($method:ident => $inner:ident,)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
                let this = self.placed::<V::Value, D::Error>()?;
                this.inner.$inner(visitor)
            }
        )*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.limits.kinds.may_look() {
            return Err(self.decodes_by_looking());
        }
        let mut this = self.placed::<V::Value, D::Error>()?;
        // What comes may be a collection, and may be nested.
        this.collections = this.collections.saturating_add(1);
        if matches!(this.limits.kinds, Kinds::Foreign | Kinds::ForeignByName) {
            this = this.deeper()?;
        }
        let visitor = this.visitor(visitor, Length::Looked);
        this.inner.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.limits.kinds.may_look() {
            return Err(self.decodes_by_looking());
        }
        // The tag of an enum with serde's `tag`, which takes a sequence for a variant: the tag, and then
        // its fields by place.
        if self.is_listed && self.limits.kinds.name_fields() {
            return Err(D::Error::invalid_type(Unexpected::Seq, &visitor));
        }
        self.inner.deserialize_identifier(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.limits.kinds.may_look() {
            return Err(self.decodes_by_looking());
        }
        self.inner.deserialize_ignored_any(visitor)
    }

    pass_on! {
        deserialize_bool => deserialize_bool,
        deserialize_i8 => deserialize_i8,
        deserialize_i16 => deserialize_i16,
        deserialize_i32 => deserialize_i32,
        deserialize_i64 => deserialize_i64,
        deserialize_i128 => deserialize_i128,
        deserialize_u8 => deserialize_u8,
        deserialize_u16 => deserialize_u16,
        deserialize_u32 => deserialize_u32,
        deserialize_u64 => deserialize_u64,
        deserialize_u128 => deserialize_u128,
        deserialize_f32 => deserialize_f32,
        deserialize_f64 => deserialize_f64,
        deserialize_char => deserialize_char,
        deserialize_unit => deserialize_unit,
        // Out of the payload itself, never the owned forms: bincode allocates what a length claims
        // before it looks whether the payload is that long.
        deserialize_str => deserialize_str,
        deserialize_string => deserialize_str,
        deserialize_bytes => deserialize_bytes,
        deserialize_byte_buf => deserialize_bytes,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        let outcome = this.inner.deserialize_option(visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?;
        this.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        let outcome = this.inner.deserialize_newtype_struct(name, visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?.into_collection()?;
        let visitor = this.visitor(visitor, Length::Claimed);
        let outcome = this.inner.deserialize_seq(visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        let outcome = this.inner.deserialize_tuple(length, visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        let outcome = this.inner.deserialize_tuple_struct(name, length, visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?.into_collection()?;
        let visitor = this.visitor(visitor, Length::Claimed);
        let outcome = this.inner.deserialize_map(visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Named);
        let outcome = this.inner.deserialize_struct(name, fields, visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        let outcome = this.inner.deserialize_enum(name, variants, visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! pass_on_values {
    ($($method:ident($kind:ty),)*) => {
        $(
            fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
                self.visitor.inner.$method(value)
            }
        )*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for BoundedVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.inner.expecting(f)
    }

    pass_on_values! {
        visit_bool(bool),
        visit_i8(i8),
        visit_i16(i16),
        visit_i32(i32),
        visit_i64(i64),
        visit_i128(i128),
        visit_u8(u8),
        visit_u16(u16),
        visit_u32(u32),
        visit_u64(u64),
        visit_u128(u128),
        visit_f32(f32),
        visit_f64(f64),
        visit_char(char),
        visit_str(&str),
        visit_borrowed_str(&'de str),
        visit_string(String),
        visit_bytes(&[u8]),
        visit_borrowed_bytes(&'de [u8]),
        visit_byte_buf(Vec<u8>),
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.inner.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let this = self.visitor.deeper()?;
        let deserializer = this.around(deserializer);
        this.inner.visit_some(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        let deserializer = self.visitor.around(deserializer);
        self.visitor.inner.visit_newtype_struct(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        if matches!(self.length, Length::Named) && self.visitor.limits.kinds.name_fields() {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let elements = Elements::of::<V::Value, A::Error>(
            self.visitor.around(access),
            self.length,
            A::size_hint,
        )?;
        self.visitor.inner.visit_seq(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let elements = Elements::of::<V::Value, A::Error>(
            self.visitor.around(access),
            self.length,
            A::size_hint,
        )?;
        self.visitor.inner.visit_map(elements)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.visitor.around(access);
        self.visitor.inner.visit_enum(access)
    }
}
