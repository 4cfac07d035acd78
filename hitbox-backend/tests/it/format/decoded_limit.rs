//! A value is written if, and only if, a reader will decode it within its limit.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::byte_store::ByteStore;
use fastrand::Rng;
use hitbox_backend::{
    BackendErrorKind, BackendResult, BincodeFormat, CacheBackend, Cacheable, Compose, DeleteStatus,
    Format, JsonFormat, PostcardFormat,
    conformance::{Fault, FaultyBackend, MemoryBackend},
    format::{FormatError, Visit, erased_serde},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, FormatId, Stamp};
use serde::{Deserialize, Serialize};

/// One from outside, with names or without.
#[derive(Debug)]
struct Outside<F>(F);

impl<F: Format> Format for Outside<F> {
    fn id(&self) -> FormatId {
        FormatId::custom(200)
    }

    fn is_self_describing(&self) -> bool {
        self.0.is_self_describing()
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, FormatError> {
        self.0.encode(value)
    }

    fn decode(&self, payload: &[u8], visit: &mut Visit<'_>) -> Result<(), FormatError> {
        self.0.decode(payload, visit)
    }
}

static FORMATS: [(&str, &dyn Format); 5] = [
    ("bincode", &BincodeFormat),
    ("postcard", &PostcardFormat),
    ("JSON", &JsonFormat),
    ("from outside", &Outside(BincodeFormat)),
    ("JSON from outside", &Outside(JsonFormat)),
];

#[derive(Serialize, Deserialize)]
struct Wide([u64; 16]);

#[derive(Serialize, Deserialize)]
struct Boxed(Box<Wide>);

#[derive(Serialize, Deserialize)]
struct Nothing;

#[derive(Serialize, Deserialize)]
enum Branch {
    Leaf,
    Number(u8),
    Boxed(Boxed),
    Pair(Box<(Wide, u8)>, Option<Box<Branch>>),
    Many { branches: Vec<Branch>, at: u16 },
}

#[derive(Serialize, Deserialize)]
struct Tree {
    nothing: Nothing,
    root: Option<Box<Branch>>,
    by_name: BTreeMap<String, Boxed>,
    numbers: HashSet<u32>,
    bytes: Vec<u8>,
    rows: Vec<(u8, Option<Wide>)>,
}

/// One that cannot be traced: it decodes by looking.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Empty,
    Rows { rows: Vec<Vec<u8>>, tree: Box<Tree> },
}

fn branch(random: &mut Rng, depth: u8) -> Branch {
    match random.u8(..if depth == 0 { 3 } else { 5 }) {
        0 => Branch::Leaf,
        1 => Branch::Number(1),
        2 => Branch::Boxed(boxed()),
        3 => {
            let inner = random.bool().then(|| Box::new(branch(random, depth - 1)));
            Branch::Pair(Box::new((Wide([1; 16]), 1)), inner)
        }
        _ => {
            let branches = (0..random.u8(..4)).map(|_| branch(random, depth - 1));
            let branches = branches.collect();
            Branch::Many { branches, at: 1 }
        }
    }
}

fn boxed() -> Boxed {
    Boxed(Box::new(Wide([1; 16])))
}

fn tree(random: &mut Rng) -> Tree {
    Tree {
        nothing: Nothing,
        root: random.bool().then(|| Box::new(branch(random, 4))),
        by_name: (0..random.u8(..4))
            .map(|n| (n.to_string(), boxed()))
            .collect(),
        numbers: (0..random.u32(..20)).collect(),
        bytes: vec![1; random.usize(..200)],
        rows: (0..random.u8(..5))
            .map(|n| (n, random.bool().then_some(Wide([1; 16]))))
            .collect(),
    }
}

fn key() -> CacheKey {
    CacheKey::from_pair("key", "1")
}

fn loaded<T>(value: T) -> CacheValue<Arc<T>> {
    CacheValue::loaded(Arc::new(value), Stamp::now())
}

fn block_on<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// Holds what another store has, under another limit.
fn with_limit(format: &'static dyn Format, limit: usize) -> ByteStore {
    ByteStore::with_largest_decoded(format, limit)
}

fn is_read<T: Cacheable>(format: &'static dyn Format, from: &ByteStore, limit: usize) -> bool {
    let reader = with_limit(format, limit);
    reader.put(from.stored().unwrap());
    block_on(reader.get::<T>(&key())).unwrap().is_some()
}

/// The smallest limit under which a value is read.
fn least<T: Cacheable>(format: &'static dyn Format, from: &ByteStore) -> usize {
    let (mut over, mut within) = (0, 64 << 20);
    assert!(is_read::<T>(format, from, within));
    while over + 1 < within {
        let limit = usize::midpoint(over, within);
        if is_read::<T>(format, from, limit) {
            within = limit;
        } else {
            over = limit;
        }
    }
    within
}

