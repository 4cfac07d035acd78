use std::io::Write;

use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use hitbox_core::CompressorId;

use super::{
    CompressionError, Compressor, UnknownLevel, bounded_read::read_to_limit, trailing_bytes,
};

const HIGHEST: u32 = 9;

/// gzip (RFC 1952): for stores that other programs read. zstd is both smaller and faster.
///
/// ```
/// use hitbox_backend::compression::{Compressor, GzipCompressor};
///
/// let gzip = GzipCompressor::with_level(9)?;
/// let compressed = gzip.compress(&[7; 1_000])?;
/// assert!(compressed.len() < 100);
/// assert_eq!(gzip.decompress(&compressed, 1_000)?, [7; 1_000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GzipCompressor {
    level: u32,
}

impl GzipCompressor {
    /// Compresses at the default level, 6.
    #[must_use]
    pub const fn new() -> Self {
        Self { level: 6 }
    }

    /// Compresses at a level from 0 (not at all) to 9 (smallest, slowest). The default is 6.
    ///
    /// # Errors
    ///
    /// [`UnknownLevel`] for any other level.
    pub fn with_level(level: u32) -> Result<Self, UnknownLevel> {
        if level > HIGHEST {
            return Err(UnknownLevel {
                codec: "gzip",
                level: level.into(),
                lowest: 0,
                highest: HIGHEST.into(),
            });
        }
        Ok(Self { level })
    }
}

impl Default for GzipCompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compressor for GzipCompressor {
    fn id(&self) -> CompressorId {
        CompressorId::GZIP
    }

    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(self.level));
        encoder.write_all(payload)?;
        Ok(encoder.finish()?)
    }

    fn decompress(&self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        let mut decoder = GzDecoder::new(compressed);
        let payload = read_to_limit(&mut decoder, limit)?;
        if !decoder.into_inner().is_empty() {
            return Err(trailing_bytes());
        }
        Ok(payload)
    }
}
