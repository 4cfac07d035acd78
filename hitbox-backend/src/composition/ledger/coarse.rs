//! Distrust of a layer as a whole: what takes the place of single fences when there are too many.

use std::sync::PoisonError;

use hitbox_core::Stamp;
use tokio::time::{Duration, Instant};

use super::{Ledger, lock};
use crate::{
    composition::CompositionLayer,
    log::{self, Limiter, Line},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// What is distrusted in one layer, whatever the key.
#[derive(Default)]
pub(super) struct Coarse {
    /// Nothing in the layer that is at or below this stamp is trusted. Zero: there is no such fence.
    fence: AtomicU64,
    /// Locked while the fence is raised or lifted.
    given_up: Mutex<GivenUp>,
    /// Of the lines that say so: a small record may be full many times a second.
    lines: std::sync::Mutex<Limiter<&'static str>>,
}

/// What single records said that are not kept any more.
#[derive(Clone, Copy, Default)]
struct GivenUp {
    /// How often records have been given up.
    times: u64,
    /// Until when an operation of theirs that ended without an answer may still take effect.
    late_until: Option<Instant>,
}

impl Coarse {
    fn lock(&self) -> MutexGuard<'_, GivenUp> {
        // No code that holds the lock panics.
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fence of a layer as it was when somebody set out to empty the layer.
#[derive(Debug)]
pub(in crate::composition) struct Lift {
    layer: CompositionLayer,
    times: u64,
}

/// Why the fence of a layer stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum CannotLift {
    /// What was given up may still arrive in the layer, for as long as this.
    Late(Duration),
    /// More has been given up since: it may have come to the layer after that was emptied.
    GivenUpSince,
}

impl Ledger {
    /// The stamp at or below which nothing in `layer` is trusted; zero if there is no coarse fence.
    pub(in crate::composition) fn coarse(&self, layer: CompositionLayer) -> Stamp {
        Stamp::from_micros(self.coarse[layer as usize].fence.load(Ordering::Acquire))
    }

    /// When too many keys owe something, one coarse fence takes their place.
    pub(super) fn bound_what_is_owed(&self) {
        if !self.owes_too_much() {
            return;
        }
        for shard in &self.shards {
            let mut shard = lock(shard);
            self.account(|standing| shard.settle_lapsed(standing));
        }
        if !self.owes_too_much() {
            return;
        }
        let now = Stamp::now();
        for layer in CompositionLayer::BOTH {
            if self.shards.iter().any(|shard| lock(shard).owes(layer)) {
                self.distrust(layer, now);
            }
        }
    }

    fn owes_too_much(&self) -> bool {
        self.owing.load(Ordering::Acquire) > self.capacity
    }

    fn distrust(&self, layer: CompositionLayer, now: Stamp) {
        let coarse = &self.coarse[layer as usize];
        {
            let mut given_up = coarse.lock();
            // Raised before any single fence goes, so that there is no gap between the two.
            let before = coarse.fence.fetch_max(now.as_micros(), Ordering::AcqRel);
            if before == 0 {
                self.standing.fetch_add(1, Ordering::AcqRel);
            }
            given_up.times += 1;
            for shard in &self.shards {
                let mut shard = lock(shard);
                let late = self.account(|standing| shard.forgive(layer, now, standing));
                given_up.late_until = given_up.late_until.max(late);
            }
        }
        let line = log::lock(&coarse.lines).note("full", Instant::now());
        let (composition, capacity) = (&self.name, self.capacity);
        match line {
            None => {}
            Some(Line::Single) => {
                tracing::warn!(%composition, %layer, capacity, "a layer owes more keys than can be remembered: nothing older than now in it is trusted");
            }
            Some(Line::Summary { events, within }) => {
                let times = events.total();
                tracing::warn!(%composition, %layer, capacity, times, ?within, "a layer owed more keys than can be remembered, again");
            }
        }
    }

    /// The way to lift the fence of a layer that is emptied from now on; `None` if it has none.
    ///
    /// Not before all is over that may arrive late and of which nothing is known any more: what
    /// arrived after the layer was emptied would be trusted.
    pub(in crate::composition) fn begin_lift(
        &self,
        layer: CompositionLayer,
    ) -> Result<Option<Lift>, CannotLift> {
        let given_up = self.coarse[layer as usize].lock();
        if self.coarse(layer) == Stamp::ZERO {
            return Ok(None);
        }
        let left = given_up
            .late_until
            .map(|until| until.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if left > Duration::ZERO => Err(CannotLift::Late(left)),
            Some(_) | None => Ok(Some(Lift {
                layer,
                times: given_up.times,
            })),
        }
    }

    /// Lifts the fence of a layer that has been emptied since this was begun.
    pub(in crate::composition) fn lift(&self, lift: &Lift) -> Result<(), CannotLift> {
        let coarse = &self.coarse[lift.layer as usize];
        let mut given_up = coarse.lock();
        if given_up.times != lift.times {
            return Err(CannotLift::GivenUpSince);
        }
        given_up.late_until = None;
        // Somebody else who emptied the layer may have come first.
        if coarse.fence.swap(0, Ordering::AcqRel) > 0 {
            self.standing.fetch_sub(1, Ordering::AcqRel);
        }
        Ok(())
    }
}

#[cfg(all(test, not(hitbox_schedules)))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{num::NonZeroUsize, sync::Arc};

    use hitbox_core::CacheKey;

    use super::*;
    use crate::composition::ledger::{Effect, Trust};

    const LAYER: CompositionLayer = CompositionLayer::L1;

    fn fail_a_remove(ledger: &Arc<Ledger>, key: usize, effect: Effect) {
        let key = CacheKey::from_pair("key", key.to_string());
        let mutation = ledger.begin_remove(&key);
        for (layer, effect) in CompositionLayer::BOTH
            .into_iter()
            .zip([effect, Effect::Confirmed])
        {
            let turn = futures::executor::block_on(mutation.turn(layer));
            turn.unwrap().settle(effect);
        }
    }

    fn with_a_full_record(effect: Effect) -> Arc<Ledger> {
        let ledger = Ledger::new(NonZeroUsize::MIN);
        fail_a_remove(&ledger, 0, effect);
        assert_eq!(ledger.coarse(LAYER), Stamp::ZERO);
        fail_a_remove(&ledger, 1, effect);
        assert!(ledger.coarse(LAYER) > Stamp::ZERO);
        ledger
    }

    fn standing(ledger: &Ledger) -> usize {
        ledger.standing.load(Ordering::Acquire)
    }

    fn trust(ledger: &Ledger) -> Trust {
        ledger.trust(&CacheKey::from_pair("key", "another"))
    }

    #[test]
    fn reads_pass_without_a_lock_again() {
        let ledger = with_a_full_record(Effect::None);
        assert_eq!(standing(&ledger), 1);
        assert!(trust(&ledger).is_limited());
        let lift = ledger.begin_lift(LAYER).unwrap().unwrap();
        let another = ledger.begin_lift(LAYER).unwrap().unwrap();
        assert_eq!(standing(&ledger), 1);
        ledger.lift(&lift).unwrap();
        assert_eq!(standing(&ledger), 0);
        assert!(!trust(&ledger).is_limited());
        ledger.lift(&another).unwrap();
        assert_eq!(standing(&ledger), 0);
        assert!(ledger.begin_lift(LAYER).unwrap().is_none());
    }

    #[test]
    fn a_fence_that_comes_back_stands_once() {
        let ledger = with_a_full_record(Effect::None);
        let lift = ledger.begin_lift(LAYER).unwrap().unwrap();
        ledger.lift(&lift).unwrap();
        for key in 2..20 {
            fail_a_remove(&ledger, key, Effect::None);
        }
        // That of the layer, and of at most one key.
        assert!((1..=2).contains(&standing(&ledger)));
        assert!(trust(&ledger).is_limited());
    }

    #[test]
    fn what_is_given_up_meanwhile_keeps_the_fence() {
        let ledger = with_a_full_record(Effect::None);
        let lift = ledger.begin_lift(LAYER).unwrap().unwrap();
        fail_a_remove(&ledger, 2, Effect::None);
        fail_a_remove(&ledger, 3, Effect::None);
        assert_eq!(ledger.lift(&lift), Err(CannotLift::GivenUpSince));
        assert!(trust(&ledger).is_limited());
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_arrive_late_keeps_the_fence() {
        let ledger = with_a_full_record(Effect::Unknown);
        tokio::time::advance(Duration::from_millis(59_999)).await;
        let left = Duration::from_millis(1);
        assert_eq!(ledger.begin_lift(LAYER).err(), Some(CannotLift::Late(left)));
        tokio::time::advance(left).await;
        assert!(ledger.begin_lift(LAYER).unwrap().is_some());
    }
}
