//! What repairs are pending, and who sees to them.

use std::sync::{Arc, OnceLock, PoisonError, Weak};

use hitbox_core::CompositionLayer;
use tokio::time::{Duration, Instant};

use super::counts::{Count, CountDelta};
use crate::{
    composition::policy::RepairBackoff,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering, fence},
    },
};

/// What the background has to do where repairs are pending. One task at a time does each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Job {
    /// To repair this layer.
    Repair(CompositionLayer),
    /// To notice that what was in doubt can be looked at.
    Lapses,
}

impl Job {
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

/// How repairs of a layer have gone.
#[derive(Clone, Copy, Debug, Default)]
struct Backoff {
    failures_in_a_row: u32,
    not_before: Option<Instant>,
}

/// Counts of what is pending, and who is called to see to it.
#[derive(Default)]
pub(in crate::composition) struct Pending {
    /// Per layer: the keys that it can be repaired for, since no write or remove of them is under way.
    repairable: [Count; 2],
    /// Layers of keys that are in doubt.
    in_doubt: Count,
    /// Somebody sees to the job.
    leased: [AtomicBool; 3],
    /// Set where repairs are made in the background.
    call: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Per layer.
    backoffs: [Mutex<Backoff>; 2],
}

impl Pending {
    pub(super) fn apply(&self, delta: &CountDelta) {
        for (count, delta) in self.repairable.iter().zip(delta.repairable) {
            count.apply(delta);
        }
        self.in_doubt.apply(delta.in_doubt);
    }

    /// From now on `call` is called whenever a repair is pending that no job sees to.
    pub(in crate::composition) fn on_pending(&self, call: impl Fn() + Send + Sync + 'static) {
        // There is one composition, and it sets this once.
        let _already_set = self.call.set(Box::new(call));
    }

    /// Whether there is anything to do about this.
    pub(in crate::composition) fn is_due(&self, job: Job) -> bool {
        let count = match job {
            Job::Repair(layer) => &self.repairable[layer as usize],
            Job::Lapses => &self.in_doubt,
        };
        count.get() > 0
    }

    /// Not to be called with a shard locked: repairs look at the keys.
    pub(super) fn call_for_repairs(&self) {
        let is_open = |job: &Job| {
            if !self.is_due(*job) {
                return false;
            }
            // The counterpart of the one where a lease is given back.
            fence(Ordering::SeqCst);
            !self.leased[job.index()].load(Ordering::Acquire)
        };
        if let Some(call) = self.call.get()
            && Job::ALL.iter().any(is_open)
        {
            call();
        }
    }

    /// Leases all jobs that are due.
    pub(in crate::composition) fn lease(self: &Arc<Self>) -> impl Iterator<Item = JobLease> {
        Job::ALL.into_iter().filter_map(|job| {
            let leased = &self.leased[job.index()];
            let open = self.is_due(job) && !leased.swap(true, Ordering::AcqRel);
            open.then(|| JobLease {
                pending: Arc::downgrade(self),
                job,
                progress: LeaseProgress::Waiting,
            })
        })
    }

    /// The layer is back, or needs no repair any more: what comes next has a first pause again.
    pub(in crate::composition) fn forget_failures(&self, layer: CompositionLayer) {
        *self.backoff(layer) = Backoff::default();
    }

    /// A round of repairs has failed: the next one is due after a pause.
    pub(in crate::composition) fn slow_down(&self, layer: CompositionLayer, pace: RepairBackoff) {
        let mut backoff = self.backoff(layer);
        backoff.failures_in_a_row = backoff.failures_in_a_row.saturating_add(1);
        let pause = pace.pause(backoff.failures_in_a_row - 1);
        backoff.not_before = Some(Instant::now() + pause);
    }

    /// How long until the next repair of the layer may be tried; `None` if none has failed.
    pub(super) fn retry_in(&self, layer: CompositionLayer) -> Option<Duration> {
        let due = self.backoff(layer).not_before?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// How long until there is something to do about this.
    pub(super) fn delay(
        &self,
        job: Job,
        pace: RepairBackoff,
        next_lapse: impl FnOnce() -> Option<Instant>,
    ) -> Duration {
        let due = match job {
            Job::Repair(layer) => self.backoff(layer).not_before,
            Job::Lapses => next_lapse(),
        };
        let until_due = due.map(|due| due.saturating_duration_since(Instant::now()));
        match (job, until_due) {
            // Never at once, however long it has been due: a round that had to pass everything over
            // would be followed by the next without a pause.
            (Job::Repair(_), Some(until_due)) => until_due.max(pace.pause(0)),
            (Job::Lapses, Some(until_due)) => until_due,
            (Job::Repair(_) | Job::Lapses, None) => pace.pause(0),
        }
    }

    fn backoff(&self, layer: CompositionLayer) -> MutexGuard<'_, Backoff> {
        self.backoffs[layer as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to be the one who sees to a job. Given back when dropped.
pub(in crate::composition) struct JobLease {
    pending: Weak<Pending>,
    job: Job,
    progress: LeaseProgress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LeaseProgress {
    Waiting,
    Begun,
}

impl JobLease {
    pub(in crate::composition) const fn job(&self) -> Job {
        self.job
    }

    pub(in crate::composition) const fn begin(&mut self) {
        self.progress = LeaseProgress::Begun;
    }

    /// Goes on later.
    pub(in crate::composition) const fn pause(&mut self) {
        self.progress = LeaseProgress::Waiting;
    }
}

impl Drop for JobLease {
    fn drop(&mut self) {
        let Some(pending) = self.pending.upgrade() else {
            return;
        };
        pending.leased[self.job.index()].store(false, Ordering::Release);
        // If a repair comes to be pending at this very moment, either it is seen here, or who caused
        // it sees that the lease is free.
        fence(Ordering::SeqCst);
        match self.progress {
            // Refused or dropped by the background. Whoever meets the pending repair next tries again; to
            // try at once would be to meet the same end.
            LeaseProgress::Waiting => {}
            // Also at a regular end: a repair may have come to be pending that very moment.
            LeaseProgress::Begun => pending.call_for_repairs(),
        }
    }
}
