//! How typed values become payloads and back.

use std::fmt;

use bytes::Bytes;
use hitbox_core::{Encoding, FormatId};

use crate::{Cacheable, Rejection};

/// Why a value could not be encoded, or a payload not decoded.
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

/// What a [`Format`] hands its decoder to.
pub type Visit<'v> =
    dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error> + 'v;

/// A serialization format.
///
/// Implement it to use one that hitbox does not bring, with an id from [`FormatId::custom`].
pub trait Format: Send + Sync + fmt::Debug {
    /// What stored forms name this format by.
    fn id(&self) -> FormatId;

    /// The payload of `value`.
    ///
    /// # Errors
    ///
    /// A [`FormatError`] if the value cannot be encoded.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError>;

    /// Calls `visit` with a deserializer over `payload`.
    ///
    /// # Errors
    ///
    /// A [`FormatError`] if `visit` fails, or if it leaves bytes of the payload unread.
    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError>;
}

/// bincode 2 in its standard configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct BincodeFormat;

impl Format for BincodeFormat {
    fn id(&self) -> FormatId {
        FormatId::BINCODE
    }
    fn encode(&self, _value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        unimplemented!()
    }
    fn decode(&self, _payload: &[u8], _visit: &mut Visit<'_>) -> Result<(), FormatError> {
        unimplemented!()
    }
}

/// The format with this id, if it is compiled in.
pub(crate) fn built_in(id: FormatId) -> Option<&'static dyn Format> {
    (id == FormatId::BINCODE).then_some(&BincodeFormat)
}

/// Encodes an object, and says how.
pub(crate) fn encode<T: Cacheable>(
    format: &dyn Format,
    object: &T,
) -> Result<(Bytes, Encoding), FormatError> {
    let _ = (format, object);
    unimplemented!()
}

/// Decodes an (uncompressed) payload that was encoded as `encoding` says, by `format`.
pub(crate) fn decode<T: Cacheable>(
    format: &dyn Format,
    payload: &[u8],
    encoding: Encoding,
) -> Result<T, Rejection> {
    let _ = (format, payload, encoding);
    unimplemented!()
}
