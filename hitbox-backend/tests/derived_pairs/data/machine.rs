//! A rendering with all that serde tells a format that machines read: names, kinds and values.

use std::fmt::{self, Display, Write as _};

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer, StdError,
};

pub(crate) fn for_machines<T: Serialize>(value: &T) -> String {
    let mut text = Text::default();
    value.serialize(&mut text).unwrap();
    text.0
}

#[derive(Default)]
struct Text(String);

/// A compound, and what ends it.
struct Open<'t>(&'t mut Text, &'static str);

#[derive(Debug)]
struct Refused(String);

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Refused {}

impl serde::ser::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Done = Result<(), Refused>;

impl Text {
    fn put(&mut self, text: fmt::Arguments<'_>) -> Done {
        self.0
            .write_fmt(text)
            .map_err(|error| Refused(error.to_string()))
    }

    fn around<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Done {
        self.put(format_args!("{name}("))?;
        value.serialize(&mut *self)?;
        self.put(format_args!(")"))
    }

    fn open(&mut self, name: &str, begin: char, end: &'static str) -> Result<Open<'_>, Refused> {
        self.put(format_args!("{name}{begin}"))?;
        Ok(Open(self, end))
    }
}

macro_rules! scalars {
    ($($method:ident($kind:ty),)*) => {
        $(
            fn $method(self, value: $kind) -> Done {
                self.put(format_args!("{}:{value:?}", stringify!($kind)))
            }
        )*
    };
}

impl<'t> Serializer for &'t mut Text {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Open<'t>;
    type SerializeTuple = Open<'t>;
    type SerializeTupleStruct = Open<'t>;
    type SerializeTupleVariant = Open<'t>;
    type SerializeMap = Open<'t>;
    type SerializeStruct = Open<'t>;
    type SerializeStructVariant = Open<'t>;

    scalars! {
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
    }

    fn serialize_none(self) -> Done {
        self.put(format_args!("None"))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.around("Some", value)
    }

    fn serialize_unit(self) -> Done {
        self.put(format_args!("()"))
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Done {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.put(format_args!("{variant}"))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.around(variant, value)
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Open<'t>, Refused> {
        self.open("", '[', "]")
    }

    fn serialize_tuple(self, _length: usize) -> Result<Open<'t>, Refused> {
        self.open("", '(', ")")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'t>, Refused> {
        self.open("", '(', ")")
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Open<'t>, Refused> {
        self.open(variant, '<', ">")
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Open<'t>, Refused> {
        self.open("map", '{', "}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'t>, Refused> {
        self.open("", '{', "}")
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Open<'t>, Refused> {
        self.open(variant, '{', "}")
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl Open<'_> {
    fn part<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Done {
        self.0.put(format_args!("{name}"))?;
        value.serialize(&mut *self.0)?;
        self.0.put(format_args!(","))
    }

    fn closed(self) -> Done {
        let Self(text, end) = self;
        text.put(format_args!("{end}"))
    }
}

macro_rules! unnamed {
    ($($compound:ident::$method:ident,)*) => {
        $(
            impl $compound for Open<'_> {
                type Ok = ();
                type Error = Refused;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                    self.part("", value)
                }

                fn end(self) -> Done {
                    self.closed()
                }
            }
        )*
    };
}

unnamed! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! named {
    ($($compound:ident,)*) => {
        $(
            impl $compound for Open<'_> {
                type Ok = ();
                type Error = Refused;

                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    name: &'static str,
                    value: &T,
                ) -> Done {
                    self.part(&format!("{name}="), value)
                }

                fn end(self) -> Done {
                    self.closed()
                }
            }
        )*
    };
}

named! {
    SerializeStruct,
    SerializeStructVariant,
}

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.part("key ", key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.part("", value)
    }

    fn end(self) -> Done {
        self.closed()
    }
}
