//! Decoding from bytes that nobody vouches for.
//!
//! A deserializer is wrapped, and every seed, visitor and access that it meets on the way down, so
//! that five things hold however the payload lies:
//!
//! - nothing is allocated for a length that the payload does not have the bytes for;
//! - what elements, entries and boxes take in memory is bounded, of which a byte of the payload may stand
//!   for a hundred;
//! - the elements claimed by all sequences and maps together are bounded, also where an element
//!   takes no bytes (a `Vec<()>` of 2^33 would loop for seconds);
//! - what the type asks for is held against what it is known to ask for, or noted;
//! - recursion ends before the stack does.

mod access;
mod exact;
mod kept;
mod limits;
mod named;
mod requests;
mod visitor;

use serde::de::{DeserializeSeed, Deserializer, Error, Unexpected, Visitor};

use super::{
    FormatError,
    shape::{NodeId, Tag},
};
use exact::{Exact, Float};
pub(super) use kept::{ENTRY_OVERHEAD, Kept};
pub(super) use limits::{EMPTY_ELEMENTS, Limits};
pub(super) use requests::Requests;
use visitor::{BoundedVisitor, Length};

/// How deep values may be nested, as in `serde_json`.
pub(super) const MAX_DEPTH: u8 = 128;

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
/// [`FormatError::OverLimit`] if the value would take more than the limits allow, [`FormatError::OtherType`] if
/// the type asks for something else than it is known for, [`FormatError::Decode`] if the
/// payload is at fault otherwise.
pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    format: &'static str,
    limits: &Limits,
    seed: S,
    read: impl FnOnce(Bounded<'_, S>) -> Result<(S::Value, usize), &'static str>,
) -> Result<S::Value, FormatError> {
    let outcome = read(limits.around(seed));
    match (outcome, limits.finding.get()) {
        (_, _) if limits.is_over() => Err(FormatError::OverLimit { format }),
        (_, _) if limits.is_of_another() => Err(FormatError::OtherType),
        (Ok((value, 0)), None) => Ok(value),
        (Ok((_, 0)), Some(reason)) => Err(FormatError::NotRoundTrip { format, reason }),
        (Ok(_), _) => Err(FormatError::decode(format, "bytes are left over")),
        (Err(_), Some(reason)) => Err(FormatError::NotRoundTrip { format, reason }),
        (Err(why), None) => Err(FormatError::decode(format, why)),
    }
}

const NO_NAMES: &[&str] = &[];

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
    /// What it is known to ask for here.
    node: NodeId,
    limits: &'l Limits,
}

impl<'l, T> Bounded<'l, T> {
    fn around<U>(&self, inner: U) -> Bounded<'l, U> {
        Bounded {
            inner,
            depth_left: self.depth_left,
            collections: self.collections,
            place: self.place,
            is_listed: self.is_listed,
            node: self.node,
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
    ($($method:ident => $inner:ident, $tag:ident;)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
                self.asks(Tag::$tag, NO_NAMES, 0)?;
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
        self.asks(Tag::Any, NO_NAMES, 0)?;
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
        if !self.limits.kinds.may_look() || self.limits.requests.are_noted() {
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
        if self.limits.requests.are_noted() {
            return Err(self.does_not_read_it());
        }
        self.inner.deserialize_ignored_any(visitor)
    }

    pass_on! {
        deserialize_bool => deserialize_bool, Bool;
        deserialize_i8 => deserialize_i8, I8;
        deserialize_i16 => deserialize_i16, I16;
        deserialize_i32 => deserialize_i32, I32;
        deserialize_i64 => deserialize_i64, I64;
        deserialize_i128 => deserialize_i128, I128;
        deserialize_u8 => deserialize_u8, U8;
        deserialize_u16 => deserialize_u16, U16;
        deserialize_u32 => deserialize_u32, U32;
        deserialize_u64 => deserialize_u64, U64;
        deserialize_u128 => deserialize_u128, U128;
        deserialize_char => deserialize_char, Char;
        deserialize_unit => deserialize_unit, Unit;
        // Out of the payload itself, never the owned forms: bincode allocates what a length claims
        // before it looks whether the payload is that long.
        deserialize_str => deserialize_str, Str;
        deserialize_string => deserialize_str, Str;
        deserialize_bytes => deserialize_bytes, Bytes;
        deserialize_byte_buf => deserialize_bytes, Bytes;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.asks(Tag::F32, NO_NAMES, 0)?;
        let this = self.placed::<V::Value, D::Error>()?;
        if this.limits.kinds.name_fields() {
            let float = Float::Single;
            let visitor = Exact { visitor, float };
            return match this.limits.kinds {
                // Asked for the smaller one it rounds by itself.
                Kinds::FromPayload => this.inner.deserialize_f64(visitor),
                Kinds::FromType | Kinds::Foreign | Kinds::ForeignByName => {
                    this.inner.deserialize_f32(visitor)
                }
            };
        }
        this.inner.deserialize_f32(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.asks(Tag::F64, NO_NAMES, 0)?;
        let this = self.placed::<V::Value, D::Error>()?;
        if this.limits.kinds.name_fields() {
            let float = Float::Double;
            return this.inner.deserialize_f64(Exact { visitor, float });
        }
        this.inner.deserialize_f64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.asks(Tag::Option, NO_NAMES, 0)?;
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
        self.asks(Tag::Unit, NO_NAMES, 0)?;
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
        self.asks(Tag::Seq, NO_NAMES, 0)?;
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
        self.asks(Tag::Tuple, NO_NAMES, length)?;
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
        self.asks(Tag::Tuple, NO_NAMES, length)?;
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        let outcome = this.inner.deserialize_tuple_struct(name, length, visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.asks(Tag::Map, NO_NAMES, 0)?;
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
        self.asks(Tag::Struct, fields, 0)?;
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Named(fields));
        let outcome = this.inner.deserialize_struct(name, fields, visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.asks(Tag::Enum, variants, 0)?;
        let this = self.placed::<V::Value, D::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        let outcome = this.inner.deserialize_enum(name, variants, visitor);
        outcome.map_err(|error| this.limits.shortened(error))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
