//! How typed values become payloads and back.

mod bincode;
mod bounded;
mod checked;
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

use std::{fmt, marker::PhantomData};

use bytes::Bytes;
use hitbox_core::{CompressorId, Encoding, FormatId};
use serde::de::DeserializeSeed;

use self::{
    bounded::Requests,
    checked::{Demand, Written},
    shape::{Readable, Shape},
};
use crate::{Cacheable, Rejection};

pub use self::bincode::BincodeFormat;
#[cfg(feature = "json")]
pub use self::json::JsonFormat;
#[cfg(feature = "postcard")]
pub use self::postcard::PostcardFormat;
/// What [`Format`] is written against, in the version that fits.
#[doc(no_inline)]
pub use erased_serde;

/// Why a value could not be encoded, or a payload not decoded.
///
/// The formats that hitbox brings put no part of a value into their errors, and so no message of a
/// type's own `Serialize` or `Deserialize`: such messages quote what they refuse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The type uses something of serde that this format can write but not read back.
    #[error("{format} cannot read this type back: {reason}")]
    NotRoundTrip {
        /// The format.
        format: &'static str,
        /// What the type uses.
        reason: &'static str,
    },
    /// The format's encoder failed.
    #[error("{format} could not encode the value")]
    Encode {
        /// The format.
        format: &'static str,
        /// The encoder's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The value would take more memory than the limit for decoding allows.
    #[error(
        "{format} did not decode the payload: the value takes more memory than the limit allows"
    )]
    OverLimit {
        /// The format.
        format: &'static str,
    },
    /// The payload is of another type than the one it is read as.
    #[error("the payload is of another type")]
    OtherType,
    /// The format's decoder refused the payload.
    #[error("{format} could not decode the payload")]
    Decode {
        /// The format.
        format: &'static str,
        /// The decoder's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl FormatError {
    fn encode(format: &'static str, why: &'static str) -> Self {
        Self::Encode {
            format,
            source: why.into(),
        }
    }

    fn decode(format: &'static str, why: &'static str) -> Self {
        Self::Decode {
            format,
            source: why.into(),
        }
    }
}

/// What a [`Format`] hands its decoder to.
pub type Visit<'v> =
    dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error> + 'v;

/// A serialization format.
///
/// Implement it to use one that hitbox does not bring, with an id from [`FormatId::custom`]. Ids
/// below 128 are hitbox's own: typed access takes a format that answers with one of them for the
/// format it brings under that id, and does not call it.
///
/// Stored bytes may be corrupt or hostile. An implementation must not panic on any payload, and
/// should not allocate much more than the payload's length. Its errors end up in logs, so they must
/// not quote the value.
///
/// # Types that cannot be told apart
///
/// The fingerprint of a type covers each field and variant in it, at any depth. It is found by letting
/// the type deserialize itself from made-up values, once in a process. Where a value is refused, others
/// are tried; the fields of a struct are all found nevertheless. Some types cannot be traced to their
/// end: those that have something behind a part, in a tuple or as the value of a map, whose
/// `Deserialize` refuses all that is tried; enums whose variants have serde's `alias`, or cannot all be
/// read; types whose `Deserialize` panics at a made-up value; types that are seen to ask for other things
/// from time to time; and types that are too large: of more than 4,096 requests (each field, variant and
/// element of a tuple is one), nested deeper than 128, or that take more than 200,000 to be found out.
///
/// Values of those are stored as JSON, whatever the backend's format: larger (numbers as text, each
/// field with its name), slower, and refused where JSON refuses them. Each is read once as it is written,
/// and what its type asks for then is noted beside it: names, kinds and order. A reader that asks for
/// something else takes it for a miss. Refused is what does not read all that it writes, by the same
/// names in the same order; what has serde's `alias` on a field behind such a part; and a compound in there that
/// is read by looking at what is there. Without the feature `json` these types
/// are not storable in a format that does not describe itself.
///
/// A `Deserialize` that decides by a value what it asks for next, as one by hand may that reads a number
/// and then one of two kinds, is traced along one branch only. Along the others it reads nothing: a payload
/// that leads there is a miss, and a value of the type that would lead there is refused when it is written.
///
/// ```
/// use hitbox_backend::{
///     BincodeFormat, Format,
///     format::{FormatError, Visit, erased_serde},
/// };
/// use hitbox_core::FormatId;
///
/// /// bincode with every byte inverted.
/// #[derive(Debug)]
/// struct InvertedFormat;
///
/// impl Format for InvertedFormat {
///     fn id(&self) -> FormatId {
///         FormatId::custom(200)
///     }
///
///     fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
///         let mut payload = BincodeFormat.encode(value)?;
///         payload.iter_mut().for_each(|byte| *byte = !*byte);
///         Ok(payload)
///     }
///
///     fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
///         let payload: Vec<u8> = payload.iter().map(|byte| !byte).collect();
///         BincodeFormat.decode(&payload, visit)
///     }
/// }
///
/// assert_eq!(InvertedFormat.encode(&1_u8)?, [0xFE]);
/// # Ok::<(), FormatError>(())
/// ```
pub trait Format: Send + Sync + fmt::Debug {
    /// What stored forms name this format by.
    fn id(&self) -> FormatId;

