//! What both layers of a coherent composition and its listener know.

use std::hash::BuildHasher;

use hitbox_core::{CacheKey, CacheKeyHash};

use crate::coherence::{Counts, Hearing, Origin};

pub(in crate::composition) struct Shared {
    pub(in crate::composition) hearing: Hearing,
    /// That of L2.
    pub(in crate::composition) origin: Origin,
    pub(in crate::composition) counts: Counts,
}

/// That which the key carries.
pub(in crate::composition) fn hash(key: &CacheKey) -> u64 {
    CacheKeyHash.hash_one(key)
}
