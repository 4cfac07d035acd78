//! Encoding for formats that store neither names nor kinds: refuses what could not be read back.
//!
//! A serializer is wrapped, and every value and compound that it is handed on to.

use std::{cell::Cell, fmt::Display};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{FormatError, bounded::MAX_DEPTH};

const SKIPPED_FIELD: &str = "it leaves out a field (serde's skip_serializing_if)";
const UNKNOWN_LENGTH: &str =
    "it has a sequence or map that does not know its length (serde's flatten makes one)";
const TOO_DEEP: &str = "the value is nested deeper than 128 levels";

/// What `write` makes of `object`.
///
/// # Errors
///
/// [`FormatError::NotRoundTrip`] if a decoder could not read it back, [`FormatError::Encode`] if
/// `write` fails for another reason.
pub(super) fn encode<T: Serialize + ?Sized, E>(
    format: &'static str,
    object: &T,
    write: impl FnOnce(Checked<'_, &T>) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, FormatError> {
    let finding = Cell::new(None);
    let outcome = write(Checked {
        inner: object,
        depth_left: MAX_DEPTH,
        finding: &finding,
    });
    // Before the outcome: a type's own `Serialize` may have swallowed the error.
    if let Some(reason) = finding.get() {
        return Err(FormatError::NotRoundTrip { format, reason });
    }
    outcome.map_err(|_quotes_the_value| {
        FormatError::encode(
            format,
            "the type's Serialize failed, or the format has no such kind",
        )
    })
}

/// A serializer, a compound of one, or a value on its way into one.
pub(super) struct Checked<'c, T> {
    inner: T,
    depth_left: u8,
    finding: &'c Cell<Option<&'static str>>,
}

impl<'c, T> Checked<'c, T> {
    fn around<U>(&self, inner: U) -> Checked<'c, U> {
        Checked {
            inner,
            depth_left: self.depth_left,
            finding: self.finding,
        }
    }

    /// The same one level further in. Counts what a recursive type cannot do without, as the
    /// decoder does: options, sequences, maps and variants.
    fn deeper<E: Error>(mut self) -> Result<Self, E> {
        self.depth_left = self
            .depth_left
            .checked_sub(1)
            .ok_or_else(|| self.found(TOO_DEEP))?;
        Ok(self)
    }

    fn found<E: Error>(&self, reason: &'static str) -> E {
        self.finding.set(Some(reason));
        E::custom(reason)
    }
}

impl<T: Serialize + ?Sized> Serialize for Checked<'_, &T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(self.around(serializer))
    }
}

macro_rules! pass_on {
    ($($method:ident($kind:ty),)*) => {
        $(
            fn $method(self, value: $kind) -> Result<S::Ok, S::Error> {
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
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_unit_struct(&'static str),
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let this = self.deeper()?;
        let value = this.around(value);
        this.inner.serialize_some(&value)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.around(value);
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let this = self.deeper()?;
        let value = this.around(value);
        this.inner
            .serialize_newtype_variant(name, index, variant, &value)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let this = self.deeper()?;
        let length = length.ok_or_else(|| this.found(UNKNOWN_LENGTH))?;
        let rest = this.around(());
        Ok(rest.around(this.inner.serialize_seq(Some(length))?))
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        let rest = self.around(());
        Ok(rest.around(self.inner.serialize_tuple(length)?))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let rest = self.around(());
        Ok(rest.around(self.inner.serialize_tuple_struct(name, length)?))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let this = self.deeper()?;
        let rest = this.around(());
        let inner = this
            .inner
            .serialize_tuple_variant(name, index, variant, length)?;
        Ok(rest.around(inner))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let this = self.deeper()?;
        let length = length.ok_or_else(|| this.found(UNKNOWN_LENGTH))?;
        let rest = this.around(());
        Ok(rest.around(this.inner.serialize_map(Some(length))?))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let rest = self.around(());
        Ok(rest.around(self.inner.serialize_struct(name, length)?))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let this = self.deeper()?;
        let rest = this.around(());
        let inner = this
            .inner
            .serialize_struct_variant(name, index, variant, length)?;
        Ok(rest.around(inner))
    }

    // Not the default, which makes a string first: a format may write it piece by piece.
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! checked_elements {
    ($($compound:ident::$method:ident,)*) => {
        $(
            impl<C: $compound> $compound for Checked<'_, C> {
                type Ok = C::Ok;
                type Error = C::Error;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                    let value = self.around(value);
                    self.inner.$method(&value)
                }

                fn end(self) -> Result<C::Ok, C::Error> {
                    self.inner.end()
                }
            }
        )*
    };
}

checked_elements! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

impl<C: SerializeMap> SerializeMap for Checked<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        let key = self.around(key);
        self.inner.serialize_key(&key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = self.around(value);
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
                    let value = self.around(value);
                    self.inner.serialize_field(name, &value)
                }

                // The decoder will ask for every field: it cannot know that this one is not there.
                fn skip_field(&mut self, _name: &'static str) -> Result<(), C::Error> {
                    Err(self.found(SKIPPED_FIELD))
                }

                fn end(self) -> Result<C::Ok, C::Error> {
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
