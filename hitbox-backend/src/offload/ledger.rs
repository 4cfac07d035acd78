use std::collections::{BTreeMap, HashSet, VecDeque};

use futures::future::BoxFuture;
use hitbox_core::OffloadKey;

use super::{CloseReport, OffloadStatistics};

/// Numbers registrations in the order they were admitted.
pub(super) type TaskId = u64;

/// Numbers work that is not due yet.
pub(super) type DeferredId = u64;

pub(super) struct Task {
    pub(super) id: TaskId,
    pub(super) key: OffloadKey,
    pub(super) future: BoxFuture<'static, ()>,
}

/// How a future ended that had been admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    TimedOut,
    Panicked,
    Abandoned,
}

/// Why a future was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Duplicate,
    Full,
    Closed,
}

pub(super) enum Admission {
    Start(Task),
    Queued,
    Refused { task: Task, refusal: Refusal },
}

pub(super) enum Deferral {
    Until(DeferredId),
    Refused {
        key: OffloadKey,
        future: BoxFuture<'static, ()>,
        refusal: Refusal,
    },
}

/// Who is pending, who is running, and how the others ended. Lives behind a lock, so it never drops
/// a future itself: a future's destructor is foreign code and may register more work.
#[derive(Default)]
pub(super) struct Ledger {
    next_id: TaskId,
    pending: VecDeque<Task>,
    running: BTreeMap<TaskId, OffloadKey>,
    /// Work whose time has not come, by numbers of its own.
    deferred: BTreeMap<DeferredId, (OffloadKey, BoxFuture<'static, ()>)>,
    next_deferred: DeferredId,
    /// How many tasks wait for the time of deferred work.
    timers: usize,
    /// The keys of pending and running work that may not be doubled.
    claimed: HashSet<OffloadKey>,
    /// `Some` from the moment the manager is closed.
    closing: Option<CloseReport>,
    counts: OffloadStatistics,
}

impl Ledger {
    pub(super) fn admit(
        &mut self,
        key: OffloadKey,
        future: BoxFuture<'static, ()>,
        max_running: usize,
        max_pending: usize,
    ) -> Admission {
        let id = self.next_id;
        let task = Task { id, key, future };
        if self.is_closed() {
            self.counts.rejected_closed += 1;
            return refused(task, Refusal::Closed);
        }
        if self.claimed.contains(&task.key) {
            self.counts.deduplicated += 1;
            return refused(task, Refusal::Duplicate);
        }
        let can_start = self.running.len() < max_running;
        if !can_start && self.pending.len() >= max_pending {
            self.counts.rejected_full += 1;
            return refused(task, Refusal::Full);
        }
        self.next_id += 1;
        if is_deduplicated(&task.key) {
            self.claimed.insert(task.key.clone());
        }
        if can_start {
            self.running.insert(id, task.key.clone());
            Admission::Start(task)
        } else {
            self.pending.push_back(task);
            Admission::Queued
        }
    }

    /// Notes the end of running work and moves up what may start in its place.
    pub(super) fn finish(&mut self, id: TaskId, outcome: Outcome) -> Option<Task> {
        if let Some(key) = self.running.remove(&id) {
            self.settle(key, outcome);
        }
        let next = self.pending.pop_front();
        if let Some(task) = &next {
            self.running.insert(task.id, task.key.clone());
        }
        next
    }

    /// Keeps work until it is due.
    pub(super) fn defer(
        &mut self,
        key: OffloadKey,
        future: BoxFuture<'static, ()>,
        max_deferred: usize,
    ) -> Deferral {
        let (refusal, count) = if self.is_closed() {
            (Refusal::Closed, &mut self.counts.rejected_closed)
        } else if self.deferred.len() >= max_deferred {
            (Refusal::Full, &mut self.counts.rejected_full)
        } else {
            let id = self.next_deferred;
            self.next_deferred += 1;
            self.deferred.insert(id, (key, future));
            self.timers += 1;
            return Deferral::Until(id);
        };
        *count += 1;
        Deferral::Refused {
            key,
            future,
            refusal,
        }
    }

