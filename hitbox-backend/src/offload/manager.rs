use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, poll_fn, select},
};
use hitbox_core::{Offload, OffloadKey};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    CloseReport, OffloadStatistics,
    ledger::{Admission, Deferral, DeferredId, Ledger, Outcome, Refusal, Task, TaskId},
    losses::Losses,
};
use crate::sync::{Mutex, MutexGuard, Notify, spawn};

/// Runs offloaded work on a tokio runtime, within bounds.
///
/// At most `max_running` futures run at once, each for at most `task_timeout`; `max_pending` more
/// wait for their turn, first come first served. What comes beyond that is dropped, as is work
/// whose [key](OffloadKey) is pending or running already ([`OffloadKey::Auto`] is never a
/// duplicate). A panic ends the future it happens in and nothing else. All of it is counted, see
/// [`statistics`](Self::statistics); what is lost is also traced, each at DEBUG, and at WARN one line a
/// second at the most.
///
/// Work that is due later ([`register_after`](Offload::register_after)) takes no place among these
/// until its time has come; as many as `max_pending` may be deferred. [`drain`](Self::drain) does not
/// wait for it, [`close`](Self::close) runs it at once.
///
/// Registering never waits, never panics, and works from any thread, inside the runtime or not.
///
/// Clones share one manager. When the last is dropped, work that was registered still runs to its
/// end; to wait for it, [`close`](Self::close). When the runtime is shut down, all work is dropped
/// and the manager closes itself.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use hitbox_backend::{BackendError, Offload, OffloadManager};
///
/// let offload = OffloadManager::builder().max_running(64).build()?;
/// offload.register("greeting", async { println!("hello from the background") });
///
/// let report = offload.close(Duration::from_secs(5)).await;
/// assert!(report.is_complete());
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct OffloadManager {
    shared: Arc<Shared>,
}

pub(super) struct Limits {
    pub(super) max_running: usize,
    pub(super) max_pending: usize,
    pub(super) task_timeout: Duration,
}

struct Shared {
    limits: Limits,
    runtime: Handle,
    ledger: Mutex<Ledger>,
    /// Wakes those who wait for work to end.
    ended: Notify,
    /// Turns true when running work is to be dropped.
    stop: watch::Sender<bool>,
    /// Turns true when nothing is to be due any more: what was deferred has begun, or is dropped.
    closed: watch::Sender<bool>,
    losses: Losses,
}

impl OffloadManager {
    pub(super) fn new(limits: Limits, runtime: Handle) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                runtime,
                ledger: Mutex::default(),
                ended: Notify::new(),
                stop: watch::Sender::new(false),
                closed: watch::Sender::new(false),
                losses: Losses::default(),
            }),
        }
    }

    /// Where every future registered so far is or ended, at one instant.
    #[must_use]
    pub fn statistics(&self) -> OffloadStatistics {
        self.shared.ledger().statistics()
    }

    /// Waits until all work registered before this call has ended, in whatever way. Work that is not
    /// due yet is not waited for.
    ///
    /// Work registered meanwhile is not waited for, that which is registered by the awaited work
    /// included. Called from inside offloaded work it waits for itself, until that work times out.
    /// Cancel safe: dropping the returned future changes nothing.
    pub async fn drain(&self) {
        let mark = self.shared.ledger().next_id();
        self.shared.until_ended_before(mark).await;
    }

    /// Closes the manager: accepts no more work, starts what was deferred, waits up to `deadline` for
    /// all that is pending and running, then drops what is left and says what that was.
    ///
    /// When it returns, every future ever registered has been run to its end or dropped. For that
    /// it outlasts the deadline while a future blocks its thread, since only a future that awaits
    /// can be dropped.
    ///
    /// Calling it again is fine, also at the same time: the report covers everything since the
    /// first call. Cancel safe: dropping the returned future leaves the manager closed to new work
    /// and the rest running; another call finishes the job.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its time driver enabled (any will do, not only the manager's).
    pub async fn close(&self, deadline: Duration) -> CloseReport {
        let (starting, all) = {
            let mut ledger = self.shared.ledger();
            let starting = ledger.close(self.shared.limits.max_running);
            (starting, ledger.next_id())
        };
        self.shared.closed.send_replace(true);
        for task in starting {
            self.shared.start(task);
        }
        let in_time = timeout(deadline, self.shared.until_ended_before(all)).await;
        if in_time.is_err() {
            self.shared.stop.send_replace(true);
            self.shared.abandon_pending();
            self.shared.until_ended_before(all).await;
        }
        self.shared.until_no_timer_is_left().await;
        self.shared.ledger().report()
    }
}

