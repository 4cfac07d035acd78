//! What objects weigh, beside what the allocator is asked for.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::RangeInclusive,
    sync::Arc,
};

use bytes::Bytes;
use hitbox_backend::in_process::weight_of;
use serde::{Serialize, Serializer};
use stats_alloc::Region;

use crate::{ALLOCATOR, one_at_a_time};

const EXACT: RangeInclusive<f64> = 0.85..=1.15;
const ROUGH: RangeInclusive<f64> = 0.7..=1.5;

#[derive(Clone, Serialize)]
struct Flat {
    id: u64,
    name: String,
    mail: String,
    body: Vec<u8>,
}

#[derive(Clone, Serialize)]
struct Row {
    name: Option<String>,
    city: Option<String>,
    age: Option<u64>,
    picture: Option<Vec<u8>>,
    kind: u32,
}

#[derive(Clone, Serialize)]
struct Address {
    street: String,
    zip: u32,
    next: Option<Box<Address>>,
}

#[derive(Clone, Serialize)]
enum Kind {
    Plain,
    Named(String),
    Placed { at: u64, by: u64 },
}

#[derive(Clone, Serialize)]
struct Person {
    name: String,
    home: Address,
    work: Box<Address>,
    tags: Vec<String>,
    kind: Kind,
    shares: Vec<(u32, f64)>,
}

/// As `Bytes` themselves do with their feature `serde`.
struct Shown(Bytes);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// The weight of the object that `make` makes, within an `Arc`, over what is asked for.
fn check<T: Serialize>(what: &str, expected: &RangeInclusive<f64>, make: impl Fn() -> T) {
    const COUNTS_OF_ARC: usize = 16;
    let (object, asked) = made(&make);
    let weight = weight_of(&*object) + COUNTS_OF_ARC;
    let ratio = weight as f64 / asked as f64;
    println!("{what}: {weight} counted, {asked} asked for, {ratio:.2}");
    assert!(expected.contains(&ratio), "{what}: {weight}, {asked}");
}

/// The object, and what was asked for. A test that has ended goes on freeing what the runner kept for it, which is
/// counted too: so until two counts agree.
fn made<T>(make: impl Fn() -> T) -> (Arc<T>, usize) {
    let count = || {
        let region = Region::new(ALLOCATOR);
        let object = Arc::new(make());
        let change = region.change();
        let asked = change.bytes_allocated.checked_sub(change.bytes_deallocated);
        (object, asked)
    };
    let mut last = count().1;
    loop {
        let (object, asked) = count();
        match asked {
            Some(asked) if last == Some(asked) => return (object, asked),
            Some(_) | None => last = asked,
        }
    }
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

fn address(length: usize, next: Option<Address>) -> Address {
    Address {
        street: text(length),
        zip: 7,
        next: next.map(Box::new),
    }
}

fn person() -> Person {
    Person {
        name: text(10),
        home: address(20, None),
        work: Box::new(address(30, Some(address(5, None)))),
        tags: (0..5).map(text).collect(),
        kind: Kind::Named(text(9)),
        shares: vec![(1, 2.0); 10],
    }
}

#[test]
fn strings_vectors_and_flat_structures_weigh_what_they_take() {
    let _alone = one_at_a_time();
    for length in [1, 10, 300, 10_000] {
        check("String", &EXACT, || text(length));
        check("Vec<u8>", &EXACT, || vec![7_u8; length]);
        check("Bytes", &EXACT, || Shown(Bytes::from(vec![7; length])));
        check("Vec<u64>", &EXACT, || vec![7_u64; length]);
        check("flat", &EXACT, || Flat {
            id: 7,
            name: text(length),
            mail: text(3),
            body: vec![7; length],
        });
    }
}

#[test]
fn nested_structures_weigh_about_what_they_take() {
    let _alone = one_at_a_time();
    let empty = Row {
        name: None,
        city: None,
        age: None,
        picture: None,
        kind: 1,
    };
    let filled = Row {
        name: Some(text(9)),
        picture: Some(vec![7; 20]),
        ..empty.clone()
    };
    check("rows, empty", &EXACT, || vec![empty.clone(); 1_000]);
    check("rows, filled", &EXACT, || vec![filled.clone(); 1_000]);
    check("person", &ROUGH, person);
    check("persons", &ROUGH, || vec![person(); 50]);
    check("kinds", &ROUGH, || {
        let placed = Kind::Placed { at: 1, by: 2 };
        vec![Kind::Plain, Kind::Named(text(30)), placed]
    });
    check("strings", &EXACT, || vec![text(10); 100]);
    check("numbers, optional", &ROUGH, || vec![Some(7_u64), None]);
    check("boxed", &ROUGH, || Some(Box::new(address(3, None))));
    check("tuple", &ROUGH, || (text(3), 7_u64, vec![1_u32; 9]));
    check("vectors", &EXACT, || vec![vec![7_u8; 3]; 50]);
}

#[test]
fn maps_weigh_about_what_they_take() {
    let _alone = one_at_a_time();
    let numbers = |count: u64| (0..count).map(|key| (key, key));
    let texts = |count: u64| (0..count).map(|key| (format!("{key:04}"), text(20)));
    for count in [
        1, 3, 7, 11, 12, 14, 15, 28, 29, 112, 113, 1_000, 1_792, 1_793,
    ] {
        check("table of numbers", &ROUGH, || -> HashMap<_, _> {
            numbers(count).collect()
        });
        check("table of texts", &ROUGH, || -> HashMap<_, _> {
            texts(count).collect()
        });
        check("table of small ones", &ROUGH, || -> HashMap<u32, u8> {
            numbers(count).map(|(key, _)| (key as u32, 1)).collect()
        });
        check("set of numbers", &ROUGH, || -> HashSet<_> {
            (0..count).collect()
        });
        check("tree of numbers", &ROUGH, || -> BTreeMap<_, _> {
            numbers(count).collect()
        });
        check("tree of numbers, one by one", &ROUGH, || {
            let mut tree = BTreeMap::new();
            for (key, value) in numbers(count) {
                tree.insert(key, value);
            }
            tree
        });
        check("tree of texts", &ROUGH, || -> BTreeMap<_, _> {
            texts(count).collect()
        });
        check("maps in a structure", &ROUGH, || {
            let tree: BTreeMap<_, _> = numbers(count).collect();
            let table: HashMap<_, _> = texts(count).collect();
            (7_u64, tree, Some(table))
        });
    }
}
