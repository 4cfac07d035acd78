//! The decoder of bincode payloads.

use hitbox_backend::BincodeFormat;

use super::{as_it_is, format, named};
use crate::{Observed, Seed, Target};

pub(crate) const TARGET: Target = Target {
    name: "bincode",
    about: "a bincode payload, read as several types",
    run,
    adapt: as_it_is,
    seeds,
    // Lengths that a payload does not have, in the ways that the format writes them.
    tokens: &[
        b"\xfb\xff\xff",
        b"\xfc\xff\xff\xff\xff",
        b"\xfd\0\0\0\0\x01\0\0\0",
        b"\x01\x01\x01\x01",
    ],
};

/// Reads the payload as several types.
///
/// # Panics
///
/// On anything but a miss or a value that comes back, and on an allocation beyond the limit.
pub fn run(payload: &[u8]) -> Observed {
    format::run(&BincodeFormat, payload)
}

fn seeds() -> Vec<Seed> {
    let mut seeds = format::seeds(&BincodeFormat);
    seeds.extend(named([
        (
            "long-string",
            b"\xfd\xff\xff\xff\xff\xff\xff\xff\x7fabc".to_vec(),
        ),
        ("many-units", b"\xfc\xff\xff\xff\x7f".to_vec()),
        // Each branch claims as many as there can be.
        (
            "nested-claims",
            [&[1; 8][..], b"\xfb\x40\x1f"].concat().repeat(64),
        ),
        ("nested-options", vec![1; 512]),
    ]));
    seeds
}
