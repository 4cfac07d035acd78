//! The decoder of postcard payloads.

use hitbox_backend::PostcardFormat;

use super::{as_it_is, format, named};
use crate::{Observed, Seed, Target};

pub(crate) const TARGET: Target = Target {
    name: "postcard",
    about: "a postcard payload, read as several types",
    run,
    adapt: as_it_is,
    seeds,
    // Lengths that a payload does not have, in the ways that the format writes them.
    tokens: &[
        b"\xff\xff\x03",
        b"\x80\x80\x80\x80\x10",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x80\0",
        b"\x01\x01\x01\x01",
    ],
};

/// Reads the payload as several types.
///
/// # Panics
///
/// On anything but a miss or a value that comes back, and on an allocation beyond the limit.
pub fn run(payload: &[u8]) -> Observed {
    format::run(&PostcardFormat, payload)
}

fn seeds() -> Vec<Seed> {
    let mut seeds = format::seeds(&PostcardFormat);
    seeds.extend(named([
        (
            "long-string",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc".to_vec(),
        ),
        ("many-units", b"\xff\xff\xff\xff\x07".to_vec()),
        // Each branch claims as many as there can be.
        (
            "nested-claims",
            [&[1; 8][..], b"\xc0\x3e"].concat().repeat(64),
        ),
        ("nested-options", vec![1; 512]),
    ]));
    seeds
}
