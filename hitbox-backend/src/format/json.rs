use hitbox_core::FormatId;
use serde::{Serialize, de::DeserializeSeed};
use serde_json::error::Category;

use super::{
    Format, FormatError, Visit, VisitSeed,
    bounded::{self, Kinds, Limits},
    checked::{Check, Rules, Written},
};

pub(super) const NAME: &str = "JSON";

/// JSON: readable in the store, larger and slower than the binary formats.
///
/// It describes itself, so every type that serde can read back from JSON may be stored, and a type
/// may gain a field with a default without losing what is stored. What JSON cannot express is
/// refused when it is written, value by value: map keys that are neither strings nor numbers, the
/// numbers NaN and infinity, `Some(None)` and `Some(())`, which are `null` like `None`, and a value
/// that is nested deeper than 127 arrays and objects or 128 options.
///
/// So is a number beyond 64 bits in a type that decodes by looking at what is there, as serde's `untagged`
/// does: it would be read as a float. A value of a type with serde's `flatten`, which may write two fields
/// of one name, is read once more as it is written.
///
/// JSON has one kind of number. An integer that a float does not hold exactly is not read as that float, nor
/// is the text of an `f64` read as an `f32` that is written otherwise. (But an integer beyond 64 bits is read as
/// the nearest float.)
///
/// What a type declares, it gets, and `set` does not say so. JSON takes what serde's attributes make of it: a
/// field that is written under another name than it is read by (`rename(serialize = ..)`), not written
/// (`skip_serializing`, `skip_serializing_if`) or not read (`skip_deserializing`) comes back as its default, as
/// `None`, or as what another field was; a `flatten` of an `Option` may come back as `Some`; an `untagged`
/// variant as an earlier one that has fewer fields. The formats without names refuse all of these.
///
/// A struct is read by the names of its fields only, never from an array by their places, and so is a variant
/// of an enum with serde's `tag`.
///
/// One place is out of reach. What is within serde's `untagged`, `tag` or `flatten`, and a `content` that
/// stands in front of its `tag`, serde puts aside and reads from there by itself. There it still takes an array
/// for a struct, or for a variant of an enum with a `tag`. So a tuple that was stored where such a type now
/// has a struct is read as that struct if the values fit by their places. Give the key another version when
/// a tuple becomes a struct there.
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
        encode(value).map(|written| written.payload)
    }

    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        decode(payload, &limits(payload, usize::MAX), VisitSeed(visit))
    }
}

pub(super) fn encode<T: Serialize + ?Sized>(object: &T) -> Result<Written, FormatError> {
    let check = Check::new(Rules::Json, None);
    let outcome = serde_json::to_vec(&check.around(object));
    // Before the outcome: a type's own `Serialize` may have swallowed the error.
    if let Some(reason) = check.finding() {
        return Err(FormatError::NotRoundTrip {
            format: NAME,
            reason,
        });
    }
    let payload = outcome.map_err(|error| {
        let why = match error.classify() {
            Category::Syntax => "a map key that is neither a string nor a number",
            Category::Data | Category::Eof | Category::Io => "the type's Serialize failed",
        };
        FormatError::encode(NAME, why)
    })?;
    Ok(Written {
        payload,
        doubts: check.doubts(),
        demand: check.demand(),
    })
}

/// What decoding a payload may take.
pub(super) fn limits(payload: &[u8], memory: usize) -> Limits {
    Limits::new(Kinds::FromPayload, payload.len(), memory)
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    payload: &'de [u8],
    limits: &Limits,
    seed: S,
) -> Result<S::Value, FormatError> {
    bounded::decode(NAME, limits, seed, |seed| {
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
