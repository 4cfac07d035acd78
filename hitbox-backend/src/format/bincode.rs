use ::bincode::{config, serde as codec};
use hitbox_core::FormatId;
use serde::{Serialize, de::DeserializeSeed};

use super::{
    Format, FormatError, Visit, VisitSeed,
    bounded::{self, Kinds, Limits},
    checked::{Check, Rules, Written},
    shape::Shape,
};

pub(super) const NAME: &str = "bincode";

/// bincode 2 in its standard configuration: compact, fast, the default.
///
/// It stores no field names and no kinds. A type that decodes by looking at what is there cannot be
/// read back and is refused when it is written: `serde_json::Value`, and what uses serde's
/// `untagged`, `tag`, `flatten` or `skip_serializing_if`. So is a value whose `Serialize` writes other
/// fields or kinds than its `Deserialize` asks for, and one that is nested deeper than 128 levels of
/// options, sequences, maps and variants. Store those as JSON.
///
/// A type that [cannot be told from others](Format#types-that-cannot-be-told-apart) is written as JSON
/// in its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct BincodeFormat;

impl Format for BincodeFormat {
    fn id(&self) -> FormatId {
        FormatId::BINCODE
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
    Check::new(Rules::Bare, shape).encode(NAME, object, |value| {
        codec::encode_to_vec(value, config::standard())
    })
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
        // The borrowed decoder checks lengths against the payload; the owned one allocates first.
        codec::seed_decode_from_slice(seed, payload, config::standard())
            .map(|(value, read)| (value, payload.len() - read))
            .map_err(|_quotes_the_value| "it does not fit the type")
    })
}
