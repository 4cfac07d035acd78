//! Stored forms that somebody could have written: in order where it is checked first.

use bytes::Bytes;
use chrono::DateTime;
use fastrand::Rng;
use hitbox_backend::{
    BincodeFormat, Compressor, Format, JsonFormat, PostcardFormat,
    compression::{GzipCompressor, Lz4Compressor, NoCompression, ZstdCompressor},
    stored_form::{self, HEADER_LENGTH},
};
use hitbox_core::{CacheValue, CompressorId, Encoded, Encoding, Stamp};

use super::format;
use crate::Seed;

const FORMAT: usize = 5;
const COMPRESSOR: usize = 6;
const FLAGS: usize = 7;
const CHECKSUM: std::ops::Range<usize> = 8..12;
const METADATA: std::ops::Range<usize> = 12..16;
const SHAPE: std::ops::Range<usize> = 40..48;
const EXPIRE: std::ops::Range<usize> = 24..32;
const STALE: std::ops::Range<usize> = 32..40;

static GZIP: GzipCompressor = GzipCompressor::new();
static ZSTD: ZstdCompressor = ZstdCompressor::new();
static COMPRESSORS: [&dyn Compressor; 4] = [&NoCompression, &GZIP, &ZSTD, &Lz4Compressor];

/// Mostly, what the header is checked for before anything else is put right; not always, nor all.
pub(super) fn header(mut stored: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    if stored.len() < HEADER_LENGTH && random.bool() {
        stored.resize(HEADER_LENGTH, 0);
    }
    if stored.len() < HEADER_LENGTH {
        return stored;
    }
    if mostly(random) {
        stored[..5].copy_from_slice(b"\x89HB\n\x02");
    }
    if mostly(random) {
        stored[FLAGS] &= 0b11;
    }
    if random.u8(0..16) == 0 {
        // It says that there is no such thing.
        stored.truncate(HEADER_LENGTH);
        stored.extend([1, 0, 0]);
        stored[FORMAT] = 4;
        stored[METADATA].copy_from_slice(&3_u32.to_le_bytes());
    } else if mostly(random) {
        let metadata = if random.u8(0..8) > 0 {
            0
        } else {
            random.u8(..)
        };
        stored[METADATA].copy_from_slice(&u32::from(metadata).to_le_bytes());
        if let Some(section) = stored.get_mut(HEADER_LENGTH..HEADER_LENGTH + 3)
            && metadata >= 3
            && random.bool()
        {
            // One section that takes up all of it.
            section[0] |= 128;
            section[1..].copy_from_slice(&u16::from(metadata - 3).to_le_bytes());
        }
    }
    for (flag, time) in [(0b01, EXPIRE), (0b10, STALE)] {
        if stored[FLAGS] & flag == 0 && mostly(random) {
            stored[time].fill(0);
        }
    }
    if mostly(random) {
        seal(&mut stored);
    }
    stored
}

/// The same, with a payload in one of the formats, of a type that is not known, and perhaps
/// compressed.
pub(super) fn whole(mut stored: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    if stored.len() >= HEADER_LENGTH {
        if random.bool() {
            stored[SHAPE].fill(0);
        }
        if mostly(random) {
            stored[FORMAT] %= 4;
        }
        if random.u8(0..4) == 0
            && let Some(codec) = random.choice(COMPRESSORS)
            && let Ok(payload) = codec.compress(&stored[HEADER_LENGTH..])
        {
            stored.truncate(HEADER_LENGTH);
            stored.extend(payload);
            stored[COMPRESSOR] = codec.id().get();
        }
    }
    header(stored, random)
}

fn seal(stored: &mut [u8]) {
    stored[CHECKSUM].fill(0);
    let checksum = crc32fast::hash(stored);
    stored[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

fn mostly(random: &mut Rng) -> bool {
    random.u8(0..16) > 0
}

/// Values of all types in all formats, with and without times, each compressor once. The golden
/// files join them in the corpus.
pub(super) fn seeds() -> Vec<Seed> {
    let formats: [(&str, &dyn Format); 3] = [
        ("bincode", &BincodeFormat),
        ("json", &JsonFormat),
        ("postcard", &PostcardFormat),
    ];
    let mut seeds = Vec::new();
    for (index, (format_name, format)) in formats.into_iter().enumerate() {
        for (name, payload) in format::payloads(format) {
            let stored = stored(format, payload, COMPRESSORS[0], index);
            seeds.push((format!("{format_name}-{name}"), stored));
        }
    }
    for (name, codec) in ["gzip", "zstd", "lz4"].into_iter().zip(&COMPRESSORS[1..]) {
        let [.., (_, tree), _] = format::payloads(&BincodeFormat);
        let payload = tree.repeat(3);
        seeds.push((
            format!("{name}-left-over"),
            stored(&BincodeFormat, payload, *codec, 0),
        ));
        let text = PostcardFormat
            .encode(&"work ".repeat(100))
            .unwrap_or_default();
        seeds.push((
            format!("{name}-string"),
            stored(&PostcardFormat, text, *codec, 3),
        ));
    }
    seeds
}

fn stored(format: &dyn Format, payload: Vec<u8>, codec: &dyn Compressor, times: usize) -> Vec<u8> {
    let encoding = Encoding {
        format: format.id(),
        compressor: CompressorId::NONE,
        shape: 0,
    };
    let time = DateTime::from_timestamp_millis(4_922_911_200_000 + 1);
    let expire = time.filter(|_| times & 1 != 0);
    let stale = time.filter(|_| times & 2 != 0);
    let encoded = Encoded::new(Bytes::from(payload), encoding);
    let value = CacheValue::from_parts(encoded, expire, stale, Stamp::from_micros(1));
    let stored = stored_form::encode(&value, codec);
    stored.map(Vec::from).unwrap_or_default()
}
