use std::fmt::Display;

use serde::ser::{Serialize, Serializer};

use super::value::Checked;
use crate::format::shape::Tag;

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
