use std::{fmt, ops::ControlFlow, sync::Arc};

use hitbox_backend::in_process::{Capacity, Evictions, Held, Removal, Store};
use hitbox_core::{CacheKey, CacheKeyHash};
use quick_cache::{Weighter, sync::Cache};

use crate::{
    evicted::{Evicted, HandOver},
    shards,
};

/// `quick_cache`, as what a [`QuickCacheBackend`](crate::QuickCacheBackend) keeps its entries in.
pub struct QuickCache {
    cache: Cache<CacheKey, Held, ByWeight, CacheKeyHash, HandOver>,
    evictions: Option<Arc<Evictions>>,
}

#[derive(Clone, Copy, Debug)]
struct ByWeight;

impl Weighter<CacheKey, Held> for ByWeight {
    #[inline]
    fn weight(&self, _: &CacheKey, held: &Held) -> u64 {
        u64::from(held.weight())
    }
}

impl QuickCache {
    fn note(&self, key: &CacheKey, held: &Held, removal: Removal) {
        if let Some(evictions) = &self.evictions {
            evictions.note(key, held, removal);
        }
    }

    fn note_all(&self, written: &CacheKey, evicted: &Evicted) {
        // The first thing that a write drives out is the value of its own key, if there was one. What it drives
        // out later is for the room.
        for (number, (key, held)) in evicted.iter().enumerate() {
            let removal = if number == 0 && key == written {
                Removal::Asked
            } else {
                Removal::Capacity
            };
            self.note(key, held, removal);
        }
    }
}

impl Store for QuickCache {
    const NAME: &'static str = "quick_cache";

    /// The slot of the entry, its share of the hash table and of the keys that are remembered though they were evicted,
    /// reference counts, the decoded object's own frame.
    const ENTRY_OVERHEAD: usize = 175;

    fn open(capacity: Capacity, largest: u64, evictions: Option<Arc<Evictions>>) -> Self {
        let options = shards::options(capacity, largest);
        Self {
            cache: Cache::with_options(options, ByWeight, CacheKeyHash, HandOver),
            evictions,
        }
    }

    fn heaviest_entry(max_bytes: u64, largest: u64) -> u64 {
        shards::heaviest_entry(max_bytes, largest)
    }

    fn least_capacity(weight: u64) -> u64 {
        shards::that_takes(weight)
    }

    #[inline]
    fn get(&self, key: &CacheKey) -> Option<Held> {
        self.cache.get(key)
    }

    fn insert(&self, key: &CacheKey, held: Held) {
        let mut evicted = Evicted::default();
        self.cache
            .insert_with_lifecycle(key.clone(), held, &mut evicted);
        if self.evictions.is_some() {
            self.note_all(key, &evicted);
        }
    }

    fn remove(&self, key: &CacheKey) -> Option<Held> {
        let (key, held) = self.cache.remove(key)?;
        self.note(&key, &held, Removal::Asked);
        Some(held)
    }

    fn remove_if(&self, key: &CacheKey, condition: impl FnOnce(&Held) -> bool) {
        if let Some((key, held)) = self.cache.remove_if(key, condition) {
            self.note(&key, &held, Removal::Asked);
        }
    }

    fn visit(&self, mut see: impl FnMut(&CacheKey, &Held) -> ControlFlow<()>) -> ControlFlow<()> {
        self.cache
            .iter()
            .try_for_each(|(key, held)| see(&key, &held))
    }

    fn entries(&self) -> u64 {
        self.cache.len() as u64
    }

    fn weight(&self) -> u64 {
        self.cache.weight()
    }
}

/// Shows no keys and no values.
impl fmt::Debug for QuickCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuickCache")
            .field("shards", &self.cache.num_shards())
            .finish_non_exhaustive()
    }
}
