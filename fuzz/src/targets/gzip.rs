//! The gzip decompressor.

use fastrand::Rng;
use flate2::{Decompress, FlushDecompress};
use hitbox_backend::compression::GzipCompressor;

use super::{codec, named};
use crate::{Observed, Seed, Target};

pub(crate) const TARGET: Target = Target {
    name: "gzip",
    about: "a payload compressed with gzip",
    run,
    adapt,
    seeds,
    tokens: &[
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
        // Blocks that are stored, and ones with fixed and dynamic codes; each the last.
        b"\x01\x05\0\xfa\xff",
        b"\x03\0",
        b"\x05",
    ],
};

static GZIP: GzipCompressor = GzipCompressor::new();

const HEADER: usize = 10;

/// Decompresses the bytes under a limit.
///
/// # Panics
///
/// On anything but an error or a payload within the limit that comes back.
pub fn run(compressed: &[u8]) -> Observed {
    codec::run(&GZIP, compressed)
}

fn adapt(input: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    let frame = codec::wrap(&GZIP, input, random);
    if random.bool() {
        return frame;
    }
    with_checksum(&frame).unwrap_or(frame)
}

/// The same member with the checksum and the length that its content has, if it has any.
fn with_checksum(member: &[u8]) -> Option<Vec<u8>> {
    // Nothing optional between the header and the content.
    let flags = *member.get(3)?;
    if flags != 0 {
        return None;
    }
    let mut content = Vec::with_capacity(1 << 16);
    let mut inflating = Decompress::new(false);
    inflating
        .decompress_vec(member.get(HEADER..)?, &mut content, FlushDecompress::Finish)
        .ok()?;
    let end = HEADER + usize::try_from(inflating.total_in()).ok()?;
    let mut whole = member.get(..end)?.to_vec();
    whole.extend(crc32fast::hash(&content).to_le_bytes());
    whole.extend(u32::try_from(content.len()).ok()?.to_le_bytes());
    Some(whole)
}

fn seeds() -> Vec<Seed> {
    let mut seeds = codec::seeds(&GZIP);
    let stored = GzipCompressor::with_level(0).map(|codec| codec::compressed(&codec, b"stored"));
    seeds.extend(named([
        ("stored", stored.unwrap_or_default()),
        ("all-fields", with_all_fields()),
        ("two-members", codec::compressed(&GZIP, b"one").repeat(2)),
    ]));
    seeds
}

/// A header with everything that is optional, which decompressors have to skip.
fn with_all_fields() -> Vec<u8> {
    let mut member = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff".to_vec();
    member.extend(b"\x04\0morea name\0a comment\0");
    let [low, high, ..] = crc32fast::hash(&member).to_le_bytes();
    member.extend([low, high]);
    member.extend(b"\x03\0\0\0\0\0\0\0\0\0");
    member
}
