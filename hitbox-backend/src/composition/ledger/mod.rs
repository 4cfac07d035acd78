//! What a composition knows about what its layers hold: the mechanism behind G3 and G4.
//!
//! Every write and remove of a key raises the key's *fence* to its own stamp before it touches a
//! layer. From then on a value of that key found in a layer is trusted only if its `created` stamp
//! is above the fence, unless the layer has *confirmed*: unless the newest operation on the key has
//! succeeded there. So whatever arrives late (a refill in flight, a race's loser, a write that timed
//! out and was applied after all) and whatever a failed layer still holds is not served. A layer
//! that has not confirmed is both bypassed and on record as owing.
//!
//! Operations on one key and layer take *turns*, and one that has been overtaken passes, so each
//! layer ends at the newest. `docs/fences.md` has the argument in full.

mod at_once;
mod coarse;
mod counts;
mod debts;
mod drive;
mod effect;
mod key_state;
mod shard;
mod turn;
mod waiters;

use std::{
    hash::BuildHasher,
    num::NonZeroUsize,
    pin::pin,
    sync::{Arc, PoisonError, Weak},
};

use futures::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use hitbox_core::{CacheKey, CacheKeyHash, Stamp};

use super::{CompositionLayer, DEFAULT_LABEL, Owed};
use crate::log::Name;
use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};
use coarse::Coarse;
use counts::{CountDelta, apply};
use debts::{Pending, Tries};
use drive::{Borrowed, Handoff, Work};
use key_state::Stamped;
use shard::{Shard, Turns};

pub(super) use at_once::{AdmissionAtOnce, WriteAtOnce};
pub(super) use coarse::CannotLift;
pub(super) use debts::{Chore, Claim};
pub(super) use effect::Effect;
pub(super) use key_state::Asked;
pub(super) use turn::{Afterwards, Turn};

/// Enough that two cores rarely meet in one; each costs an empty map.
const SHARDS: usize = 16;

pub(super) struct Ledger {
    shards: Box<[Mutex<Shard>]>,
    /// How many keys have a fence that a read must look at, and one more for each layer with a
    /// coarse fence. Zero lets a read pass without a lock.
    standing: AtomicUsize,
    /// Per layer: distrust of all that is old in it, whatever the key.
    coarse: [Coarse; 2],
    /// Of the composition, for the log.
    name: Arc<Name>,
    /// Counts the ends of writes and removes; a refill compares it to tell whether one has ended
    /// since its read began.
    ends: AtomicU64,
    /// How many keys may owe something, over all shards.
    capacity: usize,
    owing: AtomicUsize,
    /// What of that can be repaired.
    pending: Pending,
    /// Per layer: how repairs have gone.
    tries: [Mutex<Tries>; 2],
    drivers: AtomicU64,
}

/// What a read must not trust, taken when it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    fences: [Stamp; 2],
    ends: u64,
}

impl Trust {
    /// Whether a value with this stamp, found in `layer`, may be served.
    #[inline]
    pub(super) fn covers(&self, layer: CompositionLayer, created: Stamp) -> bool {
        let fence = self.fences[layer as usize];
        // A stamp from far in the future would pass every fence: it proves nothing.
        fence == Stamp::ZERO || (created > fence && created.is_plausible())
    }

    /// Whether there is anything that must not be trusted.
    #[inline]
    pub(super) fn is_limited(&self) -> bool {
        self.fences != [Stamp::ZERO; 2]
    }
}

/// Where a value that is written comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From the source of truth, loaded at some time that its stamp tells.
    Load,
    /// From another cache that vouches for it.
    OtherLayer,
}

/// What becomes of a write or remove.
pub(super) enum Admission {
    /// It may touch the layers.
    Accepted(Arc<Mutation>),
    /// Something newer has been done to the key: there is nothing to do.
    Superseded,
    /// Too much has been removed since the value was created to know whether this key was among
    /// it.
    Unprovable,
}

