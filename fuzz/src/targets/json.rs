//! The decoder of JSON payloads.

use hitbox_backend::JsonFormat;

use super::{as_it_is, format, named};
use crate::{Observed, Seed, Target};

pub(crate) const TARGET: Target = Target {
    name: "json",
    about: "a JSON payload, read as several types",
    run,
    adapt: as_it_is,
    seeds,
    tokens: &[
        b"[",
        b"]",
        b"{",
        b"}",
        b"\"",
        b":",
        b",",
        b"\\u0000",
        b"\\ud800",
        b"\\u00e9",
        b"null",
        b"true",
        b"-0.0",
        b"1e308",
        b"1e-320",
        b"1e999",
        b"0.30000000000000004",
        b"[[[[[[[[",
        b"{\"Nested\":",
        b"\"Nothing\"",
        b"\"next\":",
        b"18446744073709551616",
        b"\xff",
        b" ",
    ],
};

/// Reads the payload as several types.
///
/// # Panics
///
/// On anything but a miss or a value that comes back, and on an allocation beyond the limit.
pub fn run(payload: &[u8]) -> Observed {
    format::run(&JsonFormat, payload)
}

fn seeds() -> Vec<Seed> {
    let mut seeds = format::seeds(&JsonFormat);
    seeds.extend(named([
        (
            "escapes",
            br#""a\u0000\ud83d\ude00\"\\\/\b\f\n\r\t""#.to_vec(),
        ),
        ("half-a-pair", br#""\ud83d""#.to_vec()),
        ("not-utf-8", b"\"\xff\"".to_vec()),
        ("spaces", b"[null, null ,null]".to_vec()),
        ("brackets", vec![b'['; 512]),
        ("nested", b"{\"Nested\":".repeat(150)),
    ]));
    seeds
}
