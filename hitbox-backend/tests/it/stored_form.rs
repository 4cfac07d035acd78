//! The stored form: pinned by golden files, and what is not one is rejected for the right reason.
//!
//! `HITBOX_WRITE_GOLDEN=1 cargo test -p hitbox-backend --test it -- stored_form::` writes the golden files
//! anew. A change in them means that a released version cannot read what this one stores.

use std::{fs, path::PathBuf, sync::Arc};

use crate::byte_store::ByteStore;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hitbox_backend::{
    BincodeFormat, CacheBackend, Cacheable, Compressor, Described, Format, JsonFormat, Known,
    PostcardFormat, Rejection, StoreSettings,
    compression::{GzipCompressor, Lz4Compressor, NoCompression, ZstdCompressor},
    stored_form::{self, HEADER_LENGTH},
};
use hitbox_core::{
    CacheContext, CacheKey, CacheStatus, CacheValue, CompressorId, Encoded, Encoding, FormatId,
    LogMark, Meta, Stamp, TagSet,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    tags: Vec<String>,
}

fn user() -> User {
    User {
        id: 1815,
        name: "Ada".into(),
        tags: vec!["maths".into(), "engines".into()],
    }
}

fn long_text() -> String {
    "All work and no cache makes a dull service. ".repeat(8)
}

const CREATED: Stamp = Stamp::from_micros(1_767_225_600_000_001);

fn expire() -> DateTime<Utc> {
    "2126-01-02T03:04:05.678Z".parse().unwrap()
}

fn stale() -> DateTime<Utc> {
    "2125-12-31T23:59:59.999Z".parse().unwrap()
}

fn key() -> CacheKey {
    CacheKey::from_pair("key", "1")
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn get<T: Cacheable>(store: &ByteStore) -> Option<CacheValue<Arc<T>>> {
    let mut context = CacheContext::default().boxed();
    let found = block_on(store.get_with::<T>(&key(), &mut context)).unwrap();
    let hit = context.status() != CacheStatus::Miss;
    assert_eq!(hit, found.is_some());
    found
}

static GZIP: GzipCompressor = GzipCompressor::new();
static ZSTD: ZstdCompressor = ZstdCompressor::new();

const GOLDEN: [&str; 9] = [
    "bincode.bin",
    "json-expire-stale.bin",
    "postcard-expire.bin",
    "gzip.bin",
    "zstd.bin",
    "lz4.bin",
    "opaque-empty.bin",
    "absent-expire-stale.bin",
    "tagged-marked-expire.bin",
];

fn golden_path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name]
        .iter()
        .collect()
}

/// The golden file, written first if the environment asks for it.
fn golden(name: &str, written_now: impl FnOnce() -> Bytes) -> Bytes {
    let path = golden_path(name);
    if std::env::var_os("HITBOX_WRITE_GOLDEN").is_some() {
        fs::write(&path, written_now()).unwrap();
    }
    Bytes::from(fs::read(path).unwrap())
}

fn store_of<T: Cacheable>(
    format: &'static dyn Format,
    compressor: &'static dyn Compressor,
    value: CacheValue<T>,
) -> Bytes {
    let settings = StoreSettings::new().value_format(format);
    let store = ByteStore::with(settings.compressor(compressor));
    block_on(store.set(&key(), value.shared())).unwrap();
    store.stored().unwrap()
}