    /// Admits deferred work that is due; `None` if the manager was closed before it was. In one step:
    /// work must not be out of the books at the moment when the manager is closed.
    pub(super) fn admit_deferred(
        &mut self,
        id: DeferredId,
        max_running: usize,
        max_pending: usize,
    ) -> Option<Admission> {
        let (key, future) = self.deferred.remove(&id)?;
        Some(self.admit(key, future, max_running, max_pending))
    }

    /// A task that waited for the time of deferred work is over.
    pub(super) const fn end_timer(&mut self) {
        self.timers -= 1;
    }

    pub(super) const fn has_timers(&self) -> bool {
        self.timers > 0
    }

    pub(super) fn is_deferred(&self, id: DeferredId) -> bool {
        self.deferred.contains_key(&id)
    }

    /// Admits nothing from now on. What was deferred is due at once; the tasks that this lets start
    /// are returned.
    pub(super) fn close(&mut self, max_running: usize) -> Vec<Task> {
        self.closing.get_or_insert_default();
        for (key, future) in std::mem::take(&mut self.deferred).into_values() {
            let id = self.next_id;
            self.next_id += 1;
            self.pending.push_back(Task { id, key, future });
        }
        let free = max_running.saturating_sub(self.running.len());
        let starting: Vec<_> = self.pending.drain(..free.min(self.pending.len())).collect();
        let keys = starting.iter().map(|task| (task.id, task.key.clone()));
        self.running.extend(keys);
        starting
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closing.is_some()
    }

    /// Closes, and hands all pending work out to be dropped, deferred work included. It counts as
    /// running until its [`finish`](Self::finish), so that nobody takes it for gone before it is.
    pub(super) fn give_up_pending(&mut self) -> VecDeque<Task> {
        let starting = self.close(0);
        debug_assert!(starting.is_empty(), "nothing starts where no room is");
        let pending = std::mem::take(&mut self.pending);
        let keys = pending.iter().map(|task| (task.id, task.key.clone()));
        self.running.extend(keys);
        pending
    }

    fn settle(&mut self, key: OffloadKey, outcome: Outcome) {
        self.claimed.remove(&key);
        let count = match outcome {
            Outcome::Completed => &mut self.counts.completed,
            Outcome::TimedOut => &mut self.counts.timed_out,
            Outcome::Panicked => &mut self.counts.panicked,
            Outcome::Abandoned => &mut self.counts.abandoned,
        };
        *count += 1;
        if let Some(report) = &mut self.closing {
            match outcome {
                Outcome::Completed => report.completed += 1,
                Outcome::TimedOut | Outcome::Panicked | Outcome::Abandoned => {
                    report.unfinished.push(key);
                }
            }
        }
    }

    /// The number that the next admitted registration gets.
    pub(super) const fn next_id(&self) -> TaskId {
        self.next_id
    }

    /// Whether everything admitted before `mark` has ended.
    pub(super) fn has_ended_before(&self, mark: TaskId) -> bool {
        let running = self.running.keys().next().copied();
        let pending = self.pending.front().map(|task| task.id);
        running.into_iter().chain(pending).all(|id| id >= mark)
    }

    pub(super) fn report(&self) -> CloseReport {
        self.closing.clone().unwrap_or_default()
    }

    pub(super) fn statistics(&self) -> OffloadStatistics {
        OffloadStatistics {
            pending: self.pending.len(),
            running: self.running.len(),
            deferred: self.deferred.len(),
            ..self.counts
        }
    }
}

const fn is_deduplicated(key: &OffloadKey) -> bool {
    match key {
        OffloadKey::Keyed { .. } | OffloadKey::Explicit { .. } => true,
        OffloadKey::Auto { .. } => false,
    }
}

const fn refused(task: Task, refusal: Refusal) -> Admission {
    Admission::Refused { task, refusal }
}
