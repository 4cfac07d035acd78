//! The Zstandard decompressor.

use fastrand::Rng;
use hitbox_backend::compression::ZstdCompressor;

use super::{codec, named};
use crate::{Observed, Seed, Target};

pub(crate) const TARGET: Target = Target {
    name: "zstd",
    about: "a payload compressed with Zstandard",
    run,
    adapt,
    seeds,
    tokens: &[
        b"\x28\xb5\x2f\xfd",
        // A skippable frame, an empty last block, and a block that repeats one byte.
        b"\x50\x2a\x4d\x18\x01\0\0\0\0",
        b"\x01\0\0",
        b"\x03\xff\x0f\x41",
    ],
};

static ZSTD: ZstdCompressor = ZstdCompressor::new();

/// Bit 2 of the frame's descriptor: a checksum of the content follows.
const HAS_CHECKSUM: u8 = 0b100;

/// Decompresses the bytes under a limit.
///
/// # Panics
///
/// On anything but an error or a payload within the limit that comes back.
pub fn run(compressed: &[u8]) -> Observed {
    codec::run(&ZSTD, compressed)
}

fn adapt(input: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    let mut frame = codec::wrap(&ZSTD, input, random);
    if let Some(descriptor) = frame.get_mut(4)
        && random.u8(0..8) > 0
    {
        *descriptor &= !HAS_CHECKSUM;
    }
    frame
}

fn seeds() -> Vec<Seed> {
    let mut seeds = codec::seeds(&ZSTD);
    let best = ZstdCompressor::with_level(19)
        .map(|codec| codec::compressed(&codec, &b"abcabcabd".repeat(30)));
    seeds.extend(named([
        ("level-19", best.unwrap_or_default()),
        // A window of 128 MiB, and one block of a byte repeated.
        (
            "large-window",
            b"\x28\xb5\x2f\xfd\0\x88\x23\0\0\x41".to_vec(),
        ),
        // The same in a frame that says that it has four bytes.
        ("repeated", b"\x28\xb5\x2f\xfd\x20\x04\x23\0\0\x41".to_vec()),
        ("skippable", b"\x50\x2a\x4d\x18\x04\0\0\0skip".to_vec()),
        ("two-frames", codec::compressed(&ZSTD, b"one").repeat(2)),
    ]));
    seeds
}
