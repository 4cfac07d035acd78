//! Pairs of random types: what is written as one and read as the other is a miss, or the same data.
//!
//! A type here is a schema, which a value follows through `Serialize` and `Deserialize` as code does
//! that serde derives. `HITBOX_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking; what is not a compound is a leaf, whichever"
)]

mod schema;
mod value;

use std::{collections::BTreeMap, marker::PhantomData, thread};

use fastrand::Rng;

use super::{
    FormatError, bincode,
    checked::Written,
    postcard,
    shape::{self, Readable, Shape},
};
use schema::{Schema, alike, random, varied};
use value::{Any, described};

const PAIRS: usize = 10_000;

/// How many must decode to other data where nothing tells the types apart, or the pairs are no test.
const CONFUSED: usize = 1_000;

fn seed() -> u64 {
    std::env::var("HITBOX_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap())
}

fn traced(schema: &'static Schema) -> Shape {
    value::within(schema, || shape::of::<Any>(Readable::ByMachines))
        .unwrap_or_else(|error| panic!("{error:?}: {schema:?}"))
}

type Write = fn(&Any, Option<&Shape>) -> Result<Written, FormatError>;
type Read = fn(&[u8], usize) -> Result<Any, FormatError>;

const FORMATS: [(&str, Write, Read); 2] = [
    ("bincode", bincode::encode, |payload, memory| {
        bincode::decode(payload, &bincode::limits(payload, memory), PhantomData)
    }),
    ("postcard", postcard::encode, |payload, memory| {
        postcard::decode(payload, &postcard::limits(payload, memory), PhantomData)
    }),
];

#[derive(Default, Debug)]
struct Counts {
    misses: usize,
    same: usize,
    /// Of the misses: they would decode to the same data, to other data, or not at all.
    would_be_same: usize,
    would_be_other: usize,
    would_not_decode: usize,
    /// Values that take memory beside their payload, and are known to as they are written.
    with_memory: usize,
}

fn try_pair(
    written: &'static Schema,
    read: &'static Schema,
    random: &mut Rng,
    counts: &mut BTreeMap<&'static str, Counts>,
) {
    let (shape, other) = (traced(written), traced(read));
    let value = value::of(written, random);
    let data = described(written, &value.0);
    for (format, write, decode) in FORMATS {
        let Written {
            payload, demand, ..
        } = value::within(written, || write(&value, Some(&shape)))
            .unwrap_or_else(|error| panic!("{format}: {error}: {written:?}"));
        let back = value::within(written, || decode(&payload, demand.memory)).unwrap();
        assert_eq!(described(written, &back.0), data, "{format}");

        let counts = counts.entry(format).or_default();
        if let Some(less) = demand.memory.checked_sub(1) {
            let outcome = value::within(written, || decode(&payload, less));
            let is_over = matches!(outcome, Err(FormatError::OverLimit { .. }));
            assert!(is_over, "{format}: less will do: {written:?}");
            counts.with_memory += 1;
        }
        let outcome = value::within(read, || decode(&payload, usize::MAX)).ok();
        let read_as = outcome.map(|value| described(read, &value.0));
        if shape.fingerprint == other.fingerprint {
            assert_eq!(
                read_as,
                Some(data.clone()),
                "{format}: {written:?} as {read:?}"
            );
            counts.same += 1;
            continue;
        }
        counts.misses += 1;
        match read_as {
            None => counts.would_not_decode += 1,
            Some(read_as) if read_as == data => counts.would_be_same += 1,
            Some(_) => counts.would_be_other += 1,
        }
    }
}

/// In a build that is not optimised, a schema takes tens of KiB of the stack for each level that it is nested, and other data
/// may be nested as deep as is allowed: 128 levels.
const STACK: usize = 64 << 20;

#[test]
fn what_is_written_as_one_type_is_never_other_data_as_another() {
    let seed = seed();
    println!("HITBOX_SEED={seed}");
    let pairs = thread::Builder::new().stack_size(STACK);
    let pairs = pairs.spawn(move || try_pairs(seed)).unwrap();
    pairs.join().unwrap();
}

fn try_pairs(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut counts = BTreeMap::new();
    for pair in 0..PAIRS {
        let written = random(&mut rng);
        let read = match pair % 8 {
            0 => random(&mut rng),
            1 => alike(written),
            _ => varied(written, &mut rng),
        };
        try_pair(written, read, &mut rng, &mut counts);
    }
    println!("{PAIRS} pairs: {counts:#?}");
    for (format, counts) in counts {
        assert!(counts.would_be_other >= CONFUSED, "{format}: {counts:?}");
        assert!(counts.same >= PAIRS / 10, "{format}: {counts:?}");
        assert!(counts.with_memory >= PAIRS / 10, "{format}: {counts:?}");
    }
}

/// A name of a type, and the order in which it is compiled, are nothing to its shape.
#[test]
fn schemas_that_are_alike_have_one_fingerprint() {
    let seed = seed();
    println!("HITBOX_SEED={seed}");
    let mut random_number = Rng::with_seed(seed);
    for _ in 0..1_000 {
        let schema = random(&mut random_number);
        assert_eq!(
            traced(schema).fingerprint,
            traced(alike(schema)).fingerprint,
            "{schema:?}"
        );
    }
}
