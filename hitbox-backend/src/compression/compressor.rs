use std::{fmt, io};

use hitbox_core::CompressorId;

/// Why a payload could not be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressionError {
    /// The decompressed payload would be larger than the limit.
    #[error("the payload decompresses to more than {limit} bytes")]
    OverLimit {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The codec failed: the bytes are not what it wrote, or it could not write.
    #[error("the codec failed")]
    Codec(#[from] io::Error),
}

/// A compression codec.
///
/// Implement it to use one that hitbox does not bring, with an id from
/// [`CompressorId::custom`].
pub trait Compressor: Send + Sync + fmt::Debug {
    /// What stored forms name this codec by.
    fn id(&self) -> CompressorId;

    /// The compressed form of `payload`.
    ///
    /// # Errors
    ///
    /// [`CompressionError::Codec`] if the codec fails.
    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError>;

    /// What [`compress`](Self::compress) was given.
    ///
    /// # Errors
    ///
    /// [`CompressionError::OverLimit`] if that is more than `limit` bytes, found out without
    /// allocating much more than `limit`; [`CompressionError::Codec`] if the bytes are not what the
    /// codec writes.
    fn decompress(&self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError>;
}

impl<C: Compressor + ?Sized> Compressor for &C {
    fn id(&self) -> CompressorId {
        (**self).id()
    }

    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        (**self).compress(payload)
    }

    fn decompress(&self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        (**self).decompress(compressed, limit)
    }
}

/// Stores payloads as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCompression;

impl Compressor for NoCompression {
    fn id(&self) -> CompressorId {
        CompressorId::NONE
    }

    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        Ok(payload.to_vec())
    }

    fn decompress(&self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        if compressed.len() > limit {
            return Err(CompressionError::OverLimit { limit });
        }
        Ok(compressed.to_vec())
    }
}

#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
pub(super) fn trailing_bytes() -> CompressionError {
    CompressionError::Codec(io::Error::new(
        io::ErrorKind::InvalidData,
        "bytes after the end of the compressed payload",
    ))
}
