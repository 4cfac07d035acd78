//! Payloads that lie, with a stored form around them that is in order: a miss, fast, and without
//! the allocations they ask for.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, LinkedList, VecDeque},
    fmt,
    io::{self, Read, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use crate::byte_store::ByteStore;
use bytes::Bytes;
use hitbox_backend::{
    BackendErrorKind, BincodeFormat, CacheBackend, Cacheable, Compressor, Format, JsonFormat,
    PostcardFormat, Rejection,
    compression::{GzipCompressor, Lz4Compressor, NoCompression, ZstdCompressor},
    stored_form,
};
use hitbox_core::{
    CacheContext, CacheKey, CacheValue, CompressorId, Encoded, Encoding, FormatId, Stamp,
};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use serde::{Deserialize, Deserializer, Serialize, de::Visitor};
use stats_alloc::Region;
use test_servers::lateness::processor_time;

use crate::{ALLOCATOR, one_at_a_time};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Of the processor: far more than a miss takes, far less than the loops that hostile payloads ask for.
const FAST: Duration = Duration::from_secs(5);

#[track_caller]
fn assert_cheap_miss<T: Cacheable>(
    payload: &[u8],
    encoding: Encoding,
    limit: usize,
    reason: Rejection,
    most_allocated: usize,
) {
    let raw = Encoded::new(Bytes::copy_from_slice(payload), encoding);
    let value = CacheValue::loaded(raw, Stamp::now());
    let store = ByteStore::with_largest_decoded(&BincodeFormat, limit);
    store.put(stored_form::encode(&value, &NoCompression).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let key = CacheKey::from_pair("key", "1");
    let mut context = CacheContext::default().boxed();

    let began = processor_time();
    let region = Region::new(ALLOCATOR);
    let outcome = runtime.block_on(store.get_with::<T>(&key, &mut context));
    let allocated = region.change().bytes_allocated;
    let took = processor_time().saturating_sub(began);

    assert!(outcome.unwrap().is_none());
    assert_eq!(store.rejected(reason), 1, "not {reason:?}");
    assert!(allocated <= most_allocated, "{allocated} bytes allocated");
    assert!(took < FAST, "{took:?}");
}

fn encoded(format: FormatId) -> Encoding {
    Encoding {
        format,
        ..Encoding::OPAQUE
    }
}

/// A length as bincode writes it when it needs eight bytes.
fn bincode_length(length: u64) -> Vec<u8> {
    let mut bytes = vec![253];
    bytes.extend(length.to_le_bytes());
    bytes
}

fn postcard_length(length: u64) -> Vec<u8> {
    PostcardFormat.encode(&length).unwrap()
}

#[track_caller]
fn assert_claim_refused<T: Cacheable>(length: u64) {
    for (format, mut payload) in [
        (FormatId::BINCODE, bincode_length(length)),
        (FormatId::POSTCARD, postcard_length(length)),
    ] {
        payload.extend([1, 1]);
        let encoding = encoded(format);
        assert_cheap_miss::<T>(&payload, encoding, MIB, Rejection::Undecodable, 16 * KIB);
    }
}

/// Asks for an owned buffer, as `serde_bytes` does.
#[derive(Serialize)]
struct ByteBuffer(Vec<u8>);

impl<'de> Deserialize<'de> for ByteBuffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Buffer;
        impl Visitor<'_> for Buffer {
            type Value = ByteBuffer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<ByteBuffer, E> {
                Ok(ByteBuffer(bytes.to_vec()))
            }
        }
        deserializer.deserialize_byte_buf(Buffer)
    }
}

#[test]
fn lengths_that_the_payload_does_not_have() {
    let _alone = one_at_a_time();
    for length in [1 << 20, 1 << 33, 1 << 46, u64::MAX] {
        assert_claim_refused::<String>(length);
        assert_claim_refused::<Box<str>>(length);
        assert_claim_refused::<PathBuf>(length);
        assert_claim_refused::<ByteBuffer>(length);
        assert_claim_refused::<Vec<u8>>(length);
        assert_claim_refused::<Vec<[u64; 32]>>(length);
        assert_claim_refused::<Vec<Vec<String>>>(length);
        assert_claim_refused::<HashMap<u64, u64>>(length);
    }
}

