use std::{ops::ControlFlow, sync::Arc};

use hitbox_core::CacheKey;

use super::{Capacity, Evictions, Held};

/// The cache beneath an [`InProcess`](super::InProcess) backend: it keeps entries, and chooses which of
/// them go when the capacity is reached.
///
/// It need not know of expiry. Its methods are called from any thread, and wait for nothing but
/// locks that are held for moments.
pub trait Store: Sized + Send + Sync + 'static {
    /// The label of a backend that is given no other, as in `moka`.
    const NAME: &'static str;

    /// What an entry takes beside what its key and its value say they weigh, in bytes: the nodes of the
    /// cache, its share of the hash table, reference counts.
    const ENTRY_OVERHEAD: usize;

    /// A store of this capacity, into which entries of up to `largest` go (a weight, under a capacity in
    /// bytes; 0 if `largest_value` is not set).
    ///
    /// If there are `evictions`, they are to be told of every entry that leaves.
    fn open(capacity: Capacity, largest: u64, evictions: Option<Arc<Evictions>>) -> Self;

    /// The weight of the heaviest entry that a store takes which was opened for `max_bytes` and entries of up to
    /// `largest`. Nothing heavier is handed to [`insert`](Self::insert).
    #[must_use]
    fn heaviest_entry(max_bytes: u64, largest: u64) -> u64 {
        let _ = largest;
        max_bytes
    }

    /// The smallest `max_bytes` for which an entry of this weight is taken.
    #[must_use]
    fn least_capacity(weight: u64) -> u64 {
        weight
    }

    /// What is kept under the key.
    fn get(&self, key: &CacheKey) -> Option<Held>;

    /// Keeps it in place of what was there.
    fn insert(&self, key: &CacheKey, held: Held);

    /// Drops what is kept under the key, and hands it over.
    fn remove(&self, key: &CacheKey) -> Option<Held>;

    /// Drops what is kept under the key if it is as asked for. No insert of the key may come between the look and the removal.
    fn remove_if(&self, key: &CacheKey, condition: impl FnOnce(&Held) -> bool);

    /// Shows every entry that stays during the visit, until told to break. `see` may call
    /// [`remove_if`](Self::remove_if).
    fn visit(&self, see: impl FnMut(&CacheKey, &Held) -> ControlFlow<()>) -> ControlFlow<()>;

    /// How many entries are kept.
    fn entries(&self) -> u64;

    /// What they weigh together.
    fn weight(&self) -> u64;

    /// Does what the cache puts off. By default there is nothing.
    fn run_pending_tasks(&self) {}
}
