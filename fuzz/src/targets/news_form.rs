//! The reader of entries in a log of news.

use fastrand::Rng;
use hitbox_backend::{
    coherence::{News, Origin, news_form},
    tags::Severity,
};
use hitbox_core::{CacheKey, Stamp};

use super::named;
use crate::{Observed, Seed, Target};

pub(crate) const TARGET: Target = Target {
    name: "news_form",
    about: "an entry in a log of news",
    run,
    adapt,
    seeds,
    tokens: &[
        b"\x01",
        b"\x02",
        b"\x03",
        b"\x00\x00",
        b"\xff\xff",
        b"\x01\x00\x00\x00\x00\x00\x00\x00\x00",
        b"users:v1",
        b":v0:id=1",
    ],
};

/// Form and origin.
const HEADER: usize = 9;

/// Reads the bytes as an entry.
///
/// # Panics
///
/// If what is read is not written as it was.
pub fn run(bytes: &[u8]) -> Observed {
    let mut observed = Observed::default();
    // A key of a few bytes takes more than these.
    let read = observed.bounded(64 * bytes.len(), || news_form::decode(bytes));
    observed.count(read.as_ref().ok());
    if let Ok(news) = read {
        let origin = origin(bytes);
        let changed = news.iter().filter_map(|news| match news {
            News::Changed { key, stamp, .. } => Some((key, *stamp)),
            News::Invalidated(_) | _ => None,
        });
        let changed: Vec<_> = changed.collect();
        match &*news {
            [News::Invalidated(one)] => {
                let (tag, severity) = (one.tag.as_deref(), one.severity);
                let entry = news_form::encode_invalidated(origin, &one.cache, tag, severity);
                assert_eq!(entry, bytes);
            }
            all if all.len() == changed.len() => {
                assert_eq!(news_form::encode(origin, changed), [bytes]);
            }
            // What is read together, nobody writes together.
            _ => {}
        }
    }
    observed
}

fn origin(entry: &[u8]) -> Origin {
    let bits = entry.get(1..HEADER).and_then(|bits| bits.try_into().ok());
    Origin::from_bits(bits.map_or(0, u64::from_le_bytes))
}

/// Most are of the form that is known.
fn adapt(mut input: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    if random.u8(0..4) != 0
        && let Some(form) = input.first_mut()
    {
        *form = 1;
    }
    input
}

fn seeds() -> Vec<Seed> {
    let entry = |keys: &[CacheKey]| {
        let origin = Origin::from_bits(0x0102_0304_0506_0708);
        let changed = keys
            .iter()
            .map(|key| (key, Stamp::from_micros(1_700_000_000_000_000)));
        news_form::encode(origin, changed).swap_remove(0)
    };
    let ids: Vec<_> = (0..20)
        .map(|id| CacheKey::from_pair("id", id.to_string()))
        .collect();
    named([
        ("hello", entry(&[])),
        ("one-key", entry(&[CacheKey::new("users", 1, [])])),
        ("keys", entry(&ids)),
        (
            "any-key",
            entry(&[CacheKey::from_pair("id", "x".repeat(70_000))]),
        ),
        (
            "tag",
            news_form::encode_invalidated(
                Origin::from_bits(7),
                "shop",
                Some("team:7"),
                Severity::Hard,
            ),
        ),
        (
            "everything",
            news_form::encode_invalidated(Origin::from_bits(7), "shop", None, Severity::Soft),
        ),
    ])
}