impl Ledger {
    pub(super) fn new(capacity: NonZeroUsize) -> Arc<Self> {
        let quiet_per_shard = capacity.get().div_ceil(SHARDS);
        Arc::new(Self {
            shards: (0..SHARDS)
                .map(|_| Mutex::new(Shard::new(quiet_per_shard)))
                .collect(),
            standing: AtomicUsize::new(0),
            coarse: Default::default(),
            name: Arc::new(Name::new(DEFAULT_LABEL)),
            ends: AtomicU64::new(0),
            capacity: capacity.get(),
            owing: AtomicUsize::new(0),
            pending: Pending::default(),
            tries: Default::default(),
            drivers: AtomicU64::new(0),
        })
    }

    /// The composition's, for the log.
    pub(super) fn name(&self) -> &Arc<Name> {
        &self.name
    }

    /// What a read of `key` that begins now must not trust.
    #[inline]
    pub(super) fn trust(&self, key: &CacheKey) -> Trust {
        // Before the fences: an operation that ends between the two loads then counts as not ended,
        // which at worst skips a refill.
        let ends = self.ends.load(Ordering::Acquire);
        if self.standing.load(Ordering::Acquire) == 0 {
            return Trust {
                fences: [Stamp::ZERO; 2],
                ends,
            };
        }
        let fences = {
            let mut shard = self.shard(key);
            self.account(|standing| shard.settle_lapsed(standing));
            CompositionLayer::BOTH.map(|layer| shard.fence(key, layer, self.coarse(layer)))
        };
        // The background may have dropped what it was to do.
        self.call_for_repairs();
        Trust { fences, ends }
    }

    /// Registers a write of a value created at `created`, and raises the fence.
    pub(super) fn begin_write(
        self: &Arc<Self>,
        key: &CacheKey,
        created: Stamp,
        origin: Origin,
    ) -> Admission {
        self.begin(key, Stamped::Write(created), origin)
    }

    /// Registers a remove, and raises the fence.
    pub(super) fn begin_remove(self: &Arc<Self>, key: &CacheKey) -> Arc<Mutation> {
        loop {
            // A stamp made under no lock may be overtaken by another remove's before it is
            // registered; then a fresh one is due.
            let remove = Stamped::Remove(Stamp::now());
            if let Admission::Accepted(mutation) = self.begin(key, remove, Origin::Load) {
                return mutation;
            }
        }
    }

    fn begin(self: &Arc<Self>, key: &CacheKey, change: Stamped, origin: Origin) -> Admission {
        match self.register(&mut self.shard(key), key, change, origin, Turns::Later) {
            Ok(id) => Admission::Accepted(Arc::new(Mutation {
                ledger: Arc::clone(self),
                key: key.clone(),
                id,
            })),
            Err(shard::Refusal::Superseded) => Admission::Superseded,
            Err(shard::Refusal::Unprovable) => Admission::Unprovable,
        }
    }

    fn register(
        &self,
        shard: &mut Shard,
        key: &CacheKey,
        change: Stamped,
        origin: Origin,
        turns: Turns,
    ) -> Result<u64, shard::Refusal> {
        self.account(|standing| {
            shard.settle_lapsed(standing);
            shard.begin(key, change, origin, turns, standing)
        })
    }

    /// The right to copy a value that a read with `trust` found to `layer`, if no write or remove
    /// has touched the key since the read began and the layer is free.
    pub(super) fn begin_refill(
        self: &Arc<Self>,
        key: &CacheKey,
        layer: CompositionLayer,
        created: Stamp,
        trust: &Trust,
    ) -> Option<Turn> {
        let mut shard = self.shard(key);
        let newest = shard.begin_refill(key, layer, trust.ends)?;
        Some(Turn::new(
            Arc::clone(self),
            key.clone(),
            layer,
            newest,
            Some(created),
        ))
    }