/// Reads the golden file with a backend that is configured for none of its settings.
#[track_caller]
fn assert_golden<T: Cacheable + Clone + PartialEq + std::fmt::Debug>(
    name: &str,
    format: &'static dyn Format,
    compressor: &'static dyn Compressor,
    value: &CacheValue<T>,
) {
    let written_now = store_of(format, compressor, value.clone());
    let stored = golden(name, || written_now.clone());
    // Codecs may compress better one day; what they wrote has to stay readable.
    if compressor.id() == CompressorId::NONE {
        assert_eq!(stored, written_now, "{name}");
    }

    let other_format: &dyn Format = if format.id() == FormatId::JSON {
        &BincodeFormat
    } else {
        &JsonFormat
    };
    let store = ByteStore::new(other_format);
    store.put(stored.clone());
    let (object, expire, stale, created) = get::<T>(&store).unwrap().into_parts();
    assert_eq!(&*object, value.data());
    assert_eq!((expire, stale), (value.expire(), value.stale()));
    assert_eq!(created, value.created());

    let encoding = stored_form::decode(&stored).unwrap().data().encoding();
    assert_eq!(encoding.format, format.id());
    assert_eq!(encoding.compressor, compressor.id());
    assert_eq!(encoding.shape == 0, format.is_self_describing());
}

#[test]
fn golden_files_of_each_format() {
    let bare = CacheValue::loaded(user(), CREATED);
    assert_golden("bincode.bin", &BincodeFormat, &NoCompression, &bare);

    let both = CacheValue::loaded(user(), CREATED)
        .expires_at(expire())
        .stale_at(stale());
    assert_golden("json-expire-stale.bin", &JsonFormat, &NoCompression, &both);

    let expiring = CacheValue::loaded(user(), CREATED).expires_at(expire());
    assert_golden(
        "postcard-expire.bin",
        &PostcardFormat,
        &NoCompression,
        &expiring,
    );
}

#[test]
fn golden_files_of_each_compressor() {
    let text = CacheValue::loaded(long_text(), CREATED).stale_at(stale());
    assert_golden("gzip.bin", &BincodeFormat, &GZIP, &text);
    assert_golden("zstd.bin", &BincodeFormat, &ZSTD, &text);
    assert_golden("lz4.bin", &BincodeFormat, &Lz4Compressor, &text);
}

#[test]
fn golden_file_of_an_opaque_empty_payload() {
    let value = CacheValue::loaded(Encoded::from(Bytes::new()), CREATED);
    let written_now = stored_form::encode(&value, &NoCompression).unwrap();
    let stored = golden("opaque-empty.bin", || written_now.clone());
    assert_eq!(stored, written_now);
    assert_eq!(stored.len(), HEADER_LENGTH);
    assert_eq!(stored_form::decode(&stored), Ok(value));

    let store = ByteStore::new(&BincodeFormat);
    store.put(stored);
    assert!(get::<()>(&store).is_some());
}

#[test]
fn golden_file_of_what_has_tags() {
    let mark = LogMark::from_bits(0x0102_0304_0506_0708);
    let meta = Meta::tagged(TagSet::of(["users", "team:7"]).unwrap()).marked(mark);
    let known = Described {
        known: Known::Present(Arc::new(user())),
        meta: Some(Arc::new(meta.clone())),
    };
    let value = CacheValue::loaded(known, CREATED).expires_at(expire());
    let store = ByteStore::new(&JsonFormat);
    block_on(store.set_known(&key(), value)).unwrap();
    let written_now = store.stored().unwrap();
    let stored = golden("tagged-marked-expire.bin", || written_now.clone());
    assert_eq!(stored, written_now);
    let sections = b"\x02\x16\x00\x01\x08\x07\x06\x05\x04\x03\x02\x01\x05users\x06team:7";
    assert_eq!(stored[HEADER_LENGTH..].first_chunk(), Some(sections));
    let decoded = stored_form::decode(&stored).unwrap();
    assert_eq!(decoded.data().meta().map(AsRef::as_ref), Some(&meta));
    assert_eq!(*get::<User>(&store).unwrap().into_inner(), user());
}