#[test]
fn elements_that_take_no_bytes() {
    let _alone = one_at_a_time();
    for length in [1 << 17, 1 << 33, u64::MAX] {
        assert_claim_refused::<Vec<()>>(length);
        assert_claim_refused::<BTreeMap<(), ()>>(length);
        assert_claim_refused::<Vec<[(); 4]>>(length);
    }
}

#[derive(Serialize, Deserialize)]
struct Node {
    next: Option<Box<Node>>,
}

#[derive(Serialize, Deserialize)]
struct Link(Option<Box<Link>>);

#[derive(Serialize, Deserialize)]
struct Tree(Vec<Tree>);

#[derive(Serialize, Deserialize)]
enum Expression {
    Zero,
    Negated(Box<Expression>),
}

#[test]
fn deep_nesting() {
    let _alone = one_at_a_time();
    let ones = vec![1; MIB];
    for format in [FormatId::BINCODE, FormatId::POSTCARD] {
        let encoding = encoded(format);
        let bound = 64 * KIB;
        assert_cheap_miss::<Node>(&ones, encoding, 2 * MIB, Rejection::Undecodable, bound);
        assert_cheap_miss::<Link>(&ones, encoding, 2 * MIB, Rejection::Undecodable, bound);
        assert_cheap_miss::<Expression>(&ones, encoding, 2 * MIB, Rejection::Undecodable, bound);
        assert_cheap_miss::<Tree>(&ones, encoding, 2 * MIB, Rejection::Undecodable, bound);
    }
    let json = encoded(FormatId::JSON);
    let brackets = vec![b'['; MIB];
    assert_cheap_miss::<Tree>(&brackets, json, 2 * MIB, Rejection::Undecodable, 64 * KIB);
    assert_cheap_miss::<serde_json::Value>(
        &brackets,
        json,
        2 * MIB,
        Rejection::Undecodable,
        64 * KIB,
    );
    assert_cheap_miss::<Link>(b"1", json, MIB, Rejection::Undecodable, 64 * KIB);
}

/// Formats from outside may hand on to one of hitbox's, through the erased interface.
#[track_caller]
fn assert_cheap_refusal<T: Cacheable>(format: &dyn Format, payload: &[u8]) {
    let region = Region::new(ALLOCATOR);
    let outcome = format.decode(payload, &mut |deserializer| {
        T::deserialize(deserializer).map(|_| ())
    });
    let allocated = region.change().bytes_allocated;
    assert!(outcome.is_err());
    assert!(allocated <= 256 * KIB, "{allocated} bytes allocated");
}

#[test]
fn deep_nesting_behind_an_erased_format() {
    let _alone = one_at_a_time();
    // Not so deep that a failure takes the machine with it.
    let ones = [1; 16];
    for format in [&BincodeFormat as &dyn Format, &PostcardFormat] {
        for payload in [&ones[..], &[1; 1_000]] {
            assert_cheap_refusal::<Node>(format, payload);
            assert_cheap_refusal::<Link>(format, payload);
            assert_cheap_refusal::<Expression>(format, payload);
            assert_cheap_refusal::<Tree>(format, payload);
        }
    }
    assert_cheap_refusal::<Tree>(&JsonFormat, &[b'['; 1_000]);
}

/// Every level claims all that it may, and would have room reserved for it.
#[test]
fn nested_claims() {
    let _alone = one_at_a_time();
    let level = bincode_length(60_000);
    let payload: Vec<u8> = level
        .iter()
        .copied()
        .cycle()
        .take(level.len() * 100)
        .collect();
    let encoding = encoded(FormatId::BINCODE);
    assert_cheap_miss::<Tree>(&payload, encoding, MIB, Rejection::Undecodable, 64 * KIB);
}

#[derive(Serialize, Deserialize)]
struct Wide {
    weights: [u64; 8],
    branches: Vec<Wide>,
}

/// Every level claims as many as the payload has bytes, which none of them may by itself exceed.
#[test]
fn nested_claims_within_the_payload() {
    let _alone = one_at_a_time();
    for (format, length) in [
        (FormatId::BINCODE, vec![251, 0x08, 0x02]),
        (FormatId::POSTCARD, postcard_length(520)),
    ] {
        let payload = [vec![1; 8], length].concat().repeat(50);
        let encoding = encoded(format);
        let bound = 128 * KIB;
        assert_cheap_miss::<Wide>(&payload, encoding, MIB, Rejection::Undecodable, bound);
    }
}

