//! The compounds of a serializer: what is written part by part.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{
    Rules,
    value::{Checked, SKIPPED_FIELD},
};

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
