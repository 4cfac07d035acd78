//! The bytes that a byte store keeps per key: a header and the payload.
//!
//! The layout is described byte by byte in `docs/stored-form.md`. It is self-describing: any
//! process can read what any other wrote, whatever format and compressor each is configured with.

mod header;
mod metadata;

use bytes::{BufMut, Bytes, BytesMut};
use hitbox_core::{CacheValue, CompressorId, Encoded, Encoding};

use crate::{
    Rejection,
    compression::{CompressionError, Compressor},
};
use header::Fields;
pub use header::{HEADER_LENGTH, Header};

/// The stored form of `value`, compressed by `compressor` if it is not compressed yet and if that
/// makes it smaller.
///
/// # Errors
///
/// What [`Compressor::compress`] returns.
///
/// ```
/// use bytes::Bytes;
/// use hitbox_backend::{compression::NoCompression, stored_form};
/// use hitbox_core::{CacheValue, Encoded, Stamp};
///
/// let value = CacheValue::loaded(Encoded::from(Bytes::from_static(b"payload")), Stamp::now());
/// let stored = stored_form::encode(&value, &NoCompression)?;
/// assert_eq!(stored_form::decode(&stored), Ok(value));
/// # Ok::<(), hitbox_backend::compression::CompressionError>(())
/// ```
pub fn encode(
    value: &CacheValue<Encoded>,
    compressor: &dyn Compressor,
) -> Result<Bytes, CompressionError> {
    let value = compress(value, compressor)?;
    let header = Header::of(&value);
    let metadata = metadata::encode(value.data().meta().map(AsRef::as_ref));
    let payload = value.data().payload();
    let mut stored = BytesMut::with_capacity(HEADER_LENGTH + metadata.len() + payload.len());
    stored.put_slice(&header.to_bytes(&metadata));
    stored.put_slice(&metadata);
    stored.put_slice(payload);
    header::seal(&mut stored);
    Ok(stored.freeze())
}

/// The value as [`encode`] stores it: with its payload compressed, if that makes it smaller.
///
/// # Errors
///
/// What [`Compressor::compress`] returns.
pub(crate) fn compress(
    value: &CacheValue<Encoded>,
    compressor: &dyn Compressor,
) -> Result<CacheValue<Encoded>, CompressionError> {
    let encoded = value.data();
    let encoding = encoded.encoding();
    if compressor.id() == CompressorId::NONE || encoding.compressor != CompressorId::NONE {
        return Ok(value.clone());
    }
    let compressed = compressor.compress(encoded.payload())?;
    if compressed.len() >= encoded.payload().len() {
        return Ok(value.clone());
    }
    let encoding = Encoding {
        compressor: compressor.id(),
        ..encoding
    };
    let compressed = Encoded::new(Bytes::from(compressed), encoding);
    let compressed = compressed.with_meta(encoded.meta().cloned());
    Ok(value.clone().map(|_| compressed))
}

/// The value that `stored` holds, expired or not. The payload is not copied.
///
/// # Errors
///
/// A [`Rejection`] for bytes that [`encode`] did not write or that have changed since.
pub fn decode(stored: &Bytes) -> Result<CacheValue<Encoded>, Rejection> {
    decode_owned(stored.clone())
}

/// [`decode`] of bytes that nobody else needs, which saves counting one more reference to them.
///
/// # Errors
///
/// The same as those of [`decode`].
pub fn decode_owned(stored: Bytes) -> Result<CacheValue<Encoded>, Rejection> {
    Fields::parse(&stored)?.into_value(stored)
}
