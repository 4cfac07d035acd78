use std::io::{self, Read, Write};

use hitbox_core::CompressorId;
use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{CompressionError, Compressor, bounded_read::read_to_limit, trailing_bytes};

/// The largest block of a frame. The decoder makes room for up to three of them before it has seen
/// the first, and the format knows blocks of up to 8 MiB: far more than a small limit allows.
const LARGEST_BLOCK: usize = 256 * 1024;

/// LZ4 in its frame format: the fastest, and it compresses least. It has no levels. Frames with
/// blocks of more than 256 KiB are not read, nor written.
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
        let info = FrameInfo::new().block_size(block_for(payload.len()));
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(payload)?;
        encoder
            .finish()
            .map_err(|error| CompressionError::Codec(error.into()))
    }

    fn decompress(&self, compressed: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
        if !has_small_blocks(compressed) {
            return Err(CompressionError::Codec(io::ErrorKind::InvalidData.into()));
        }
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

fn block_for(length: usize) -> BlockSize {
    if length <= 64 * 1024 {
        BlockSize::Max64KB
    } else {
        BlockSize::Max256KB
    }
}

/// Whether this begins a frame, not of the legacy kind, whose blocks have 64 or 256 KiB at most.
fn has_small_blocks(compressed: &[u8]) -> bool {
    // Magic, flags, and a byte with the size of the blocks in bits 4 to 6: 4 is 64 KiB, and each
    // step is four times as much. The decoder checks all else.
    match compressed {
        [0x04, 0x22, 0x4D, 0x18, _flags, blocks, ..] => {
            let step = u32::from(blocks >> 4 & 0b111);
            1_usize << (2 * step + 8) <= LARGEST_BLOCK
        }
        _ => false,
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
