//! What repairs ask of the records, and how they are called for.

use std::sync::{Arc, OnceLock, PoisonError, Weak};

use hitbox_core::CacheKey;
use tokio::time::{Duration, Instant};

use super::{
    Ledger, Trust, Turn,
    counts::{CountDelta, apply},
    key_state::Asked,
    lock,
    shard::Repairable,
};
use crate::{
    composition::{CompositionLayer, RepairPace},
    sync::{
        MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
};

/// What the background has to do where layers owe something. Each is done by one task at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Chore {
    /// To repair what this layer owes.
    Repair(CompositionLayer),
    /// To notice that what was unsettled can be looked at.
    Lapses,
}

impl Chore {
    const ALL: [Self; 3] = [
        Self::Repair(CompositionLayer::L1),
        Self::Repair(CompositionLayer::L2),
        Self::Lapses,
    ];

    const fn index(self) -> usize {
        match self {
            Self::Repair(layer) => layer as usize,
            Self::Lapses => 2,
        }
    }
}

/// What a layer owes of a key, as a repair sees it when it begins. As long as this is held, no other
/// repair of the key in the layer begins: reads that repair would else pile up on a layer that hangs.
pub(in crate::composition) struct Debt {
    pub(in crate::composition) asked: Asked,
    pub(in crate::composition) trust: Trust,
    ledger: Arc<Ledger>,
    key: CacheKey,
    layer: CompositionLayer,
}

impl Drop for Debt {
    fn drop(&mut self) {
        self.ledger.shard(&self.key).end_look(&self.key, self.layer);
    }
}

/// How repairs of a layer have gone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries {
    failures_in_a_row: u32,
    not_before: Option<Instant>,
}

/// Counts of what is pending, and who is called to see to it.
#[derive(Default)]
pub(super) struct Pending {
    /// Per layer: the keys that it can be repaired for, since no operation on them is under way.
    repairable: [AtomicUsize; 2],
    /// Layers of keys that wait for a late effect.
    unsettled: AtomicUsize,
    /// Somebody sees to the chore.
    claimed: [AtomicBool; 3],
    /// Set where repairs are made in the background.
    call: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Pending {
    pub(super) fn apply(&self, delta: &CountDelta) {
        for (count, delta) in self.repairable.iter().zip(delta.repairable) {
            apply(count, delta);
        }
        apply(&self.unsettled, delta.in_doubt);
    }

    fn is_due(&self, chore: Chore) -> bool {
        let count = match chore {
            Chore::Repair(layer) => &self.repairable[layer as usize],
            Chore::Lapses => &self.unsettled,
        };
        count.load(Ordering::Acquire) > 0
    }
}

/// The right to be the one who sees to a chore. Given back when dropped.
pub(in crate::composition) struct Claim {
    ledger: Weak<Ledger>,
    chore: Chore,
    progress: ClaimProgress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClaimProgress {
    Waiting,
    Begun,
}

impl Claim {
    pub(in crate::composition) const fn chore(&self) -> Chore {
        self.chore
    }

    pub(in crate::composition) const fn begin(&mut self) {
        self.progress = ClaimProgress::Begun;
    }

    /// Goes on later.
    pub(in crate::composition) const fn pause(&mut self) {
        self.progress = ClaimProgress::Waiting;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(ledger) = self.ledger.upgrade() else {
            return;
        };
        ledger.pending.claimed[self.chore.index()].store(false, Ordering::Release);
        // If something comes to be owed at this very moment, either it is seen here, or whoever owes
        // it sees that nobody has the claim any more.
        fence(Ordering::SeqCst);
        match self.progress {
            // Refused or dropped by the background. Whoever meets the debt next tries again; to try
            // at once would be to meet the same end.
            ClaimProgress::Waiting => {}
            // Also at a regular end: something may have come to be owed that very moment.
            ClaimProgress::Begun => ledger.call_for_repairs(),
        }
    }
}

impl Ledger {
    /// From now on `call` is called whenever something is owed that nobody sees to.
    pub(in crate::composition) fn on_debt(&self, call: impl Fn() + Send + Sync + 'static) {
        // There is one composition per ledger, and it sets this once.
        let _already_set = self.pending.call.set(Box::new(call));
    }

    /// Not to be called with a shard locked: repairs look at the records.
    pub(super) fn call_for_repairs(&self) {
        let pending = &self.pending;
        let is_open = |chore: &Chore| {
            if !pending.is_due(*chore) {
                return false;
            }
            // The counterpart of the one where a claim is given back.
            fence(Ordering::SeqCst);
            !pending.claimed[chore.index()].load(Ordering::Acquire)
        };
        if let Some(call) = pending.call.get()
            && Chore::ALL.iter().any(is_open)
        {
            call();
        }
    }

