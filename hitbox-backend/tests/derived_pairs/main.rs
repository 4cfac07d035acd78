//! Pairs of types that serde derives: a value that is written as one and read as the other is a miss, or
//! the same data, and never other data.
//!
//! Each pair goes through typed access to a store of bytes, once for each format. What is the same data
//! is told by what the two values serialize to, see [`data`]: not by what a type makes of it, which
//! nobody can see from outside.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's exception for tests does not reach the functions they share"
)]

#[path = "../it/byte_store.rs"]
mod byte_store;

#[macro_use]
mod pair;

mod attributes;
mod data;
mod enums;
mod external;
mod maps;
mod newtypes;
mod options;
mod recursion;
mod representations;
mod scalars;
mod sequences;
mod std_types;
mod structs;

use std::collections::{BTreeMap, BTreeSet};

use hitbox_backend::{BincodeFormat, Format, JsonFormat, PostcardFormat};

use pair::{Inverted, OtherJson, Pair, Seen};

static FORMATS: [(&str, &dyn Format); 5] = [
    ("bincode", &BincodeFormat),
    ("postcard", &PostcardFormat),
    ("from outside", &Inverted),
    ("JSON", &JsonFormat),
    ("JSON from outside", &OtherJson),
];

/// One for each attribute and shape of serde; there are to be no fewer.
const LEAST_PAIRS: usize = 150;

fn pairs() -> Vec<Pair> {
    let topics = [
        scalars::pairs(),
        options::pairs(),
        sequences::pairs(),
        maps::pairs(),
        structs::pairs(),
        newtypes::pairs(),
        enums::pairs(),
        representations::pairs(),
        attributes::pairs(),
        std_types::pairs(),
        external::pairs(),
        recursion::pairs(),
    ];
    topics.into_iter().flatten().collect()
}

#[test]
fn what_is_written_as_one_type_is_never_other_data_as_another() {
    let pairs = pairs();
    let names: BTreeSet<&str> = pairs.iter().map(|pair| pair.name).collect();
    assert_eq!(names.len(), pairs.len(), "a pair is there twice");
    assert!(pairs.len() >= LEAST_PAIRS, "{}", pairs.len());

    let mut wrong = Vec::new();
    for (format_name, format) in FORMATS {
        let mut counts = BTreeMap::<&str, usize>::new();
        for pair in &pairs {
            let seen = pair.seen(format);
            *counts.entry(seen.in_short()).or_default() += 1;
            let expected = pair.expected(format);
            if seen != expected {
                wrong.push(format!(
                    "{format_name}: {}: {seen:?}, and not {expected:?}",
                    pair.name
                ));
            }
        }
        println!("{format_name}: {} pairs: {counts:?}", pairs.len());
    }
    let other = |line: &&String| line.contains(Seen::OTHER_DATA);
    assert!(
        wrong.is_empty(),
        "{} of which {} are other data:\n{}",
        wrong.len(),
        wrong.iter().filter(other).count(),
        wrong.join("\n")
    );
}