    /// Whether a payload names its own fields and kinds, as JSON does, so that a payload of another
    /// type fails to decode by itself, and one of an older version of the type need not.
    ///
    /// So a struct is read by the names of its fields: a sequence is not taken for one, though its decoder
    /// may offer it.
    ///
    /// Payloads of a format that does not are stored with a fingerprint of their type, and one with
    /// another fingerprint than the reader's is a miss. A type that
    /// [has none](Self#types-that-cannot-be-told-apart) is not handed to such a format. Default: `false`.
    fn is_self_describing(&self) -> bool {
        false
    }

    /// The payload of `value`.
    ///
    /// # Errors
    ///
    /// A [`FormatError`] if the value cannot be encoded.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError>;

    /// Calls `visit` once with a deserializer over `payload`.
    ///
    /// # Errors
    ///
    /// A [`FormatError`] if `visit` fails, or if it leaves bytes of the payload unread.
    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError>;
}

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

/// A payload, and what it is stored as.
struct Encoded {
    payload: Vec<u8>,
    format: FormatId,
    shape: u64,
    /// What it takes to decode it, at most.
    demand: Demand,
    /// Whether only reading it can tell whether it can be read.
    needs_proof: bool,
}

impl Encoded {
    /// Whether decoding it may take more than a reader allows.
    fn may_be_over(&self, memory: usize) -> bool {
        let elements = self.payload.len().saturating_add(bounded::EMPTY_ELEMENTS);
        self.demand.memory > memory || self.demand.elements > elements
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

/// How much memory a byte of a payload is taken to need at most, where it is not known what a type asks
/// for. Only a type with elements that are larger by this factor than they are written needs more: such as
/// have a KiB of defaults each.
const MEMORY_OF_A_BYTE: usize = 1_024;

/// What was counted in parts, since the payload names what it holds; in bytes of memory, at most.
fn in_bytes<T: Cacheable>(parts: Demand, payload_length: usize) -> Demand {
    let shape = known::shape::<T>(Readable::ByHumans).ok();
    let memory = match shape.and_then(|shape| Some((shape.memory, shape.most_memory?))) {
        Some((first, most)) => parts.memory.saturating_mul(most).saturating_add(first),
        None => payload_length.saturating_mul(MEMORY_OF_A_BYTE),
    };
    Demand { memory, ..parts }
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

/// Whether a payload with this shape may be one of `T`. One without a shape nobody has named a type
/// for; whoever wrote it has to know.
fn is_of<T: Cacheable>(stored: u64, readable: Readable) -> bool {
    stored == 0 || known::shape::<T>(readable).is_ok_and(|expected| expected.fingerprint == stored)
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

/// Lets a [`Visit`] stand where the formats' generic functions take a seed.
struct VisitSeed<'a, 'v>(&'a mut Visit<'v>);

impl<'de> DeserializeSeed<'de> for VisitSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut erased = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        (self.0)(&mut erased).map_err(serde::de::Error::custom)
    }
}
