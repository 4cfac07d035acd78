use ::zstd::{bulk, stream::read::Decoder, zstd_safe};
use hitbox_core::CompressorId;

use super::{
    CompressionError, Compressor, UnknownLevel, bounded_read::read_to_limit, trailing_bytes,
};

/// The smallest window that the format knows, as a power of two.
const SMALLEST_WINDOW: u32 = 10;
/// The largest window that the codec reads on every platform, as a power of two.
const LARGEST_WINDOW: u32 = 30;

/// Zstandard (RFC 8878): the best ratio for its speed.
///
/// ```
/// use hitbox_backend::compression::{Compressor, ZstdCompressor};
///
/// let zstd = ZstdCompressor::with_level(9)?;
/// let compressed = zstd.compress(&[7; 1_000])?;
/// assert!(compressed.len() < 100);
/// assert_eq!(zstd.decompress(&compressed, 1_000)?, [7; 1_000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ZstdCompressor {
    level: i32,
}

impl ZstdCompressor {
    /// Compresses at the default level, 3.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            level: ::zstd::DEFAULT_COMPRESSION_LEVEL,
        }
    }

    /// Compresses at a level from 1 (fastest) to 22 (smallest, slowest, and hungry for memory).
    /// Negative levels, down to -131072, are faster still and compress less; 0 is the default, 3.
    ///
    /// # Errors
    ///
    /// [`UnknownLevel`] for any other level.
    pub fn with_level(level: i32) -> Result<Self, UnknownLevel> {
        let levels = ::zstd::compression_level_range();
        if !levels.contains(&level) {
            return Err(UnknownLevel {
                codec: "zstd",
                level: level.into(),
                lowest: (*levels.start()).into(),
                highest: (*levels.end()).into(),
            });
        }
        Ok(Self { level })
    }
}

impl Default for ZstdCompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compressor for ZstdCompressor {
    fn id(&self) -> CompressorId {
        CompressorId::ZSTD
    }

    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        Ok(bulk::compress(payload, self.level)?)
    }

    fn decompress(&self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        // What the frame says of itself may refuse it, never vouch for it.
        if let Ok(Some(size)) = zstd_safe::get_frame_content_size(compressed)
            && size > limit as u64
        {
            return Err(CompressionError::OverLimit { limit });
        }
        let mut decoder = Decoder::with_buffer(compressed)?.single_frame();
        decoder.window_log_max(window_for(limit))?;
        let payload = read_to_limit(&mut decoder, limit)?;
        decoder.finish_frame()?;
        if !decoder.into_inner().is_empty() {
            return Err(trailing_bytes());
        }
        Ok(payload)
    }
}

/// The window that a payload of `limit` bytes needs, as a power of two. The codec allocates what
/// the frame asks for before it has decoded anything, up to 128 MiB if nobody stops it.
fn window_for(limit: usize) -> u32 {
    let largest = limit.max(1) - 1;
    (usize::BITS - largest.leading_zeros()).clamp(SMALLEST_WINDOW, LARGEST_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_holds_the_limit_and_not_twice_as_much() {
        assert_eq!(window_for(0), 10);
        assert_eq!(window_for(1 << 10), 10);
        assert_eq!(window_for((1 << 10) + 1), 11);
        assert_eq!(window_for(64 << 20), 26);
        assert_eq!(window_for(usize::MAX), 30);
    }
}
