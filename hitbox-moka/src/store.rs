use std::{
    fmt,
    hash::BuildHasher,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hitbox_backend::in_process::{Capacity, Evictions, Held, Removal, Store};
use hitbox_core::{CacheKey, CacheKeyHash};
use moka::{notification::RemovalCause, policy::EvictionPolicy, sync::Cache};

use crate::backlog::Backlog;

/// Writers of different keys rarely meet on one of this many locks.
const STRIPES: usize = 64;

/// moka, as what a [`MokaBackend`](crate::MokaBackend) keeps its entries in.
pub struct Moka {
    cache: Cache<CacheKey, Held, CacheKeyHash>,
    backlog: Option<Backlog>,
    stripes: Box<[Mutex<()>]>,
}

impl Moka {
    /// Serializes the sweep's look at a key with the writes of it: what has just been written anew
    /// must not go in place of what was over.
    fn lock(&self, key: &CacheKey) -> MutexGuard<'_, ()> {
        let hash = CacheKeyHash.hash_one(key);
        let stripe = usize::try_from(hash % STRIPES as u64).unwrap_or(0);
        // It guards no data.
        self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Moka {
    const NAME: &'static str = "moka";

    /// moka's node and queues, its share of the hash table, reference counts, the decoded object's own frame.
    ///
    /// About 290 bytes are asked of the allocator for it, in a dozen small pieces; glibc's rounding and
    /// headers make that 440 of resident memory. `cargo test -p hitbox-moka --test allocator -- --nocapture`
    /// prints both, and fails when the first has moved.
    const ENTRY_OVERHEAD: usize = 400;

    fn open(capacity: Capacity, _largest: u64, evictions: Option<Arc<Evictions>>) -> Self {
        // TinyLFU: with LRU, moka 0.12.16 has been seen to lose its capacity under parallel writers.
        let mut builder = Cache::builder()
            .eviction_policy(EvictionPolicy::tiny_lfu())
            .max_capacity(capacity.bound());
        if let Some(evictions) = evictions {
            builder = builder.eviction_listener(move |key, held, cause| {
                evictions.note(&key, &held, removal(cause));
            });
        }
        let (builder, backlog) = match capacity {
            Capacity::Entries(_) => (builder, None),
            Capacity::Bytes(max_bytes) => (
                builder.weigher(|_: &CacheKey, held: &Held| held.weight()),
                Some(Backlog::new(max_bytes)),
            ),
        };
        Self {
            cache: builder.build_with_hasher(CacheKeyHash),
            backlog,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
        }
    }

    #[inline]
    fn get(&self, key: &CacheKey) -> Option<Held> {
        self.cache.get(key)
    }

    fn insert(&self, key: &CacheKey, held: Held) {
        let weight = u64::from(held.weight());
        {
            let _serialized = self.lock(key);
            self.cache.insert(key.clone(), held);
        }
        let backlog = self.backlog.as_ref();
        if backlog.is_some_and(|backlog| backlog.add(weight)) {
            self.cache.run_pending_tasks();
        }
    }

    fn remove(&self, key: &CacheKey) -> Option<Held> {
        self.cache.remove(key)
    }

    fn remove_if(&self, key: &CacheKey, condition: impl FnOnce(&Held) -> bool) {
        let _serialized = self.lock(key);
        if self.cache.get(key).as_ref().is_some_and(condition) {
            self.cache.invalidate(key);
        }
    }

    fn visit(&self, mut see: impl FnMut(&CacheKey, &Held) -> ControlFlow<()>) -> ControlFlow<()> {
        self.cache
            .iter()
            .try_for_each(|(key, held)| see(&key, &held))
    }

    fn entries(&self) -> u64 {
        self.cache.entry_count()
    }

    fn weight(&self) -> u64 {
        self.cache.weighted_size()
    }

    fn run_pending_tasks(&self) {
        self.cache.run_pending_tasks();
    }
}

/// Shows no keys and no values.
impl fmt::Debug for Moka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moka")
            .field("policy", &self.cache.policy())
            .finish_non_exhaustive()
    }
}

const fn removal(cause: RemovalCause) -> Removal {
    match cause {
        RemovalCause::Size => Removal::Capacity,
        // moka knows nothing of expiry.
        RemovalCause::Expired | RemovalCause::Explicit | RemovalCause::Replaced => Removal::Asked,
    }
}