fn bomb(codec: &dyn Compressor) -> Vec<u8> {
    codec.compress(&vec![0; 32 * MIB]).unwrap()
}

fn compressed(compressor: CompressorId) -> Encoding {
    Encoding {
        format: FormatId::BINCODE,
        compressor,
        shape: 0,
    }
}

/// What a miss may allocate at most, whatever the payload claims: the payload up to the limit,
/// once more while its buffer grows, and what the codecs keep for themselves.
const fn bound(limit: usize) -> usize {
    2 * limit + MIB
}

#[test]
fn decompression_bombs() {
    let _alone = one_at_a_time();
    let codecs: [&dyn Compressor; 3] = [
        &GzipCompressor::default(),
        &ZstdCompressor::default(),
        &Lz4Compressor,
    ];
    for codec in codecs {
        let payload = bomb(codec);
        let encoding = compressed(codec.id());
        for limit in [MIB, 64 * KIB, 1] {
            assert_cheap_miss::<String>(
                &payload,
                encoding,
                limit,
                Rejection::TooLarge,
                bound(limit),
            );
        }
    }
}

/// The decoder makes room for blocks before it reads one: they have to be refused from the frame's
/// header.
#[test]
fn lz4_blocks_beyond_the_limit() {
    let _alone = one_at_a_time();
    let encoding = compressed(CompressorId::LZ4);
    let sizes = [BlockSize::Max1MB, BlockSize::Max4MB];
    for (size, mode) in sizes
        .into_iter()
        .zip([BlockMode::Independent, BlockMode::Linked])
    {
        let info = FrameInfo::new().block_size(size).block_mode(mode);
        let payload = lz4_frame(info, b"\x04tiny");
        assert_cheap_miss::<String>(&payload, encoding, 1, Rejection::Compression, 64 * KIB);
    }
    // A block of five literals. The encoder does not write such frames.
    let legacy = b"\x02\x21\x4c\x18\x06\0\0\0\x50\x04tiny";
    assert_cheap_miss::<String>(legacy, encoding, 1, Rejection::Compression, 64 * KIB);
    // The largest that are read.
    let info = FrameInfo::new()
        .block_size(BlockSize::Max256KB)
        .block_mode(BlockMode::Linked);
    let bomb = lz4_frame(info, &vec![0; 32 * MIB]);
    for limit in [MIB, 64 * KIB, 1] {
        assert_cheap_miss::<String>(&bomb, encoding, limit, Rejection::TooLarge, bound(limit));
    }
}

fn lz4_frame(info: FrameInfo, content: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The same without the size in the frame, so that only decompressing shows it.
#[test]
fn zstd_bomb_of_unknown_size() {
    let _alone = one_at_a_time();
    let payload = zstd::stream::encode_all(io::repeat(0).take(32 * MIB as u64), 3).unwrap();
    let encoding = compressed(CompressorId::ZSTD);
    // The streaming encoder asks for a window of 2 MiB, which a limit below does not warrant.
    let limit = 4 * MIB;
    assert_cheap_miss::<String>(&payload, encoding, limit, Rejection::TooLarge, bound(limit));
}

/// The window is the codec's own memory, which the allocator here does not see: it has to be
/// refused from the frame's header.
#[test]
fn zstd_window_beyond_the_limit() {
    let _alone = one_at_a_time();
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"\x04tiny").unwrap();
    let payload = encoder.finish().unwrap();
    let encoding = compressed(CompressorId::ZSTD);
    assert_cheap_miss::<String>(&payload, encoding, MIB, Rejection::Compression, 64 * KIB);
}

/// What a value may allocate at most, as `Capabilities::largest_decoded` has it, beside its payload.
const fn memory_bound(limit: usize) -> usize {
    5 * limit + 8 * MIB
}

#[track_caller]
fn assert_memory_bounded<T: Cacheable>(payload: &[u8], encoding: Encoding, limit: usize) {
    let bound = memory_bound(limit);
    assert_cheap_miss::<T>(payload, encoding, limit, Rejection::TooLarge, bound);
}

#[derive(Serialize, Deserialize)]
struct Boxed {
    large: Option<Box<[u64; 32]>>,
}

