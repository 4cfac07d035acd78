use hitbox_core::FormatId;
use serde::{Serialize, de::DeserializeSeed};
use serde_json::error::Category;

use super::{Format, FormatError, Visit, VisitSeed, bounded, bounded::Kinds};

const NAME: &str = "JSON";

/// JSON: readable in the store, larger and slower than the binary formats.
///
/// It describes itself, so every type that serde can read back from JSON may be stored, and a type
/// may gain a field with a default without losing what is stored. What JSON cannot express is
/// refused when it is written: map keys that are neither strings nor numbers, and, in a field that
/// is not optional, the numbers NaN and infinity. `Some(None)` of a nested option reads back as
/// `None`: JSON has one `null`.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonFormat;

impl Format for JsonFormat {
    fn id(&self) -> FormatId {
        FormatId::JSON
    }

    fn is_self_describing(&self) -> bool {
        true
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        encode(value)
    }

    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        decode(payload, VisitSeed(visit))
    }
}

pub(super) fn encode<T: Serialize + ?Sized>(object: &T) -> Result<Vec<u8>, FormatError> {
    serde_json::to_vec(object).map_err(|error| {
        let why = match error.classify() {
            Category::Syntax => "a map key that is neither a string nor a number",
            Category::Data | Category::Eof | Category::Io => "the type's Serialize failed",
        };
        FormatError::encode(NAME, why)
    })
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    payload: &'de [u8],
    seed: S,
) -> Result<S::Value, FormatError> {
    bounded::decode(NAME, Kinds::FromPayload, payload, seed, |seed| {
        let mut deserializer = serde_json::Deserializer::from_slice(payload);
        seed.deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| (value, 0)))
            .map_err(|quotes_the_value| match quotes_the_value.classify() {
                Category::Syntax | Category::Io => "it is not JSON",
                Category::Eof => "it ends too early",
                Category::Data => "it does not fit the type",
            })
    })
}