#[test]
fn golden_file_of_what_is_absent() {
    let value = CacheValue::loaded(Known::<User>::Absent, CREATED)
        .expires_at(expire())
        .stale_at(stale());
    let store = ByteStore::new(&BincodeFormat);
    block_on(store.set_known(&key(), value.clone())).unwrap();
    let written_now = store.stored().unwrap();
    let stored = golden("absent-expire-stale.bin", || written_now.clone());
    assert_eq!(stored, written_now);
    assert_eq!(stored.len(), HEADER_LENGTH + 3);
    assert!(
        stored_form::decode(&stored)
            .unwrap()
            .data()
            .meta()
            .is_some()
    );

    for format in [&BincodeFormat as &'static dyn Format, &JsonFormat] {
        let store = ByteStore::with(StoreSettings::new().value_format(format).compressor(GZIP));
        store.put(stored.clone());
        let mut context = CacheContext::default().boxed();
        let known = block_on(store.get_known::<User>(&key(), &mut context)).unwrap();
        assert_eq!(known, Some(value.clone()));
        assert_eq!(context.status(), CacheStatus::Hit);
        // To who asks for a value there is none, and nothing is wrong with what is stored.
        assert!(get::<User>(&store).is_none());
        assert_eq!(store.rejected_in_all(), 0);
    }
}