    /// Waits until no other operation on this key and layer is under way.
    async fn turn(self: &Arc<Self>, key: &CacheKey, layer: CompositionLayer, id: u64) -> Turn {
        loop {
            let place = self.shard(key).take_turn_or_wait(key, layer, id);
            let Some((mut handoffs, background)) = place else {
                return Turn::new(Arc::clone(self), key.clone(), layer, id, None);
            };
            // Upgraded without the lock, see `Drivers::snapshot`.
            let mut driving: FuturesUnordered<_> = background.iter().filter_map(borrow).collect();
            loop {
                let handoff = if driving.is_empty() {
                    handoffs.recv().await
                } else {
                    match select(pin!(handoffs.recv()), driving.next()).await {
                        Either::Left((handoff, _)) => handoff,
                        Either::Right(_) => continue,
                    }
                };
                match handoff {
                    // A turn handed to a waiter that was dropped meanwhile comes back by its own
                    // drop.
                    Some(Handoff::Turn(turn)) => return turn,
                    Some(Handoff::Drive(work)) => driving.extend(borrow(&work)),
                    None => break,
                }
            }
        }
    }

    fn next_driver(&self) -> u64 {
        self.drivers.fetch_add(1, Ordering::Relaxed)
    }

    /// What the layers owe, for whoever wants to know.
    pub(super) fn owed(&self) -> Vec<Owed> {
        let owed = |shard: &Mutex<Shard>| {
            let mut shard = lock(shard);
            self.account(|standing| shard.settle_lapsed(standing));
            shard.owed()
        };
        let mut all: Vec<_> = self.shards.iter().flat_map(owed).collect();
        let retry_in = CompositionLayer::BOTH.map(|layer| self.retry_in(layer));
        for owed in &mut all {
            owed.retry_in = retry_in[owed.layer as usize];
        }
        all
    }

    /// How many keys owe something with no operation under way.
    pub(super) fn owed_len(&self) -> usize {
        self.owing.load(Ordering::Acquire)
    }

    /// Called after a key may have come to owe something, outside the shard's lock.
    fn see_to_debts(&self) {
        self.bound_what_is_owed();
        self.call_for_repairs();
    }

    fn shard(&self, key: &CacheKey) -> MutexGuard<'_, Shard> {
        let hash = CacheKeyHash.hash_one(key);
        // The map within uses the lowest bits and the highest: those in between tell shards apart.
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }

    /// Runs a change of a shard, and keeps the two counts in step with it.
    fn account<T>(&self, change: impl FnOnce(&mut CountDelta) -> T) -> T {
        let mut delta = CountDelta::default();
        let result = change(&mut delta);
        apply(&self.standing, delta.fenced);
        apply(&self.owing, delta.pending);
        self.pending.apply(&delta);
        result
    }
}

fn borrow(work: &Weak<Work>) -> Option<Borrowed> {
    work.upgrade()?.borrow()
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // No code that holds the lock leaves a shard half-changed.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A write or remove under way. It ends when its last holder lets go: the call itself, and whatever
/// layer operation of it has been handed to the background.
pub(super) struct Mutation {
    ledger: Arc<Ledger>,
    key: CacheKey,
    id: u64,
}

impl Mutation {
    /// Waits for the turn to touch `layer`; `None` if something newer has been done to the key
    /// meanwhile, which leaves nothing to do.
    pub(super) async fn turn(&self, layer: CompositionLayer) -> Option<Turn> {
        let turn = self.ledger.turn(&self.key, layer, self.id).await;
        if self.ledger.shard(&self.key).is_newest(&self.key, self.id) {
            return Some(turn);
        }
        turn.settle(Effect::None);
        None
    }
}

impl Drop for Mutation {
    fn drop(&mut self) {
        let ends = self.ledger.ends.fetch_add(1, Ordering::AcqRel) + 1;
        {
            let mut shard = self.ledger.shard(&self.key);
            self.ledger
                .account(|standing| shard.end(&self.key, ends, standing));
        }
        self.ledger.see_to_debts();
    }
}
