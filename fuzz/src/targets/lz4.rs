//! The LZ4 decompressor.

use fastrand::Rng;
use hitbox_backend::compression::Lz4Compressor;
use twox_hash::XxHash32;

use super::{codec, named};
use crate::{Observed, Seed, Target};

pub(crate) const TARGET: Target = Target {
    name: "lz4",
    about: "a payload compressed with LZ4",
    run,
    adapt,
    seeds,
    tokens: &[
        b"\x04\x22\x4d\x18\x60\x40",
        b"\x04\x22\x4d\x18\x40\x50",
        // A block of a match that reaches back, an empty block that is not compressed, the end.
        b"\x07\0\0\0\x1f\x41\x01\0\xff\xff\x10",
        b"\0\0\0\x80",
        b"\0\0\0\0",
    ],
};

const MAGIC: usize = 4;
const HAS_DICTIONARY: u8 = 1;
const HAS_CONTENT_CHECKSUM: u8 = 1 << 2;
const HAS_CONTENT_SIZE: u8 = 1 << 3;
const HAS_BLOCK_CHECKSUMS: u8 = 1 << 4;

/// Decompresses the bytes under a limit.
///
/// # Panics
///
/// On anything but an error or a payload within the limit that comes back.
pub fn run(compressed: &[u8]) -> Observed {
    codec::run(&Lz4Compressor, compressed)
}

fn adapt(input: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    let mut frame = codec::wrap(&Lz4Compressor, input, random);
    if let Some(flags) = frame.get_mut(MAGIC)
        && random.u8(0..8) > 0
    {
        *flags &= !(HAS_CONTENT_CHECKSUM | HAS_BLOCK_CHECKSUMS);
    }
    if random.u8(0..16) > 0 {
        seal(&mut frame);
    }
    frame
}

/// Puts the checksum of the frame's header right.
fn seal(frame: &mut [u8]) {
    let Some(flags) = frame.get(MAGIC) else {
        return;
    };
    let size = if flags & HAS_CONTENT_SIZE == 0 { 0 } else { 8 };
    let dictionary = if flags & HAS_DICTIONARY == 0 { 0 } else { 4 };
    let end = MAGIC + 2 + size + dictionary;
    if let Some((header, [checksum, ..])) = frame.split_at_mut_checked(end) {
        let [_, second, _, _] = XxHash32::oneshot(0, &header[MAGIC..]).to_le_bytes();
        *checksum = second;
    }
}

fn seeds() -> Vec<Seed> {
    let mut seeds = codec::seeds(&Lz4Compressor);
    let sealed = |header: &[u8], rest: &[u8]| {
        let mut frame = [header, &[0], rest].concat();
        seal(&mut frame);
        frame
    };
    // Five literals, and a match that goes on for long; then literals, as the format has it.
    let block = b"\x10\0\0\0\x5fabcde\x05\0\xff\x20\x50fghij";
    seeds.extend(named([
        (
            "linked",
            sealed(
                b"\x04\x22\x4d\x18\x40\x50",
                &[&block[..], block, &[0; 4]].concat(),
            ),
        ),
        ("no-end", sealed(b"\x04\x22\x4d\x18\x60\x40", block)),
        (
            "plain-block",
            sealed(b"\x04\x22\x4d\x18\x60\x40", b"\x03\0\0\x80abc\0\0\0\0"),
        ),
        (
            "sized",
            sealed(
                b"\x04\x22\x4d\x18\x68\x40\x03\0\0\0\0\0\0\0",
                b"\x03\0\0\x80abc\0\0\0\0",
            ),
        ),
        ("large-blocks", sealed(b"\x04\x22\x4d\x18\x40\x70", block)),
        ("legacy", b"\x02\x21\x4c\x18\x06\0\0\0\x50abcde".to_vec()),
        (
            "two-frames",
            codec::compressed(&Lz4Compressor, b"one").repeat(2),
        ),
    ]));
    seeds
}
