//! What a backend can do to payloads as it stores them.

#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
mod bounded_read;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod level;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "zstd")]
mod zstd;

use std::{fmt, io};

use hitbox_core::CompressorId;

#[cfg(feature = "gzip")]
pub use self::gzip::GzipCompressor;
#[cfg(any(feature = "gzip", feature = "zstd"))]
pub use self::level::UnknownLevel;
#[cfg(feature = "lz4")]
pub use self::lz4::Lz4Compressor;
#[cfg(feature = "zstd")]
pub use self::zstd::ZstdCompressor;

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

/// The compressor with this id, if it is compiled in.
pub(crate) fn built_in(id: CompressorId) -> Option<&'static dyn Compressor> {
    match id {
        CompressorId::NONE => Some(&NoCompression),
        // A level matters to who compresses, not to who decompresses.
        #[cfg(feature = "gzip")]
        CompressorId::GZIP => Some(const { &GzipCompressor::new() }),
        #[cfg(feature = "zstd")]
        CompressorId::ZSTD => Some(const { &ZstdCompressor::new() }),
        #[cfg(feature = "lz4")]
        CompressorId::LZ4 => Some(&Lz4Compressor),
        _ => None,
    }
}

#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
fn trailing_bytes() -> CompressionError {
    CompressionError::Codec(io::Error::new(
        io::ErrorKind::InvalidData,
        "bytes after the end of the compressed payload",
    ))
}
