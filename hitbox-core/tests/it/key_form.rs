//! The text form of keys over arbitrary, hostile content: injective and reversible (G7).

use std::time::{SystemTime, UNIX_EPOCH};

use hitbox_core::{CacheKey, KeyPart, Namespace};
use proptest::prelude::*;

/// The characters that could confuse the form, and some that could not.
const ALPHABET: [char; 14] = [
    ':',
    '&',
    '=',
    '%',
    'v',
    '0',
    '1',
    '2',
    'A',
    ' ',
    '\n',
    '\0',
    'é',
    '\u{10FFFF}',
];

fn random_text(random: &mut fastrand::Rng) -> String {
    let length = random.usize(0..4);
    (0..length)
        .filter_map(|_| random.choice(ALPHABET))
        .collect()
}

fn random_key(random: &mut fastrand::Rng) -> CacheKey {
    let parts: Vec<_> = (0..random.usize(0..3))
        .map(|_| {
            let value = random.bool().then(|| random_text(random));
            KeyPart::new(random_text(random), value)
        })
        .collect();
    let key = CacheKey::new(random_text(random), random.u32(0..3), parts);
    (0..random.usize(0..3)).fold(key, |key, _| {
        let namespace = Namespace::new(&random_text(random));
        let beside = random.u8(0..4) == 0;
        key.in_namespace(&if beside {
            namespace.beside()
        } else {
            namespace
        })
    })
}

#[test]
fn a_million_pairs_share_a_form_only_if_they_are_equal() {
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    println!("seed: {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut equal_pairs = 0;
    for _ in 0..1_000_000 {
        let (left, right) = (random_key(&mut random), random_key(&mut random));
        let equal = left == right;
        equal_pairs += u32::from(equal);
        assert_eq!(
            equal,
            left.as_text() == right.as_text(),
            "seed {seed}: {left:?} and {right:?}"
        );
        assert_eq!(CacheKey::parse(left.as_text()), Ok(left), "seed {seed}");
    }
    // Both sides of the equivalence must have been exercised.
    assert!((1..500_000).contains(&equal_pairs), "{equal_pairs}");
}

fn key() -> impl Strategy<Value = CacheKey> {
    let part = (any::<String>(), any::<Option<String>>())
        .prop_map(|(name, value)| KeyPart::new(name, value));
    (
        any::<String>(),
        any::<u32>(),
        proptest::collection::vec(part, 0..3),
        any::<String>(),
    )
        .prop_map(|(prefix, version, parts, namespace)| {
            CacheKey::new(prefix, version, parts).in_namespace(&Namespace::new(&namespace))
        })
}

proptest! {
    // No persistence files: a failure prints its seed and its shrunk case.
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_of_arbitrary_strings_come_back_from_their_form(key in key()) {
        prop_assert_eq!(CacheKey::parse(key.as_text()), Ok(key));
    }

    #[test]
    fn whatever_parses_is_the_form_of_what_it_parses_to(text in "[a:&=%v01A2]{0,12}") {
        if let Ok(key) = CacheKey::parse(&text) {
            prop_assert_eq!(key.as_text(), text);
        }
    }
}