/// The worked example of `docs/stored-form.md`, byte by byte.
#[test]
fn the_documented_example_is_what_is_stored() {
    let documentation = include_str!("../../../docs/stored-form.md");
    let (_, example) = documentation.split_once("```hex\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let documented: Vec<u8> = example
        .lines()
        .flat_map(|line| line.split("  ").next().unwrap().split(' '))
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let stored = fs::read(golden_path("bincode.bin")).unwrap();
    assert_eq!(documented, stored);
}

#[test]
fn every_flipped_bit_of_a_golden_file_is_rejected() {
    for name in GOLDEN {
        let stored = fs::read(golden_path(name)).unwrap();
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let outcome = stored_form::decode(&Bytes::from(flipped));
            let expected = match bit / 8 {
                // The magic of leases is one bit away.
                _ if bit == 24 => Rejection::Lease,
                0..4 => Rejection::Foreign,
                4 => Rejection::Version,
                _ => Rejection::Checksum,
            };
            assert_eq!(outcome, Err(expected), "{name}: bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_every_extension_of_a_golden_file_is_rejected() {
    for name in GOLDEN {
        let stored = fs::read(golden_path(name)).unwrap();
        for length in 0..stored.len() {
            let outcome = stored_form::decode(&Bytes::copy_from_slice(&stored[..length]));
            let expected = match length {
                0..4 => Rejection::Foreign,
                4..HEADER_LENGTH => Rejection::Malformed,
                _ => Rejection::Checksum,
            };
            assert_eq!(outcome, Err(expected), "{name}: {length} bytes");
        }
        for extra in 0..=u8::MAX {
            let mut longer = stored.clone();
            longer.push(extra);
            let outcome = stored_form::decode(&Bytes::from(longer));
            assert_eq!(
                outcome,
                Err(Rejection::Checksum),
                "{name}: {extra} appended"
            );
        }
    }
}

/// A stored form with one part changed and the checksum put right: written so, not damaged.
fn rewritten(change: impl FnOnce(&mut [u8])) -> Bytes {
    let value = CacheValue::loaded(user(), CREATED);
    let mut stored = store_of(&BincodeFormat, &NoCompression, value).to_vec();
    change(&mut stored);
    stored[8..12].fill(0);
    let checksum = crc32fast::hash(&stored);
    stored[8..12].copy_from_slice(&checksum.to_le_bytes());
    Bytes::from(stored)
}

#[track_caller]
fn assert_miss(stored: Bytes, reason: Rejection) {
    let store = ByteStore::new(&BincodeFormat);
    store.put(stored);
    assert!(get::<User>(&store).is_none());
    assert_eq!(store.rejected(reason), 1, "{reason:?}");
    assert_eq!(store.rejected_in_all(), 1);
}

#[test]
fn what_is_written_otherwise_is_a_miss_for_the_right_reason() {
    // With nothing changed it is a hit.
    let store = ByteStore::new(&BincodeFormat);
    store.put(rewritten(|_| {}));
    assert_eq!(*get::<User>(&store).unwrap().into_parts().0, user());

    assert_miss(rewritten(|stored| stored[0] = b'H'), Rejection::Foreign);
    assert_miss(rewritten(|stored| stored[4] = 0), Rejection::Version);
    assert_miss(rewritten(|stored| stored[4] = 1), Rejection::Version);
    assert_miss(rewritten(|stored| stored[4] = 3), Rejection::Version);
    for format in [4, 99, 200] {
        assert_miss(rewritten(|stored| stored[5] = format), Rejection::Format);
    }
    for compressor in [4, 99, 200] {
        assert_miss(
            rewritten(|stored| stored[6] = compressor),
            Rejection::Compression,
        );
    }
    // Codecs that are known, but did not write this.
    for compressor in [1, 2, 3] {
        assert_miss(
            rewritten(|stored| stored[6] = compressor),
            Rejection::Compression,
        );
    }
    for flag in 2..8 {
        assert_miss(
            rewritten(|stored| stored[7] = 1 << flag),
            Rejection::Malformed,
        );
    }
    // A time without its flag, and times that are none.
    assert_miss(rewritten(|stored| stored[24] = 1), Rejection::Malformed);
    assert_miss(rewritten(|stored| stored[39] = 1), Rejection::Malformed);
    for millis in [i64::MIN, i64::MAX] {
        let absurd = rewritten(|stored| {
            stored[7] = 0b11;
            stored[24..32].copy_from_slice(&millis.to_le_bytes());
        });
        assert_miss(absurd, Rejection::Malformed);
    }
    for byte in 40..48 {
        assert_miss(rewritten(|stored| stored[byte] ^= 1), Rejection::Type);
    }
    assert_miss(
        rewritten(|stored| stored[HEADER_LENGTH] = 252),
        Rejection::Undecodable,
    );
}

fn with_metadata(length: u32, sections: &[u8]) -> Bytes {
    let mut stored = rewritten(|_| {}).to_vec();
    stored.splice(HEADER_LENGTH..HEADER_LENGTH, sections.iter().copied());
    stored[12..16].copy_from_slice(&length.to_le_bytes());
    stored[8..12].fill(0);
    let checksum = crc32fast::hash(&stored);
    stored[8..12].copy_from_slice(&checksum.to_le_bytes());
    Bytes::from(stored)
}

#[test]
fn metadata_is_passed_over_or_refused_as_its_id_says() {
    let ignorable = with_metadata(8, &[128, 2, 0, 7, 7, 255, 0, 0]);
    let store = ByteStore::new(&BincodeFormat);
    store.put(ignorable);
    assert_eq!(*get::<User>(&store).unwrap().into_parts().0, user());

    assert_miss(with_metadata(3, &[127, 0, 0]), Rejection::Version);
    assert_miss(
        with_metadata(7, &[128, 0, 0, 0, 1, 0, 9]),
        Rejection::Version,
    );
    for (length, sections) in [(1, &[128][..]), (4, &[128, 2, 0, 7])] {
        assert_miss(with_metadata(length, sections), Rejection::Malformed);
    }
    for beyond_the_end in [1_000, u32::MAX] {
        assert_miss(with_metadata(beyond_the_end, &[]), Rejection::Malformed);
    }
}

/// What stands there in place of a value is not one, and nobody is told.
#[test]
fn a_lease_is_a_miss_that_is_not_counted() {
    for lease in [
        &b"\x89HB\x0b"[..],
        b"\x89HB\x0b\x01",
        &[b"\x89HB\x0b", &[7; 60][..]].concat(),
    ] {
        assert_eq!(
            stored_form::decode(&Bytes::copy_from_slice(lease)),
            Err(Rejection::Lease)
        );
        let store = ByteStore::new(&BincodeFormat);
        store.put(Bytes::copy_from_slice(lease));
        assert!(get::<User>(&store).is_none());
        assert_eq!(store.rejected_in_all(), 0);
    }
}

/// As the first version laid it out: a header of 40 bytes, the shape at 12.
#[test]
fn what_the_first_version_stored_is_a_miss() {
    let mut old = rewritten(|stored| stored[4] = 1).to_vec();
    old.drain(40..48);
    assert_miss(Bytes::from(old), Rejection::Version);
}

#[test]
fn a_payload_of_unknown_type_is_decoded_as_asked() {
    let store = ByteStore::new(&BincodeFormat);
    store.put(rewritten(|stored| stored[40..48].fill(0)));
    assert_eq!(*get::<User>(&store).unwrap().into_parts().0, user());
}

#[test]
fn times_at_the_extremes_survive() {
    let millisecond = TimeDelta::milliseconds(1);
    let epoch = DateTime::UNIX_EPOCH;
    let times = [
        None,
        Some(DateTime::<Utc>::MIN_UTC),
        Some(epoch - millisecond),
        Some(epoch),
        Some(epoch + millisecond),
        Some(DateTime::<Utc>::MAX_UTC),
    ];
    for expire in times {
        for stale in times {
            for created in [Stamp::ZERO, CREATED, Stamp::from_micros(u64::MAX)] {
                let value = CacheValue::from_parts(
                    Encoded::from(Bytes::new()),
                    expire,
                    stale,
                    Stamp::now(),
                );
                let value = value.created_at(created);
                let stored = stored_form::encode(&value, &NoCompression).unwrap();
                assert_eq!(stored_form::decode(&stored), Ok(value));
            }
        }
    }
}

#[test]
fn a_payload_that_compression_does_not_shrink_stays_as_it_is() {
    let value = CacheValue::loaded(user(), CREATED);
    let plain = store_of(&BincodeFormat, &NoCompression, value.clone());
    for compressor in [&GZIP as &dyn Compressor, &ZSTD, &Lz4Compressor] {
        let raw = stored_form::decode(&plain).unwrap();
        assert_eq!(stored_form::encode(&raw, compressor).unwrap(), plain);
    }
}

#[test]
fn what_is_compressed_already_is_not_compressed_again() {
    let text = CacheValue::loaded(long_text(), Stamp::now());
    let gzipped = store_of(&BincodeFormat, &GZIP, text);
    let value = stored_form::decode(&gzipped).unwrap();
    let again = stored_form::encode(&value, &ZSTD).unwrap();
    assert_eq!(again, gzipped);
}

proptest! {
    // No persistence files: a failure prints its shrunk case.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_comes_back_unchanged(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        format in any::<u8>(),
        shape in any::<u64>(),
        created in any::<u64>(),
        expire in prop::option::of(-8_000_000_000_000_000_i64..8_000_000_000_000_000),
        stale in prop::option::of(-8_000_000_000_000_000_i64..8_000_000_000_000_000),
    ) {
        let encoding = Encoding {
            format: FormatId::from_stored(format),
            compressor: CompressorId::NONE,
            shape,
        };
        let time = |millis: Option<i64>| millis.and_then(DateTime::from_timestamp_millis);
        let raw = Encoded::new(Bytes::from(payload), encoding);
        let value = CacheValue::from_parts(raw, time(expire), time(stale), Stamp::from_micros(created));
        let stored = stored_form::encode(&value, &NoCompression).unwrap();
        prop_assert_eq!(stored_form::decode(&stored), Ok(value));
    }

    #[test]
    fn random_bytes_are_rejected(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(stored_form::decode(&Bytes::from(bytes)).is_err());
    }

    #[test]
    fn random_bytes_behind_a_true_beginning_never_panic(
        header in any::<[u8; 43]>(),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let stored = rewritten(|stored| {
            stored[5..HEADER_LENGTH].copy_from_slice(&header);
            stored[7] &= 0b11;
            if stored[12] & 1 == 0 {
                stored[12..16].fill(0);
            }
            let room = &mut stored[HEADER_LENGTH..];
            let length = room.len().min(payload.len());
            room[..length].copy_from_slice(&payload[..length]);
        });
        let store = ByteStore::new(&BincodeFormat);
        store.put(stored);
        let _ = get::<User>(&store);
    }
}
