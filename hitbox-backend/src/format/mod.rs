//! How typed values become payloads and back.

mod bincode;
mod bounded;
mod checked;
#[cfg(feature = "json")]
mod json;
mod known;
#[cfg(feature = "postcard")]
mod postcard;
mod round_trip;
mod shape;

use std::{fmt, marker::PhantomData};

use bytes::Bytes;
use hitbox_core::{CompressorId, Encoding, FormatId};
use serde::de::DeserializeSeed;

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
    /// Payloads of a format that does not are stored with a fingerprint of their type, and one with
    /// another fingerprint than the reader's is a miss. Default: `false`.
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

/// Encodes an object, and says how.
///
/// # Errors
///
/// A [`FormatError`] if the value cannot be encoded, or if it is the first of its type on this
/// thread and cannot be decoded again.
pub(crate) fn encode<T: Cacheable>(
    format: &dyn Format,
    object: &T,
) -> Result<(Bytes, Encoding), FormatError> {
    let id = format.id();
    let payload = match id {
        FormatId::BINCODE => bincode::encode(object),
        #[cfg(feature = "json")]
        FormatId::JSON => json::encode(object),
        #[cfg(feature = "postcard")]
        FormatId::POSTCARD => postcard::encode(object),
        _ => format.encode(object),
    }?;
    round_trip::check_first::<T>(id, || decode_payload::<T>(format, &payload))?;
    let encoding = Encoding {
        format: id,
        compressor: CompressorId::NONE,
        shape: shape_in::<T>(format),
    };
    Ok((Bytes::from(payload), encoding))
}

/// Decodes an (uncompressed) payload that was encoded as `encoding` says, by `format`.
///
/// # Errors
///
/// [`Rejection::Type`] if the payload says it is of another type, [`Rejection::Undecodable`] if the
/// format cannot make a `T` of it.
pub(crate) fn decode<T: Cacheable>(
    format: &dyn Format,
    payload: &[u8],
    encoding: Encoding,
) -> Result<T, Rejection> {
    if encoding.shape != 0 {
        let expected = shape_in::<T>(format);
        if expected != 0 && expected != encoding.shape {
            return Err(Rejection::Type);
        }
    }
    decode_payload(format, payload).map_err(|error| {
        if matches!(error, FormatError::NotRoundTrip { .. }) {
            // A variant that the first value of the type did not have. The next write is to say so.
            round_trip::doubt::<T>(format.id());
        }
        Rejection::Undecodable
    })
}

fn shape_in<T: Cacheable>(format: &dyn Format) -> u32 {
    if format.is_self_describing() {
        0
    } else {
        known::shape::<T>()
    }
}

fn decode_payload<T: Cacheable>(format: &dyn Format, payload: &[u8]) -> Result<T, FormatError> {
    match format.id() {
        FormatId::BINCODE => bincode::decode(payload, PhantomData),
        #[cfg(feature = "json")]
        FormatId::JSON => json::decode(payload, PhantomData),
        #[cfg(feature = "postcard")]
        FormatId::POSTCARD => postcard::decode(payload, PhantomData),
        _ => decode_erased(format, payload),
    }
}

fn decode_erased<T: Cacheable>(format: &dyn Format, payload: &[u8]) -> Result<T, FormatError> {
    let mut decoded = None;
    format.decode(payload, &mut |deserializer| {
        decoded = Some(T::deserialize(deserializer)?);
        Ok(())
    })?;
    decoded.ok_or_else(|| FormatError::decode("the format", "it did not decode anything"))
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
