//! How typed values become payloads and back.

mod bincode;
mod bounded;
mod checked;
mod contract;
mod encoded;
mod error;
#[cfg(feature = "json")]
mod json;
mod known;
mod outside;
#[cfg(feature = "postcard")]
mod postcard;
#[cfg(all(test, feature = "postcard"))]
mod random_pairs;
mod round_trip;
mod shape;
mod stand_in;

use std::marker::PhantomData;

use bytes::Bytes;
use hitbox_core::{CompressorId, Encoding, FormatId};

use self::{
    bounded::Requests,
    checked::Written,
    contract::VisitSeed,
    encoded::{Encoded, in_bytes, is_of},
    shape::{Readable, Shape},
};
use crate::{Cacheable, Rejection};

#[cfg(feature = "json")]
pub use self::json::JsonFormat;
#[cfg(feature = "postcard")]
pub use self::postcard::PostcardFormat;
pub use self::{
    bincode::BincodeFormat,
    contract::{Format, Visit},
    error::FormatError,
};
/// What [`Format`] is written against, in the version that fits.
#[doc(no_inline)]
pub use erased_serde;

/// The format with this id, if it is compiled in.
pub(crate) fn built_in(id: FormatId) -> Option<&'static dyn Format> {
    match id {
        FormatId::BINCODE => Some(&BincodeFormat),
        #[cfg(feature = "json")]
        FormatId::JSON => Some(&JsonFormat),
        #[cfg(feature = "postcard")]
        FormatId::POSTCARD => Some(&PostcardFormat),
        _ => None,
    }
}

/// Encodes an object for readers that decode to no more than `memory`, and says how.
///
/// # Errors
///
/// [`FormatError::OverLimit`] if it takes more, another [`FormatError`] if the value cannot be encoded or
/// could not be decoded again.
pub(crate) fn encode<T: Cacheable>(
    format: &dyn Format,
    object: &T,
    memory: usize,
) -> Result<(Bytes, Encoding), FormatError> {
    let encoded = match format.id() {
        FormatId::BINCODE => bare(
            (bincode::NAME, format.id()),
            object,
            memory,
            bincode::encode,
        ),
        #[cfg(feature = "postcard")]
        FormatId::POSTCARD => bare(
            (postcard::NAME, format.id()),
            object,
            memory,
            postcard::encode,
        ),
        #[cfg(feature = "json")]
        FormatId::JSON => in_json(object),
        _ => outside::encode(format, object, memory),
    }?;
    let id = encoded.format;
    if encoded.payload.len() > memory {
        return Err(FormatError::OverLimit { format: name(id) });
    }
    let read = || {
        let format = if id == format.id() {
            Some(format)
        } else {
            built_in(id)
        };
        let format = format.ok_or_else(|| FormatError::decode("the format", "it is not known"))?;
        decode_payload::<T>(format, &encoded.payload, encoded.shape, memory)
    };
    // Only the decoder knows for certain, and it is asked where the limit may be near.
    if encoded.needs_proof || encoded.may_be_over(memory) {
        round_trip::check(name(id), read)?;
    } else {
        round_trip::check_first::<T>((id, name(id)), read)?;
    }
    let encoding = Encoding {
        format: id,
        compressor: CompressorId::NONE,
        shape: encoded.shape,
    };
    Ok((Bytes::from(encoded.payload), encoding))
}

fn name(format: FormatId) -> &'static str {
    match format {
        FormatId::BINCODE => bincode::NAME,
        #[cfg(feature = "json")]
        FormatId::JSON => json::NAME,
        #[cfg(feature = "postcard")]
        FormatId::POSTCARD => postcard::NAME,
        _ => outside::NAME,
    }
}

/// In a format that stores nothing but the values, if the type can be told from all others.
fn bare<T: Cacheable>(
    (name, format): (&'static str, FormatId),
    object: &T,
    memory: usize,
    encode: impl FnOnce(&T, Option<&Shape>) -> Result<Written, FormatError>,
) -> Result<Encoded, FormatError> {
    let shape = match known::shape::<T>(Readable::ByMachines) {
        Ok(shape) => shape,
        Err(untraced) => return stand_in::encode(name, object, untraced.why, memory),
    };
    let written = encode(object, Some(shape))?;
    Ok(Encoded {
        payload: written.payload,
        format,
        shape: shape.fingerprint,
        demand: written.demand,
        needs_proof: false,
    })
}

#[cfg(feature = "json")]
fn in_json<T: Cacheable>(object: &T) -> Result<Encoded, FormatError> {
    let Written {
        payload,
        doubts,
        demand,
    } = json::encode(object)?;
    if doubts.wide_number && may_look::<T>() {
        return Err(FormatError::NotRoundTrip {
            format: json::NAME,
            reason: "it decodes by looking at what is there, and a number in it is beyond 64 bits",
        });
    }
    Ok(Encoded {
        demand: in_bytes::<T>(demand, payload.len()),
        payload,
        format: FormatId::JSON,
        shape: 0,
        needs_proof: doubts.flattened,
    })
}

/// Whether a type may decode by looking at what is there.
#[cfg(feature = "json")]
fn may_look<T: Cacheable>() -> bool {
    known::shape::<T>(Readable::ByHumans).map_or(true, |shape| shape.most_memory.is_none())
}

/// Decodes an (uncompressed) payload that was encoded as `encoding` says, by `format`.
///
/// # Errors
///
/// [`Rejection::Type`] if the payload says it is of another type, [`Rejection::TooLarge`] if the value
/// would take more than `memory`, [`Rejection::Undecodable`] if the format cannot make a `T` of it.
pub(crate) fn decode<T: Cacheable>(
    format: &dyn Format,
    payload: &[u8],
    encoding: Encoding,
    memory: usize,
) -> Result<T, Rejection> {
    let is_bare = matches!(format.id(), FormatId::BINCODE | FormatId::POSTCARD);
    if is_bare && !is_of::<T>(encoding.shape, Readable::ByMachines) {
        return Err(Rejection::Type);
    }
    decode_payload(format, payload, encoding.shape, memory).map_err(|error| match error {
        FormatError::OtherType => Rejection::Type,
        FormatError::OverLimit { .. } => Rejection::TooLarge,
        FormatError::NotRoundTrip { .. }
        | FormatError::Encode { .. }
        | FormatError::Decode { .. } => {
            // A variant that the first value of the type did not have, or one that its Deserialize does not
            // take. The next write is to say so.
            round_trip::doubt::<T>(format.id());
            Rejection::Undecodable
        }
    })
}

/// Only formats from outside say by themselves whether the shape has to be that of `T`.
fn decode_payload<T: Cacheable>(
    format: &dyn Format,
    payload: &[u8],
    shape: u64,
    memory: usize,
) -> Result<T, FormatError> {
    match format.id() {
        FormatId::BINCODE => {
            let mut limits = bincode::limits(payload, memory);
            limits.see(Requests::like::<T>(shape, Readable::ByMachines));
            bincode::decode(payload, &limits, PhantomData)
        }
        #[cfg(feature = "json")]
        FormatId::JSON if shape == 0 => {
            json::decode(payload, &json::limits(payload, memory), PhantomData)
        }
        #[cfg(feature = "json")]
        FormatId::JSON => stand_in::decode(payload, memory, shape),
        #[cfg(feature = "postcard")]
        FormatId::POSTCARD => {
            let mut limits = postcard::limits(payload, memory);
            limits.see(Requests::like::<T>(shape, Readable::ByMachines));
            postcard::decode(payload, &limits, PhantomData)
        }
        _ => outside::decode(format, (payload, memory), shape),
    }
}