    /// Claims all there is to do.
    pub(in crate::composition) fn claim(self: &Arc<Self>) -> impl Iterator<Item = Claim> {
        Chore::ALL.into_iter().filter_map(|chore| {
            let claimed = &self.pending.claimed[chore.index()];
            let open = self.pending.is_due(chore) && !claimed.swap(true, Ordering::AcqRel);
            open.then(|| Claim {
                ledger: Arc::downgrade(self),
                chore,
                progress: ClaimProgress::Waiting,
            })
        })
    }

    /// What `layer` owes of `key`; `None` if nothing, or if there is something under way that may yet
    /// settle it.
    pub(in crate::composition) fn debt(
        self: &Arc<Self>,
        key: &CacheKey,
        layer: CompositionLayer,
    ) -> Option<Debt> {
        let trust = self.trust(key);
        // After the fences: whatever ends in between counts as having ended since.
        let asked = self.shard(key).begin_look(key, layer)?;
        Some(Debt {
            asked,
            trust,
            ledger: Arc::clone(self),
            key: key.clone(),
            layer,
        })
    }

    /// The right to repair `key` in `layer`, under the terms of a refill.
    pub(in crate::composition) fn begin_repair(
        self: &Arc<Self>,
        key: &CacheKey,
        layer: CompositionLayer,
        refilled: Option<hitbox_core::Stamp>,
        trust: &Trust,
    ) -> Option<Turn> {
        let newest = {
            let mut shard = self.shard(key);
            shard.repairable(key, layer)?;
            shard.begin_refill(key, layer, trust.ends)?
        };
        let (ledger, key) = (Arc::clone(self), key.clone());
        Some(Turn::new(ledger, key, layer, newest, refilled))
    }

    /// Keys that `layer` can be repaired for, those that were tried least often first, and of those the
    /// ones whose newest write or remove is the oldest. In this order whatever the records are kept in:
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
                keys.sort_by_key(Repairable::turn);
                keys.truncate(most);
            }
        }
        keys.sort_by_key(Repairable::turn);
        keys.into_iter().map(|one| one.key).collect()
    }

    /// Whether there is anything to do about this.
    pub(in crate::composition) fn is_due(&self, chore: Chore) -> bool {
        self.pending.is_due(chore)
    }

    /// The layer is back, or owes nothing any more: what comes next has a first pause again.
    pub(in crate::composition) fn forget_failures(&self, layer: CompositionLayer) {
        *self.tries(layer) = Tries::default();
    }

    pub(in crate::composition) fn note_failed_repair(
        &self,
        key: &CacheKey,
        layer: CompositionLayer,
    ) {
        self.shard(key).note_attempt(key, layer);
    }

    /// A round of repairs has failed: the next one is due after a pause.
    pub(in crate::composition) fn slow_down(&self, layer: CompositionLayer, pace: RepairPace) {
        let mut tries = self.tries(layer);
        tries.failures_in_a_row = tries.failures_in_a_row.saturating_add(1);
        tries.not_before = Some(Instant::now() + pace.pause(tries.failures_in_a_row - 1));
    }

    /// How long until there is something to do about this.
    pub(in crate::composition) fn delay(&self, chore: Chore, pace: RepairPace) -> Duration {
        let due = match chore {
            Chore::Repair(layer) => self.tries(layer).not_before,
            Chore::Lapses => self
                .shards
                .iter()
                .filter_map(|shard| lock(shard).next_lapse())
                .min(),
        };
        let until_due = due.map(|due| due.saturating_duration_since(Instant::now()));
        match (chore, until_due) {
            // Never at once, however long it has been due: a round that had to pass everything over
            // would be followed by the next without a pause.
            (Chore::Repair(_), Some(until_due)) => until_due.max(pace.pause(0)),
            (Chore::Lapses, Some(until_due)) => until_due,
            (Chore::Repair(_) | Chore::Lapses, None) => pace.pause(0),
        }
    }

    /// How long until the next repair of the layer may be tried; `None` if none has failed.
    pub(super) fn retry_in(&self, layer: CompositionLayer) -> Option<Duration> {
        let due = self.tries(layer).not_before?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// Lets all that was unsettled for long enough be looked at.
    pub(in crate::composition) fn settle_lapsed(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            self.account(|standing| shard.settle_lapsed(standing));
        }
        self.call_for_repairs();
    }

    fn tries(&self, layer: CompositionLayer) -> MutexGuard<'_, Tries> {
        self.tries[layer as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