/// A byte stands for an element of a hundred, or a thousand.
#[test]
fn elements_that_take_more_memory_than_bytes() {
    let _alone = one_at_a_time();
    let limit = 4 * MIB;
    let number = limit / 2;
    let entries: BTreeMap<u32, Option<[u64; 32]>> = (0..100_000).map(|key| (key, None)).collect();
    let names: BTreeSet<u32> = (0..1_200_000).collect();
    for format in [&BincodeFormat as &dyn Format, &PostcardFormat] {
        let encoding = encoded(format.id());
        let mut nones = format.encode(&(number as u64)).unwrap();
        nones.extend(vec![0; number]);
        assert_memory_bounded::<Vec<Option<[u64; 32]>>>(&nones, encoding, limit);
        assert_memory_bounded::<VecDeque<Option<[u64; 32]>>>(&nones, encoding, limit);
        assert_memory_bounded::<Vec<Vec<u8>>>(&nones, encoding, limit);
        assert_memory_bounded::<Vec<String>>(&nones, encoding, limit);
        assert_memory_bounded::<Vec<Boxed>>(&nones, encoding, limit);
        let mut large = format.encode(&30_000_u64).unwrap();
        large.extend([vec![1], vec![0; 32]].concat().repeat(30_000));
        assert_memory_bounded::<Vec<Boxed>>(&large, encoding, limit);
        assert_memory_bounded::<Vec<Option<Box<[u64; 32]>>>>(&large, encoding, limit);

        let map = format.encode(&entries).unwrap();
        assert_memory_bounded::<BTreeMap<u32, Option<[u64; 32]>>>(&map, encoding, limit);
        assert_memory_bounded::<HashMap<u32, Option<[u64; 32]>>>(&map, encoding, limit);
        let set = format.encode(&names).unwrap();
        assert_memory_bounded::<BTreeSet<u32>>(&set, encoding, limit);
    }
    let nulls = format!("[{}null]", "null,".repeat(200_000)).into_bytes();
    let json = encoded(FormatId::JSON);
    assert_memory_bounded::<Vec<Option<[u64; 32]>>>(&nulls, json, limit);
    assert_memory_bounded::<serde_json::Value>(&nulls, json, limit);
}

/// Each has a node of its own, or a box, which takes more than it does.
#[test]
fn elements_that_take_more_memory_around_them_than_themselves() {
    let _alone = one_at_a_time();
    let limit = 4 * MIB;
    for format in [&BincodeFormat as &dyn Format, &PostcardFormat, &JsonFormat] {
        let encoding = encoded(format.id());
        let zeros = format.encode(&vec![0_u8; limit * 7 / 8]).unwrap();
        assert_memory_bounded::<LinkedList<u8>>(&zeros, encoding, limit);
        assert_memory_bounded::<LinkedList<u32>>(&zeros, encoding, limit);
        let lists = vec![Vec::<u8>::new(); limit / 6];
        let lists = format.encode(&lists).unwrap();
        assert_memory_bounded::<LinkedList<LinkedList<u8>>>(&lists, encoding, limit);
        assert_memory_bounded::<Vec<LinkedList<u8>>>(&lists, encoding, limit);
        let zeros = format.encode(&vec![0_u8; limit / 6]).unwrap();
        assert_memory_bounded::<VecDeque<Box<u8>>>(&zeros, encoding, limit);
        assert_memory_bounded::<Vec<Box<u8>>>(&zeros, encoding, limit);
        let units = format.encode(&vec![(); 65_000]).unwrap();
        let miss = Rejection::TooLarge;
        assert_cheap_miss::<LinkedList<()>>(&units, encoding, 256 * KIB, miss, 16 * MIB);
    }
}

/// The most memory that the process has had, in KiB, where the system says so.
fn most_resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0)
}

