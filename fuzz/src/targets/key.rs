//! The parser of keys.

use std::str;

use fastrand::Rng;
use hitbox_core::{CacheKey, KeyPart};

use super::named;
use crate::{Observed, Seed, Target};

pub(crate) const TARGET: Target = Target {
    name: "key",
    about: "the text form of a key",
    run,
    adapt,
    seeds,
    tokens: &[
        b":",
        b"&",
        b"=",
        b"%",
        b":v",
        b":v0:",
        b":v4294967295",
        b":v4294967296",
        b"v+1",
        b"%3A",
        b"%3a",
        b"%41",
        b"%C3%A9",
        b"%FF",
        b"\xc3\xa9",
        b"%00",
        b"\0",
        b" ",
        b"%20",
        b"%2",
        b"==",
    ],
};

/// Parses the bytes as a key, and makes a key of them.
///
/// # Panics
///
/// If a key is parsed from a text that is not its own, or if a key is not parsed from its text.
pub fn run(bytes: &[u8]) -> Observed {
    let mut observed = Observed::default();
    let Ok(text) = str::from_utf8(bytes) else {
        observed.count::<()>(None);
        return observed;
    };
    let parsed = observed.bounded(bytes.len(), || CacheKey::parse(text));
    observed.count(parsed.as_ref().ok());
    if let Ok(key) = parsed {
        assert_eq!(key.as_text(), text);
        assert_comes_back(&key);
    }
    assert_comes_back(&made_of(text));
    observed
}

/// Through its parts, and through its text.
fn assert_comes_back(key: &CacheKey) {
    // A clone would share the text.
    let same =
        CacheKey::new(key.prefix(), key.version(), key.parts()).in_namespace(&key.namespace());
    assert_eq!(same, *key);
    assert_eq!(same.as_text(), key.as_text());
    assert_eq!(CacheKey::parse(key.as_text()).as_ref(), Ok(key));
}

/// A key that has pieces of the text in all places, separators and all.
fn made_of(text: &str) -> CacheKey {
    let mut pieces = text.split('\0');
    let prefix = pieces.next().unwrap_or_default();
    let version = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let parts = pieces.map(|piece| match piece.split_once(' ') {
        Some((name, value)) => KeyPart::new(name, Some(value)),
        None => KeyPart::new(piece, None::<&str>),
    });
    CacheKey::new(prefix, version, parts)
}

fn adapt(input: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    let text = match String::from_utf8(input) {
        Ok(text) => text,
        Err(error) if random.bool() => return error.into_bytes(),
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    if random.u8(0..4) == 0 {
        return made_of(&text).as_text().as_bytes().to_vec();
    }
    text.into_bytes()
}

fn seeds() -> Vec<Seed> {
    named(
        [
            ("readable", "users:v1:id=42&lang=en"),
            ("no-parts", "users:v1"),
            ("empty", ":v0:"),
            ("empty-value", ":v0:="),
            ("escapes", "a%3Ab:v7:q=a%3Db%26c&%25=%20%00"),
            ("largest-version", "a:v4294967295:b"),
            ("not-ascii", "naïve:v1:名=値"),
            ("pieces", "a:b\0c=d e%f\0\0g h&i"),
        ]
        .map(|(name, text)| (name, text.as_bytes().to_vec())),
    )
}
