use hitbox_core::FormatId;
use serde::{Serialize, de::DeserializeSeed};

use super::{
    Format, FormatError, Visit, VisitSeed,
    bounded::{self, Kinds, Limits},
    checked::{Check, Rules, Written},
    shape::Shape,
};

pub(super) const NAME: &str = "postcard";

/// postcard 1: as compact as bincode, with a published wire format that other languages read.
///
/// Like [`BincodeFormat`](super::BincodeFormat) it stores no names and no kinds, and refuses the
/// same types and values when they are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostcardFormat;

impl Format for PostcardFormat {
    fn id(&self) -> FormatId {
        FormatId::POSTCARD
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        encode(value, None).map(|written| written.payload)
    }

    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        decode(payload, &limits(payload, usize::MAX), VisitSeed(visit))
    }
}

pub(super) fn encode<T: Serialize + ?Sized>(
    object: &T,
    shape: Option<&Shape>,
) -> Result<Written, FormatError> {
    Check::new(Rules::Bare, shape).encode(NAME, object, |value| ::postcard::to_stdvec(&value))
}

/// What decoding a payload may take.
pub(super) fn limits(payload: &[u8], memory: usize) -> Limits {
    Limits::new(Kinds::FromType, payload.len(), memory)
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    payload: &'de [u8],
    limits: &Limits,
    seed: S,
) -> Result<S::Value, FormatError> {
    bounded::decode(NAME, limits, seed, |seed| {
        let mut deserializer = ::postcard::Deserializer::from_bytes(payload);
        seed.deserialize(&mut deserializer)
            .and_then(|value| Ok((value, deserializer.finalize()?.len())))
            .map_err(|_quotes_the_value| "it does not fit the type")
    })
}