fn agree<T: Cacheable>(case: &str, format: &'static dyn Format, value: T) {
    let value = Arc::new(value);
    let set = |store: &ByteStore| {
        let value = CacheValue::loaded(Arc::clone(&value), Stamp::now());
        block_on(store.set(&key(), value))
    };
    let roomy = ByteStore::new(format);
    set(&roomy).unwrap();
    let least = least::<T>(format, &roomy);
    let store = with_limit(format, least);
    set(&store).unwrap_or_else(|error| panic!("{case}: {least}: {error}"));
    assert!(
        block_on(store.get::<T>(&key())).unwrap().is_some(),
        "{case}"
    );

    // No store takes a limit of 0.
    for limit in [least - 1, least / 2]
        .into_iter()
        .filter(|limit| *limit > 0)
    {
        let store = with_limit(format, limit);
        store.put(roomy.stored().unwrap());
        let error = set(&store).expect_err(case);
        assert_eq!(error.kind(), BackendErrorKind::TooLarge, "{case}: {error}");
        assert_eq!(store.stored(), None, "{case}: an older value poses as it");
    }
}

#[test]
fn what_is_written_decodes_within_the_limit_and_what_is_refused_does_not() {
    let seed = std::env::var("HITBOX_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("HITBOX_SEED={seed}");
    for (name, format) in FORMATS {
        let mut random = Rng::with_seed(seed);
        for round in 0..12 {
            let case = format!("{name}, round {round}");
            agree(&case, format, tree(&mut random));
            agree(&case, format, Boxed(Box::new(Wide([round; 16]))));
            agree(&case, format, branch(&mut random, 3));
            if format.is_self_describing() {
                let rows = (0..random.usize(..9)).map(|row| vec![1; row]).collect();
                let tree = Box::new(tree(&mut random));
                agree(&case, format, Tagged::Rows { rows, tree });
            }
        }
    }
}

#[test]
fn elements_that_take_no_bytes_are_refused_beyond_what_a_reader_takes() {
    for (name, format) in FORMATS {
        for (length, is_stored) in [(60_000, true), (70_000, format.is_self_describing())] {
            let store = ByteStore::new(format);
            let outcome = block_on(store.set(&key(), loaded(vec![(); length])));
            let kind = outcome.map_err(|error| error.kind());
            let read = block_on(store.get::<Vec<()>>(&key())).unwrap();
            if is_stored {
                assert_eq!(kind, Ok(()), "{name}: {length}");
                assert!(read.is_some(), "{name}: {length}");
            } else {
                assert_eq!(kind, Err(BackendErrorKind::NotStorable), "{name}: {length}");
            }
        }
    }
}

fn kinds(outcomes: Vec<BackendResult<()>>) -> Vec<Result<(), BackendErrorKind>> {
    let kinds = outcomes.into_iter();
    kinds
        .map(|outcome| outcome.map_err(|error| error.kind()))
        .collect()
}

const TOO_LARGE: Result<(), BackendErrorKind> = Err(BackendErrorKind::TooLarge);

/// Takes more memory than the default limit, though few bytes.
fn huge() -> Vec<Vec<u8>> {
    vec![Vec::new(); 3_000_000]
}

#[test]
fn bulk_refuses_it_for_its_key_alone_and_leaves_that_absent() {
    let cache = MemoryBackend::new().compose(MemoryBackend::new().keeping_bytes(), DisabledOffload);
    let named = |name| CacheKey::from_pair("key", name);
    let [small, large, first, last] = ["small", "large", "first", "last"].map(named);
    for key in [&small, &large, &first, &last] {
        block_on(cache.set(key, loaded(vec![vec![1_u8]]))).unwrap();
    }
    let huge = Arc::new(huge());
    let huge = || CacheValue::loaded(Arc::clone(&huge), Stamp::now());
    let entries = vec![
        (first.clone(), huge()),
        (small.clone(), loaded(vec![vec![2_u8]])),
        (large.clone(), huge()),
        (last.clone(), loaded(vec![vec![2_u8]])),
        (first.clone(), loaded(vec![vec![2_u8]])),
        (last.clone(), huge()),
    ];
    let outcomes = kinds(block_on(cache.set_many(entries)));
    assert_eq!(
        outcomes,
        [TOO_LARGE, Ok(()), TOO_LARGE, Ok(()), Ok(()), TOO_LARGE]
    );
    let read = |key| block_on(cache.get::<Vec<Vec<u8>>>(key)).unwrap();
    for key in [&small, &first] {
        assert_eq!(**read(key).unwrap().data(), [[2_u8]]);
    }
    for key in [&large, &last] {
        assert!(read(key).is_none());
        for layer in [cache.l1(), cache.l2()] {
            assert_eq!(block_on(layer.delete(key)).unwrap(), DeleteStatus::Missing);
        }
    }
}

/// That is all that keeps the older value from being served.
#[test]
fn a_removal_that_fails_is_the_error() {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new().keeping_bytes());
    let huge = Arc::new(huge());
    let huge = || CacheValue::loaded(Arc::clone(&huge), Stamp::now());
    faults.removes().always(Fault::FailBeforeEffect);
    let error = block_on(backend.set(&key(), huge())).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    let outcomes = kinds(block_on(backend.set_many(vec![(key(), huge())])));
    assert_eq!(outcomes, [Err(BackendErrorKind::Unavailable)]);
}
