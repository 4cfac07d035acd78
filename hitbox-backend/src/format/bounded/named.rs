//! What says which field or variant comes next: seen on its way to the type, as it is.

use std::{cell::Cell, fmt};

use serde::{
    de::{DeserializeSeed, Deserializer, Error, Visitor},
    forward_to_deserialize_any,
};

/// A seed, a deserializer or a visitor of a name or number, and where its place is put down.
pub(super) struct Named<'n, T> {
    pub(super) inner: T,
    pub(super) names: &'static [&'static str],
    pub(super) place: &'n Cell<Option<usize>>,
}

impl<'n, T> Named<'n, T> {
    fn around<U>(&self, inner: U) -> Named<'n, U> {
        Named {
            inner,
            names: self.names,
            place: self.place,
        }
    }

    fn name(&self, name: &str) {
        let place = self.names.iter().position(|known| *known == name);
        self.place.set(place);
    }

    fn number(&self, number: u64) {
        self.place.set(usize::try_from(number).ok());
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Named<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.around(deserializer);
        self.inner.deserialize(deserializer)
    }
}

macro_rules! seen {
    ($($method:ident,)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
                let visitor = self.around(visitor);
                self.inner.$method(visitor)
            }
        )*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Named<'_, D> {
    type Error = D::Error;

    seen! {
        deserialize_any,
        deserialize_identifier,
        deserialize_str,
        deserialize_string,
        deserialize_bytes,
        deserialize_byte_buf,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64,
        deserialize_ignored_any,
    }

    // No name and no number of a variant is one of those.
    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u128 f32 f64 char option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! numbers {
    ($($method:ident($kind:ty),)*) => {
        $(
            fn $method<E: Error>(self, number: $kind) -> Result<V::Value, E> {
                self.number(number.into());
                self.inner.$method(number)
            }
        )*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Named<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    numbers! {
        visit_u8(u8),
        visit_u16(u16),
        visit_u32(u32),
        visit_u64(u64),
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.name(name);
        self.inner.visit_str(name)
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<V::Value, E> {
        self.name(name);
        self.inner.visit_borrowed_str(name)
    }

    fn visit_string<E: Error>(self, name: String) -> Result<V::Value, E> {
        self.name(&name);
        self.inner.visit_string(name)
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<V::Value, E> {
        if let Ok(name) = std::str::from_utf8(name) {
            self.name(name);
        }
        self.inner.visit_bytes(name)
    }

    fn visit_borrowed_bytes<E: Error>(self, name: &'de [u8]) -> Result<V::Value, E> {
        if let Ok(name) = std::str::from_utf8(name) {
            self.name(name);
        }
        self.inner.visit_borrowed_bytes(name)
    }

    fn visit_byte_buf<E: Error>(self, name: Vec<u8>) -> Result<V::Value, E> {
        if let Ok(name) = std::str::from_utf8(&name) {
            self.name(name);
        }
        self.inner.visit_byte_buf(name)
    }
}
