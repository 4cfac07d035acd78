//! All keys of a composition: what is known of them, behind 16 locks.

use std::{
    hash::BuildHasher,
    num::NonZeroUsize,
    sync::{Arc, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use hitbox_core::{CacheKey, CacheKeyHash, CompositionLayer, Stamp};
use tokio::time::Duration;

use super::{
    counts::{Count, CountDelta},
    help::SharedTask,
    layer_fence::{CannotLift, LayerFence, Lift},
    pending::{Job, Pending},
    repairable::Repairable,
    shard::Shard,
    snapshot::{FenceSnapshot, Standing},
    waiters::Waiter,
};
use crate::{
    composition::{label::DEFAULT_LABEL, pending_repair::PendingRepair, policy::RepairBackoff},
    log::Name,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// Enough that two cores rarely meet in one; each costs an empty map.
const SHARDS: usize = 16;

pub(in crate::composition) struct Fences {
    shards: Box<[Mutex<Shard>]>,
    /// How many keys have a fence or a soft expiry that a read must look at, and one more for each layer with a
    /// fence of its own and each shard that has forgotten soft expiries. Zero lets a read pass without a lock.
    standing: Count,
    /// Per layer: the stamp at or below which nothing of a forgotten key is served.
    layer_fences: [LayerFence; 2],
    /// How many keys may have a repair pending, over all shards.
    capacity: usize,
    pending_keys: Count,
    /// What of that can be repaired.
    pending: Arc<Pending>,
    /// Counts the ends of writes and removes; a refill compares it to tell whether one has ended
    /// since its read began.
    ends: AtomicU64,
    /// Tells tasks in the background apart.
    tasks: AtomicU64,
    /// Of the composition, for the log.
    name: Arc<Name>,
}

impl Fences {
    pub(in crate::composition) fn new(capacity: NonZeroUsize) -> Arc<Self> {
        let idle_per_shard = capacity.get().div_ceil(SHARDS);
        Arc::new(Self {
            shards: (0..SHARDS)
                .map(|_| Mutex::new(Shard::new(idle_per_shard)))
                .collect(),
            standing: Count::default(),
            layer_fences: Default::default(),
            capacity: capacity.get(),
            pending_keys: Count::default(),
            pending: Arc::default(),
            ends: AtomicU64::new(0),
            tasks: AtomicU64::new(0),
            name: Arc::new(Name::new(DEFAULT_LABEL)),
        })
    }

    /// The composition's, for the log.
    pub(in crate::composition) const fn name(&self) -> &Arc<Name> {
        &self.name
    }

    /// What repairs are pending, and who sees to them.
    pub(in crate::composition) const fn pending(&self) -> &Arc<Pending> {
        &self.pending
    }

    /// What a read of `key` that begins now must not trust.
    #[inline]
    pub(in crate::composition) fn snapshot(&self, key: &CacheKey) -> FenceSnapshot {
        // Before the fences: an operation that ends between the two loads then counts as not ended,
        // which at worst skips a refill.
        let ends = self.ends.load(Ordering::Acquire);
        if self.standing.get() == 0 {
            return FenceSnapshot {
                standing: None,
                ends,
            };
        }
        FenceSnapshot {
            standing: self.standing(key),
            ends,
        }
    }

    /// Whether there is nothing that a read which begins now must not trust.
    #[inline]
    pub(in crate::composition) fn are_quiet(&self) -> bool {
        self.standing.get() == 0
    }

    #[inline(never)]
    fn standing(&self, key: &CacheKey) -> Option<Standing> {
        let standing = {
            let mut shard = self.shard(key);
            self.account(|delta| shard.end_lapsed_doubts(delta));
            let fence = |layer| shard.fence(key, layer, self.layer_fence(layer));
            Standing {
                fences: CompositionLayer::BOTH.map(fence),
                soft_expiry: shard.soft_expiry(key),
            }
        };
        // The background may have dropped what it was to do.
        self.pending.call_for_repairs();
        (standing != Standing::NOTHING).then_some(standing)
    }

    /// A number that rises with each change of the key in L2 that begins or ends, and of some others.
    pub(in crate::composition) fn changes(&self, key: &CacheKey) -> u64 {
        self.shard(key).changes()
    }

    /// The number of a write or remove that ends now.
    pub(super) fn next_end(&self) -> u64 {
        self.ends.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Tells who is `next` that the permit has come. Not to be called with a shard locked: who is told may do
    /// anything.
    pub(super) fn hand_on(&self, key: &CacheKey, layer: CompositionLayer, next: Option<Waiter>) {
        let mut next = next;
        // A waiter may have gone this very moment.
        while let Some(Err(_gone)) = next.take().map(Waiter::grant) {
            let mut shard = self.shard(key);
            next = self.account(|delta| shard.release(key, layer, delta));
        }
    }

    pub(super) fn shard(&self, key: &CacheKey) -> MutexGuard<'_, Shard> {
        let hash = CacheKeyHash.hash_one(key);
        // The map within uses the lowest bits and the highest: those in between tell shards apart.
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }

    /// Runs a change of a shard, and keeps the counts in step with it.
    pub(super) fn account<T>(&self, change: impl FnOnce(&mut CountDelta) -> T) -> T {
        let mut delta = CountDelta::default();
        let result = change(&mut delta);
        self.standing.apply(delta.of_reads);
        self.pending_keys.apply(delta.pending);
        self.pending.apply(&delta);
        result
    }
}

/// What is pending.
impl Fences {
    /// The repairs that are pending.
    pub(in crate::composition) fn pending_repairs(&self) -> Vec<PendingRepair> {
        let of_shard = |shard: &Mutex<Shard>| {
            let mut shard = lock(shard);
            self.account(|delta| shard.end_lapsed_doubts(delta));
            shard.pending_repairs()
        };
        let mut all: Vec<_> = self.shards.iter().flat_map(of_shard).collect();
        let retry_in = CompositionLayer::BOTH.map(|layer| self.pending.retry_in(layer));
        for pending in &mut all {
            pending.retry_in = retry_in[pending.layer as usize];
        }
        all
    }

    /// How many keys have a repair pending, with no operation under way.
    pub(in crate::composition) fn pending_repair_count(&self) -> usize {
        self.pending_keys.get()
    }

    /// Called after a repair of a key may have become pending, outside the shard's lock.
    pub(super) fn see_to_repairs(&self) {
        self.bound_pending_repairs();
        self.pending.call_for_repairs();
    }

    /// Keys that `layer` can be repaired for, those that were tried least often first, and of those the
    /// ones whose newest write or remove is the oldest. In this order whatever the keys are kept in:
    /// a run from a seed must be repeatable.
    pub(in crate::composition) fn repairable(
        &self,
        layer: CompositionLayer,
        most: usize,
    ) -> Vec<CacheKey> {
        let mut keys: Vec<Repairable> = Vec::new();
        for shard in &self.shards {
            lock(shard).list_repairable(layer, &mut keys);
            if keys.len() > most {
                keys.sort_by_key(Repairable::order);
                keys.truncate(most);
            }
        }
        keys.sort_by_key(Repairable::order);
        keys.into_iter().map(|one| one.key).collect()
    }

    pub(in crate::composition) fn note_failed_repair(
        &self,
        key: &CacheKey,
        layer: CompositionLayer,
    ) {
        self.shard(key).note_attempt(key, layer);
    }

    /// How long until there is something to do about this.
    pub(in crate::composition) fn delay(&self, job: Job, pace: RepairBackoff) -> Duration {
        let next_lapse = || {
            let shards = self.shards.iter();
            shards.filter_map(|shard| lock(shard).next_lapse()).min()
        };
        self.pending.delay(job, pace, next_lapse)
    }

    /// Lets all that was in doubt for long enough be looked at.
    pub(in crate::composition) fn end_lapsed_doubts(&self) {
        self.settle_all_lapsed();
        self.pending.call_for_repairs();
    }

    fn settle_all_lapsed(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            self.account(|delta| shard.end_lapsed_doubts(delta));
        }
    }
}

/// The fences of whole layers.
impl Fences {
    /// The stamp at or below which nothing of a key that was given up is trusted in `layer`; zero if there is
    /// no such fence.
    pub(in crate::composition) fn layer_fence(&self, layer: CompositionLayer) -> Stamp {
        self.layer_fences[layer as usize].stamp()
    }

    /// When too many repairs are pending, a fence of the layer takes their place.
    fn bound_pending_repairs(&self) {
        if self.pending_keys.get() <= self.capacity {
            return;
        }
        self.settle_all_lapsed();
        if self.pending_keys.get() <= self.capacity {
            return;
        }
        let now = Stamp::now();
        for layer in CompositionLayer::BOTH {
            if self
                .shards
                .iter()
                .any(|shard| lock(shard).has_pending(layer))
            {
                self.raise_layer_fence(layer, now);
            }
        }
    }

    fn raise_layer_fence(&self, layer: CompositionLayer, now: Stamp) {
        let fence = &self.layer_fences[layer as usize];
        fence.raise(now, &self.standing, || {
            let forgive = |shard: &Mutex<Shard>| {
                let mut shard = lock(shard);
                self.account(|delta| shard.forgive(layer, now, delta))
            };
            self.shards.iter().filter_map(forgive).max()
        });
        fence.warn(&self.name, layer, self.capacity);
    }

    /// The way to lift the fence of a layer that is emptied from now on; `None` if it has none.
    pub(in crate::composition) fn begin_lift(
        &self,
        layer: CompositionLayer,
    ) -> Result<Option<Lift>, CannotLift> {
        self.layer_fences[layer as usize].begin_lift(layer)
    }

    /// Lifts the fence of a layer that has been emptied since this was begun.
    pub(in crate::composition) fn lift(&self, lift: &Lift) -> Result<(), CannotLift> {
        self.layer_fences[lift.layer as usize].lift(lift, &self.standing, || {
            for shard in &self.shards {
                lock(shard).forget_given_up(lift.layer);
            }
        })
    }
}

/// Tasks in the background.
impl Fences {
    /// Lets those who wait for permits of `keys` help this task, which goes to the background.
    pub(in crate::composition) fn share_task(
        self: &Arc<Self>,
        keys: Vec<CacheKey>,
        task: BoxFuture<'static, ()>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let id = self.tasks.fetch_add(1, Ordering::Relaxed);
        let keys: Arc<[CacheKey]> = keys.into();
        let noted = Noted {
            fences: Arc::clone(self),
            keys: Arc::clone(&keys),
            id,
        };
        let future = async move {
            let _noted = noted;
            task.await;
        };
        let (fences, offered) = (Arc::clone(self), Arc::clone(&keys));
        let task = SharedTask::new(future.boxed(), move |task| {
            for key in &*offered {
                let offers = fences.shard(key).offers(key);
                for offer in offers {
                    // Fails only if the waiter has gone.
                    let _ = offer.send(Arc::downgrade(task));
                }
            }
        });
        for key in &*keys {
            self.shard(key).add_task(key, id, &task);
        }
        task.run()
    }
}

/// A task in the background that its keys know of.
struct Noted {
    fences: Arc<Fences>,
    keys: Arc<[CacheKey]>,
    id: u64,
}

impl Drop for Noted {
    fn drop(&mut self) {
        for key in &*self.keys {
            self.fences.shard(key).remove_task(key, self.id);
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // No code that holds the lock leaves a shard half-changed.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(hitbox_schedules)))]
mod tests;
