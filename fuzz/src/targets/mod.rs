//! One file per target.

pub mod bincode;
mod codec;
mod forge;
mod format;
pub mod gzip;
pub mod json;
pub mod key;
pub mod lz4;
pub mod news_form;
pub mod postcard;
pub mod stored_form;
pub mod typed_read;
pub mod zstd;

use fastrand::Rng;

use crate::Seed;

/// For a target whose inputs have nothing to put right.
fn as_it_is(input: Vec<u8>, _random: &mut Rng) -> Vec<u8> {
    input
}

fn named<'a>(seeds: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<Seed> {
    let seeds = seeds.into_iter();
    seeds
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect()
}
