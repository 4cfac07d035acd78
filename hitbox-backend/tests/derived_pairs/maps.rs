//! Maps, by their keys and by their values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

fn entry<K: Ord, V>(key: K, value: V) -> BTreeMap<K, V> {
    BTreeMap::from([(key, value)])
}

pairs! {
    ordered_as_hashed: [Same, Same] (BTreeMap<String, u32>) => (HashMap<String, u32>), entry("a".into(), 1);
    map_as_pairs: [Miss, Miss] (BTreeMap<String, u32>) => (Vec<(String, u32)>), entry("a".into(), 1);
    pairs_as_map: [Miss, Miss] (Vec<(u8, u32)>) => (BTreeMap<u8, u32>), vec![(1, 2)];
    map_of_other_values: [Miss, Same] (BTreeMap<u8, u32>) => (BTreeMap<u8, i32>), entry(1, 2);
    map_of_wider_keys: [Miss, Same] (BTreeMap<u8, u32>) => (BTreeMap<u16, u32>), entry(1, 2);
    map_of_keys_as_text: [Miss, Same] (BTreeMap<u8, u32>) => (BTreeMap<String, u32>), entry(1, 2);
    map_of_text_as_keys: [Miss, Miss] (BTreeMap<String, u32>) => (BTreeMap<u8, u32>), entry("a".into(), 2);
    map_turned: [Miss, Same] (BTreeMap<u8, u16>) => (BTreeMap<u16, u8>), entry(1, 2);
    map_of_flags: [Miss, Same] (BTreeMap<bool, u8>) => (BTreeMap<String, u8>), entry(true, 2);
    map_of_characters: [Miss, Same] (BTreeMap<char, u8>) => (BTreeMap<String, u8>), entry('a', 2);
    map_of_tuples: [Miss, NotStorable] (BTreeMap<(u8, u8), u8>) => (BTreeMap<(u8, u16), u8>), entry((1, 2), 3);
    map_of_newtypes: [Same, Same] {
        #[derive(PartialEq, Eq, PartialOrd, Ord)] struct Id(u32);
        struct T(BTreeMap<Id, u8>);
    } => (BTreeMap<u32, u8>), T(entry(Id(1), 2));
    map_of_variants: [Miss, Same] {
        #[derive(PartialEq, Eq, PartialOrd, Ord)] enum Colour { Red, Green }
        struct T(BTreeMap<Colour, u8>);
    } => (BTreeMap<String, u8>), T(entry(Colour::Green, 2));
    map_of_other_variants: [Miss, Same] {
        #[derive(PartialEq, Eq, PartialOrd, Ord)] enum Colour { Red, Green }
        struct T(BTreeMap<Colour, u8>);
    } => {
        #[derive(PartialEq, Eq, PartialOrd, Ord)] enum Colour { Green, Red }
        struct T(BTreeMap<Colour, u8>);
    }, T(entry(Colour::Green, 2));
    map_as_struct: [Miss, Same] (BTreeMap<String, u8>) => { struct T { a: u8 } }, entry("a".into(), 1);
    struct_as_map: [Miss, Same] { struct T { a: u8, b: u8 } } => (BTreeMap<String, u8>), T { a: 1, b: 2 };
    map_as_larger_struct: [Miss, Miss] (BTreeMap<String, u8>) => { struct T { a: u8, b: u8 } }, entry("a".into(), 1);
    map_as_enum: [Miss, Same] (BTreeMap<String, u8>) => { enum T { A(u8), B } }, entry("A".into(), 1);
    map_of_units_as_set: [Miss, Miss] (BTreeMap<String, ()>) => (BTreeSet<String>), entry("a".into(), ());
    map_of_options: [Miss, Same] (BTreeMap<u8, Option<u8>>) => (BTreeMap<u8, u8>), entry(1, Some(2));
    map_in_map: [Miss, Same] (BTreeMap<u8, BTreeMap<u8, u8>>) => (BTreeMap<u8, BTreeMap<u8, i8>>), entry(1, entry(2, 3));
    map_in_other_map: [Miss, Miss] (BTreeMap<u8, BTreeMap<u8, u8>>) => (BTreeMap<u8, Vec<u8>>), entry(1, entry(2, 3));
    empty_map_of_others: [Miss, Same] (BTreeMap<u8, u8>) => (BTreeMap<u8, String>), BTreeMap::new();
    empty_map_as_empty_sequence: [Miss, Miss] (BTreeMap<u8, u8>) => (Vec<u8>), BTreeMap::new();
}
