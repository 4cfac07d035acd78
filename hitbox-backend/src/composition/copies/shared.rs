//! What both layers of a coherent composition and its listener know.

use std::{hash::BuildHasher, sync::Weak};

use hitbox_core::{CacheKey, CacheKeyHash, LogMark, clock::Tick};

use super::told::Told;
use crate::{
    coherence::{Counts, Hearing, Origin},
    tags::{TagEar, TagHearing},
};

pub(in crate::composition) struct Shared {
    pub(in crate::composition) hearing: Hearing,
    /// That of L2.
    pub(in crate::composition) origin: Origin,
    pub(in crate::composition) counts: Counts,
    /// Those who are told of tags.
    pub(in crate::composition) told: Told,
}

impl TagHearing for Shared {
    fn heard(&self) -> LogMark {
        self.told.heard()
    }

    fn is_silent(&self) -> bool {
        Tick::now().since(self.hearing.as_of()) > self.hearing.bound()
    }

    fn tell(&self, ear: Weak<dyn TagEar>) {
        self.told.add(ear);
    }
}

/// That which the key carries.
pub(in crate::composition) fn hash(key: &CacheKey) -> u64 {
    CacheKeyHash.hash_one(key)
}
