use std::fmt;

use fastrand::Rng;

use crate::{Observed, targets};

/// An input, and the name of its file in the corpus.
pub type Seed = (String, Vec<u8>);

/// Something that reads bytes, and what must hold when it does.
pub struct Target {
    /// The name, also of the folder of its corpus.
    pub name: &'static str,
    /// What reads the bytes.
    pub about: &'static str,
    /// Reads the bytes once. Panics if a guarantee does not hold.
    pub run: fn(&[u8]) -> Observed,
    /// Turns a mutated input into one that gets further, more often than not.
    pub adapt: fn(Vec<u8>, &mut Rng) -> Vec<u8>,
    /// Where its corpus begins.
    pub seeds: fn() -> Vec<Seed>,
    /// What is worth inserting.
    pub tokens: &'static [&'static [u8]],
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    targets::stored_form::TARGET,
    targets::typed_read::TARGET,
    targets::bincode::TARGET,
    targets::json::TARGET,
    targets::postcard::TARGET,
    targets::gzip::TARGET,
    targets::zstd::TARGET,
    targets::lz4::TARGET,
    targets::key::TARGET,
    targets::news_form::TARGET,
];

impl Target {
    /// The target with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}
