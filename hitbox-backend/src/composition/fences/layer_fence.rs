//! The fence of a layer: what takes the place of single fences when there are too many.
//!
//! It is about the keys whose single fences were given up. Their shards keep them, see [`forgotten`](super::forgotten).

use std::sync::PoisonError;

use hitbox_core::{CompositionLayer, Stamp};
use tokio::time::{Duration, Instant};

use super::counts::Count;
use crate::{
    log::{self, Limiter, Line, Name},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// Up to where nothing of a forgotten key is served from one layer.
#[derive(Default)]
pub(super) struct LayerFence {
    /// Nothing of them in the layer that is at or below this stamp is trusted. Zero: there is no such fence.
    stamp: AtomicU64,
    /// Locked while the fence is raised or lifted.
    given_up: Mutex<GivenUp>,
    /// Of the lines that say so: a small record may be full many times a second.
    lines: std::sync::Mutex<Limiter<&'static str>>,
}

/// What single keys said that is not known any more.
#[derive(Clone, Copy, Default)]
struct GivenUp {
    /// How often keys have been given up.
    times: u64,
    /// Until when an operation of theirs that ended without an answer may still take effect.
    in_doubt_until: Option<Instant>,
}

/// The fence of a layer as it was when somebody set out to empty the layer.
#[derive(Debug)]
pub(in crate::composition) struct Lift {
    pub(super) layer: CompositionLayer,
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

impl LayerFence {
    fn lock(&self) -> MutexGuard<'_, GivenUp> {
        // No code that holds the lock panics.
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stamp at or below which nothing of a key that was given up is trusted. Zero: there is no such fence.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp::from_micros(self.stamp.load(Ordering::Acquire))
    }

    /// Raises the fence to `now`, and then gives up what single keys say. `give_up` returns until when
    /// something may arrive late of which nothing is known any more. `standing` counts the fence.
    pub(super) fn raise(
        &self,
        now: Stamp,
        standing: &Count,
        give_up: impl FnOnce() -> Option<Instant>,
    ) {
        let mut given_up = self.lock();
        // Raised before any single fence goes, so that there is no gap between the two.
        let before = self.stamp.fetch_max(now.as_micros(), Ordering::AcqRel);
        if before == 0 {
            standing.apply(1);
        }
        given_up.times += 1;
        given_up.in_doubt_until = given_up.in_doubt_until.max(give_up());
    }

    /// The way to lift the fence of a layer that is emptied from now on; `None` if it has none.
    ///
    /// Not before all is over that may arrive late and of which nothing is known any more: what
    /// arrived after the layer was emptied would be trusted.
    pub(super) fn begin_lift(&self, layer: CompositionLayer) -> Result<Option<Lift>, CannotLift> {
        let given_up = self.lock();
        if self.stamp() == Stamp::ZERO {
            return Ok(None);
        }
        let left = given_up
            .in_doubt_until
            .map(|until| until.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if left > Duration::ZERO => Err(CannotLift::Late(left)),
            Some(_) | None => Ok(Some(Lift {
                layer,
                times: given_up.times,
            })),
        }
    }

    /// Lifts the fence of a layer that has been emptied since this was begun. `forget` is to forget which keys it
    /// was about.
    pub(super) fn lift(
        &self,
        lift: &Lift,
        standing: &Count,
        forget: impl FnOnce(),
    ) -> Result<(), CannotLift> {
        let mut given_up = self.lock();
        if given_up.times != lift.times {
            return Err(CannotLift::GivenUpSince);
        }
        given_up.in_doubt_until = None;
        // Somebody else who emptied the layer may have come first.
        if self.stamp.swap(0, Ordering::AcqRel) > 0 {
            standing.apply(-1);
            forget();
        }
        Ok(())
    }

    /// Says in the log that more than `capacity` repairs were pending.
    pub(super) fn warn(&self, composition: &Name, layer: CompositionLayer, capacity: usize) {
        let line = log::lock(&self.lines).note("full", Instant::now());
        match line {
            None => {}
            Some(Line::Single) => {
                tracing::warn!(%composition, %layer, capacity, "a layer has more pending repairs than the record holds: nothing older than now of these keys in it is trusted");
            }
            Some(Line::Summary { events, within }) => {
                let times = events.total();
                tracing::warn!(%composition, %layer, capacity, times, ?within, "a layer had more pending repairs than the record holds, again");
            }
        }
    }
}