impl Offload<'static> for OffloadManager {
    fn register<K, F>(&self, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        Shared::register(&self.shared, key.into(), future.boxed());
    }

    fn register_after<K, F>(&self, delay: Duration, key: K, future: F)
    where
        K: Into<OffloadKey>,
        F: Future<Output = ()> + Send + 'static,
    {
        Shared::register_after(&self.shared, delay, key.into(), future.boxed());
    }

    async fn close(&self, within: Duration) -> Vec<OffloadKey> {
        let mut closing = pin!(Self::close(self, within));
        // Whoever polls may be in no runtime.
        let closed = poll_fn(|cx| {
            let _entered = self.shared.runtime.enter();
            closing.as_mut().poll(cx)
        });
        closed.await.unfinished
    }

    /// Until the manager is closed.
    fn is_enabled(&self) -> bool {
        !self.shared.ledger().is_closed()
    }

    /// Unless nothing may wait: what is due later waits, too.
    fn has_clock(&self) -> bool {
        self.shared.limits.max_pending > 0
    }
}

impl fmt::Debug for OffloadManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadManager")
            .field("max_running", &self.shared.limits.max_running)
            .field("max_pending", &self.shared.limits.max_pending)
            .field("task_timeout", &self.shared.limits.task_timeout)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Only the ledger's own code runs under the lock, and none of it panics half-way.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(self: &Arc<Self>, key: OffloadKey, future: BoxFuture<'static, ()>) {
        let Limits {
            max_running,
            max_pending,
            task_timeout: _,
        } = self.limits;
        let admission = self.ledger().admit(key, future, max_running, max_pending);
        self.see_to(admission);
    }

    fn see_to(self: &Arc<Self>, admission: Admission) {
        match admission {
            Admission::Start(task) => self.start(task),
            Admission::Queued => {}
            Admission::Refused { task, refusal } => {
                self.refuse(task.key.kind(), refusal, task.future);
            }
        }
    }

    fn register_after(
        self: &Arc<Self>,
        delay: Duration,
        key: OffloadKey,
        future: BoxFuture<'static, ()>,
    ) {
        let deferral = self.ledger().defer(key, future, self.limits.max_pending);
        match deferral {
            Deferral::Until(id) => {
                let timer = Timer {
                    shared: Arc::clone(self),
                    id,
                };
                spawn(&self.runtime, timer.wait(delay));
            }
            Deferral::Refused {
                key,
                future,
                refusal,
            } => self.refuse(key.kind(), refusal, future),
        }
    }

    // Never called with the ledger locked: a runtime that has been shut down drops the future on
    // the spot, and its slot with it.
    fn start(self: &Arc<Self>, task: Task) {
        let Task { id, key, future } = task;
        let slot = Slot {
            shared: Arc::clone(self),
            id,
            kind: key.kind(),
            outcome: Outcome::Abandoned,
        };
        spawn(&self.runtime, run(future, slot));
    }

    fn finish(self: &Arc<Self>, id: TaskId, kind: &'static str, outcome: Outcome) {
        if outcome == Outcome::Abandoned {
            // Closed at the deadline, or the runtime is gone. Starting the next one would meet the
            // same end, one level deeper for each that is pending.
            self.abandon_pending();
        }
        let next = self.ledger().finish(id, outcome);
        self.ended.notify_waiters();
        match outcome {
            Outcome::Completed => {}
            Outcome::TimedOut => self.losses.note(kind, "timed out"),
            Outcome::Panicked => self.losses.note(kind, "panicked"),
            Outcome::Abandoned => self.losses.note(kind, "shut down"),
        }
        if let Some(task) = next {
            self.start(task);
        }
    }

    fn abandon_pending(self: &Arc<Self>) {
        let pending = self.ledger().give_up_pending();
        for task in pending {
            let id = task.id;
            self.discard(task.key.kind(), task.future);
            self.ledger().finish(id, Outcome::Abandoned);
        }
        self.ended.notify_waiters();
    }

    fn refuse(&self, kind: &'static str, refusal: Refusal, future: BoxFuture<'static, ()>) {
        match refusal {
            Refusal::Duplicate => {}
            Refusal::Full => self.losses.note(kind, "too much is pending"),
            Refusal::Closed => self.losses.note(kind, "closed"),
        }
        self.discard(kind, future);
    }

    /// Drops a future that will not run. Its destructor is foreign code, and a panic in it is not the
    /// business of whoever happens to be here.
    fn discard(&self, kind: &'static str, future: BoxFuture<'static, ()>) {
        if catch_unwind(AssertUnwindSafe(|| drop(future))).is_err() {
            self.losses.note(kind, "its destructor panicked");
        }
    }

    async fn until_ended_before(&self, mark: TaskId) {
        self.until(|ledger| ledger.has_ended_before(mark)).await;
    }

    async fn until_no_timer_is_left(&self) {
        self.until(|ledger| !ledger.has_timers()).await;
    }

    async fn until(&self, is_so: impl Fn(&Ledger) -> bool) {
        loop {
            // Listens from here on, so that what ends before the await is not missed.
            let ended = self.ended.notified();
            if is_so(&self.ledger()) {
                return;
            }
            ended.await;
        }
    }
}

