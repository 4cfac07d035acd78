//! What a deserializer is given: a visitor that hands on what it meets, within the limits.

use std::fmt;

use serde::de::{Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, Visitor};

use super::{Bounded, access::Elements};

/// Where the number of elements that a visitor is about to see comes from.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// From the type: a tuple.
    Fixed,
    /// From the type, which names them: a struct.
    Named(&'static [&'static str]),
    /// From the payload.
    Claimed,
    /// From the payload, as is that these are elements or entries at all.
    Looked,
}

pub(super) struct BoundedVisitor<'l, V> {
    pub(super) visitor: Bounded<'l, V>,
    pub(super) length: Length,
}

impl<V> BoundedVisitor<'_, V> {
    /// Holds if what comes now is asked for as what it is, or if nobody takes note of it: of what a type
    /// finds in there by looking, it does not ask here.
    fn is_looked_at<E: Error>(&self) -> Result<(), E> {
        let is_noted = self.visitor.limits.requests.are_noted();
        if is_noted && matches!(self.length, Length::Looked) {
            return Err(self.visitor.decodes_by_looking());
        }
        Ok(())
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
        let mut deserializer = this.around(deserializer);
        deserializer.node = this.part(0);
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
        if matches!(self.length, Length::Named(_)) && self.visitor.limits.kinds.name_fields() {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        self.is_looked_at()?;
        let elements = Elements::of::<V::Value, A::Error>(
            self.visitor.around(access),
            self.length,
            A::size_hint,
        )?;
        self.visitor.inner.visit_seq(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.is_looked_at()?;
        let elements = Elements::of::<V::Value, A::Error>(
            self.visitor.around(access),
            self.length,
            A::size_hint,
        )?;
        self.visitor.inner.visit_map(elements)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.is_looked_at()?;
        let access = self.visitor.around(access);
        self.visitor.inner.visit_enum(access)
    }
}