#[track_caller]
fn assert_one_allocation_per_pointer<T: Cacheable>(limit: usize) {
    let boxes = limit / size_of::<usize>() - 2;
    let payload = BincodeFormat.encode(&vec![0_u8; boxes]).unwrap();
    let value = CacheValue::loaded(
        Encoded::new(Bytes::from(payload), encoded(FormatId::BINCODE)),
        Stamp::now(),
    );
    let store = ByteStore::with_largest_decoded(&BincodeFormat, limit);
    store.put(stored_form::encode(&value, &NoCompression).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let key = CacheKey::from_pair("key", "1");

    let before = most_resident();
    let region = Region::new(ALLOCATOR);
    let found = runtime.block_on(store.get::<T>(&key)).unwrap();
    let change = region.change();
    let resident = most_resident() - before;
    println!(
        "{}: {boxes} boxes, limit {} KiB: {} allocations of {} KiB, at most {resident} KiB more resident",
        std::any::type_name::<T>(),
        limit / KIB,
        change.allocations,
        change.bytes_allocated / KIB,
    );
    assert!(found.is_some(), "it is not over the limit");
    assert!(change.allocations <= boxes + 1_000);
    assert!(change.bytes_allocated <= memory_bound(limit));
}

/// Whether an element is a box cannot be told. It counts as the pointer that it is, so there are no more of
/// them than pointers; what the allocator makes of each is the rest (docs/stored-form.md has the figures).
#[test]
fn small_boxes_are_no_more_than_the_limit_has_pointers() {
    let _alone = one_at_a_time();
    assert_one_allocation_per_pointer::<VecDeque<Box<u8>>>(16 * MIB);
}

#[track_caller]
fn assert_read<T: Cacheable + PartialEq>(value: T, limit: usize) {
    let value = CacheValue::loaded(Arc::new(value), Stamp::now());
    for format in [&BincodeFormat as &'static dyn Format, &PostcardFormat] {
        let store = ByteStore::with_largest_decoded(format, limit);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let key = CacheKey::from_pair("key", "1");
        runtime.block_on(store.set(&key, value.clone())).unwrap();
        let found = runtime.block_on(store.get::<T>(&key)).unwrap().unwrap();
        assert!(found.data() == value.data(), "{:?}", format.id());
    }
}

/// What takes no more than it counts may be as large as the limit.
#[test]
fn plain_values_of_the_size_of_the_limit_are_read() {
    let _alone = one_at_a_time();
    let limit = MIB;
    assert_read(vec![1_u8; limit - 16], limit);
    assert_read(vec![1_u64; limit / 8 - 2], limit);
    assert_read(vec![false; limit - 16], limit);
    assert_read(VecDeque::from(vec![1_u8; limit - 16]), limit);
    assert_read("x".repeat(limit - 16), limit);
    assert_read(LinkedList::from_iter(vec![1_u64; limit / 8 - 2]), limit);
    assert_read(BTreeSet::from_iter(0..limit as u64 / 8 - 2), limit);
}

/// What no reader would decode is not stored.
#[test]
fn lists_of_short_elements_are_refused_where_they_are_not_read() {
    let _alone = one_at_a_time();
    let limit = MIB;
    let most = limit / 8 - 2;
    assert_read(LinkedList::from_iter(vec![1_u8; most]), limit);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let key = CacheKey::from_pair("key", "1");
    for format in [
        &BincodeFormat as &'static dyn Format,
        &PostcardFormat,
        &JsonFormat,
    ] {
        let store = ByteStore::with_largest_decoded(format, limit);
        let list = LinkedList::from_iter(vec![1_u8; most + 3]);
        let value = CacheValue::loaded(Arc::new(list), Stamp::now());
        let refusal = runtime.block_on(store.set(&key, value)).unwrap_err();
        assert_eq!(refusal.kind(), BackendErrorKind::TooLarge);
    }
}

/// The same payload in a few bytes, and in a format from outside.
#[test]
fn compressed_elements_that_take_more_memory_than_bytes() {
    let _alone = one_at_a_time();
    let limit = 64 * MIB;
    let number = limit - 16;
    let mut nones = BincodeFormat.encode(&(number as u64)).unwrap();
    nones.extend(vec![0; number]);
    let codec = ZstdCompressor::default();
    let payload = codec.compress(&nones).unwrap();
    assert!(payload.len() < 8 * KIB, "{}", payload.len());
    let encoding = compressed(codec.id());
    assert_memory_bounded::<Vec<Option<[u64; 32]>>>(&payload, encoding, limit);
}

#[test]
fn payloads_over_the_limit_are_not_decoded() {
    let _alone = one_at_a_time();
    let payload = BincodeFormat.encode(&"x".repeat(2 * MIB)).unwrap();
    let encoding = encoded(FormatId::BINCODE);
    assert_cheap_miss::<String>(&payload, encoding, MIB, Rejection::TooLarge, 16 * KIB);
}