/// The place of one running future. Freed when dropped, so that it is freed also when the runtime
/// drops the task without finishing it.
struct Slot {
    shared: Arc<Shared>,
    id: TaskId,
    kind: &'static str,
    outcome: Outcome,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.finish(self.id, self.kind, self.outcome);
    }
}

// The future comes first: of a task that is dropped before it was ever polled, the arguments are
// dropped in this order, and the future is to be gone before its slot is free.
async fn run(future: BoxFuture<'static, ()>, mut slot: Slot) {
    let limit = slot.shared.limits.task_timeout;
    let mut stop = slot.shared.stop.subscribe();
    // The future is dropped inside, whichever way it ends: a panic of its destructor is caught like
    // any other, and it is gone before its slot is free.
    let bounded = async move {
        let work = pin!(timeout(limit, future));
        let stopped = pin!(stop.wait_for(|stop| *stop));
        match select(work, stopped).await {
            Either::Left((Ok(()), _)) => Outcome::Completed,
            Either::Left((Err(_elapsed), _)) => Outcome::TimedOut,
            Either::Right(_) => Outcome::Abandoned,
        }
    };
    let outcome = AssertUnwindSafe(bounded).catch_unwind().await;
    slot.outcome = outcome.unwrap_or(Outcome::Panicked);
}

/// Waits for the time of deferred work. The work itself is in the ledger, so that the manager can be
/// closed without waiting for it.
struct Timer {
    shared: Arc<Shared>,
    id: DeferredId,
}

impl Timer {
    /// Until the work is due, or the manager is closed.
    async fn wait(self, delay: Duration) {
        let mut closed = self.shared.closed.subscribe();
        let is_due = {
            let due = pin!(sleep(delay));
            let closed = pin!(closed.wait_for(|closed| *closed));
            matches!(select(due, closed).await, Either::Left(_))
        };
        if is_due {
            self.hand_over();
        }
    }

    fn hand_over(&self) {
        let Limits {
            max_running,
            max_pending,
            task_timeout: _,
        } = self.shared.limits;
        let admission = self
            .shared
            .ledger()
            .admit_deferred(self.id, max_running, max_pending);
        if let Some(admission) = admission {
            self.shared.see_to(admission);
        }
    }
}

impl Drop for Timer {
    /// Work that is still deferred will never be due: the runtime is gone, and with it all that could
    /// run anything.
    fn drop(&mut self) {
        let is_deferred = self.shared.ledger().is_deferred(self.id);
        if is_deferred {
            self.shared.abandon_pending();
        }
        self.shared.ledger().end_timer();
        self.shared.ended.notify_waiters();
    }
}
