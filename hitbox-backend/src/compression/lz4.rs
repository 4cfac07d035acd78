use std::io::{self, Read, Write};

use hitbox_core::CompressorId;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

use super::{CompressionError, Compressor, bounded_read::read_to_limit, trailing_bytes};

/// LZ4 in its frame format: the fastest, and it compresses least. It has no levels.
///
/// ```
/// use hitbox_backend::compression::{Compressor, Lz4Compressor};
///
/// let compressed = Lz4Compressor.compress(&[7; 1_000])?;
/// assert!(compressed.len() < 100);
/// assert_eq!(Lz4Compressor.decompress(&compressed, 1_000)?, [7; 1_000]);
/// # Ok::<(), hitbox_backend::compression::CompressionError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Lz4Compressor;

impl Compressor for Lz4Compressor {
    fn id(&self) -> CompressorId {
        CompressorId::LZ4
    }

    fn compress(&self, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
        let mut encoder = FrameEncoder::new(Vec::new());
        encoder.write_all(payload)?;
        encoder
            .finish()
            .map_err(|error| CompressionError::Codec(error.into()))
    }

    fn decompress(&self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        let mut decoder = FrameDecoder::new(Frame {
            rest: compressed,
            ended_early: false,
        });
        let payload = read_to_limit(&mut decoder, limit)?;
        let frame = decoder.into_inner();
        if frame.ended_early {
            return Err(CompressionError::Codec(io::ErrorKind::UnexpectedEof.into()));
        }
        if !frame.rest.is_empty() {
            return Err(trailing_bytes());
        }
        Ok(payload)
    }
}

/// Notices that the decoder asked for more than there is. `lz4_flex` takes a frame that is cut off
/// between two blocks for a whole one.
struct Frame<'a> {
    rest: &'a [u8],
    ended_early: bool,
}

impl Read for Frame<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(buffer)?;
        self.ended_early |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}
