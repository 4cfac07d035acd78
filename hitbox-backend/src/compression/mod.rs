//! What a backend can do to payloads as it stores them.

#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
mod bounded_read;
mod compressor;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod level;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "zstd")]
mod zstd;

use hitbox_core::CompressorId;

#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
use self::compressor::trailing_bytes;
pub use self::compressor::{CompressionError, Compressor, NoCompression};
#[cfg(feature = "gzip")]
pub use self::gzip::GzipCompressor;
#[cfg(any(feature = "gzip", feature = "zstd"))]
pub use self::level::UnknownLevel;
#[cfg(feature = "lz4")]
pub use self::lz4::Lz4Compressor;
#[cfg(feature = "zstd")]
pub use self::zstd::ZstdCompressor;

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
