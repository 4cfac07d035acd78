//! Work that has been handed to the background while it holds a turn.
//!
//! The background may run it at any later time. Whoever waits for that turn must not wait for the
//! background too, so the waiter borrows the work and drives it: it gives it back if it is dropped
//! itself, and the background is done with it when the borrower is.

use std::{
    pin::Pin,
    sync::{Arc, PoisonError, TryLockError, Weak},
    task::{Context, Poll, Waker, ready},
};

use futures::{FutureExt, future::BoxFuture};
use hitbox_core::CacheKey;

use super::{Ledger, Turn};
use crate::sync::{Mutex, MutexGuard};

/// What somebody who waits for a turn may be sent.
pub(super) enum Handoff {
    Turn(Turn),
    /// Work that may hold the turn.
    Drive(Weak<Work>),
}

/// Work in the background.
pub(super) struct Work {
    state: Mutex<State>,
    ledger: Arc<Ledger>,
    /// It may hold turns of these.
    keys: Arc<[CacheKey]>,
}

struct State {
    /// `None` while somebody has borrowed it, and when it is done.
    future: Option<BoxFuture<'static, ()>>,
    progress: Progress,
    /// Of the background.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Open,
    Done,
}

impl Work {
    fn new(ledger: Arc<Ledger>, keys: Arc<[CacheKey]>, future: BoxFuture<'static, ()>) -> Self {
        let state = State {
            future: Some(future),
            progress: Progress::Open,
            waker: None,
        };
        Self {
            state: Mutex::new(state),
            ledger,
            keys,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait that there is work to borrow. Not to be called with a shard locked.
    fn offer(self: &Arc<Self>) {
        for key in &*self.keys {
            let waiting = self.ledger.shard(key).waiting(key);
            for waiter in waiting {
                // Fails only if the waiter has gone.
                let _ = waiter.send(Handoff::Drive(Arc::downgrade(self)));
            }
        }
    }

    /// The work, unless somebody else has it, or is driving it this very moment: then it does not
    /// need us. So work that waits for a turn of its own cannot borrow itself either.
    pub(super) fn borrow(self: &Arc<Self>) -> Option<Borrowed> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            // Poisoned: it has panicked, and would again in the hands of the borrower.
            Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => return None,
        };
        let future = state.future.take()?;
        Some(Borrowed {
            work: Arc::clone(self),
            future: Some(future),
        })
    }
}

/// Work in the hands of one who waits for what it holds.
pub(super) struct Borrowed {
    work: Arc<Work>,
    /// `None` once it is done, or has panicked.
    future: Option<BoxFuture<'static, ()>>,
}

impl Future for Borrowed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(mut future) = self.future.take() else {
            return Poll::Ready(());
        };
        let poll = future.poll_unpin(context);
        if poll.is_pending() {
            self.future = Some(future);
        }
        poll
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let (waker, progress) = {
            let mut state = self.work.lock();
            match self.future.take() {
                Some(future) => state.future = Some(future),
                None => state.progress = Progress::Done,
            }
            (state.waker.take(), state.progress)
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        match progress {
            // Others may wait for what it holds, who found it borrowed: they have to drive it now, the
            // background may not.
            Progress::Open => self.work.offer(),
            Progress::Done => {}
        }
    }
}

/// Work as the background has it.
struct InBackground(Arc<Work>);

impl Future for InBackground {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.progress == Progress::Done {
            return Poll::Ready(());
        }
        // Also when the work is here: it may be borrowed before it wakes this task, and then it wakes
        // the borrower.
        state.waker = Some(context.waker().clone());
        if let Some(future) = &mut state.future {
            ready!(future.poll_unpin(context));
            let done = state.future.take();
            state.progress = Progress::Done;
            // Its destructors may look at the records, and at this.
            drop(state);
            drop(done);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for InBackground {
    fn drop(&mut self) {
        // Dropped by the background: dropped altogether, whoever else knows of it.
        let future = self.0.lock().future.take();
        drop(future);
    }
}

/// The work on one key that is in the background.
#[derive(Default)]
pub(super) struct Drivers(Vec<(u64, Weak<Work>)>);

impl Drivers {
    pub(super) fn add(&mut self, id: u64, work: Weak<Work>) {
        self.0.push((id, work));
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.0.retain(|(other, _)| *other != id);
    }

    /// To be upgraded only once the shard's lock is released: the last one to let go of the work
    /// drops it, and with it the turn, which takes that lock.
    pub(super) fn snapshot(&self) -> Vec<Weak<Work>> {
        self.0.iter().map(|(_, work)| work.clone()).collect()
    }
}

impl Ledger {
    /// Lets those who wait for turns of `keys` drive this work, which goes to the background.
    pub(in crate::composition) fn adopt(
        self: &Arc<Self>,
        keys: Vec<CacheKey>,
        work: BoxFuture<'static, ()>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let id = self.next_driver();
        let keys: Arc<[CacheKey]> = keys.into();
        let adopted = Adopted {
            ledger: Arc::clone(self),
            keys: Arc::clone(&keys),
            id,
        };
        let future = async move {
            let _adopted = adopted;
            work.await;
        };
        let work = Arc::new(Work::new(Arc::clone(self), keys, future.boxed()));
        for key in &*work.keys {
            self.shard(key).add_driver(key, id, &work);
        }
        work.offer();
        InBackground(work)
    }
}

struct Adopted {
    ledger: Arc<Ledger>,
    keys: Arc<[CacheKey]>,
    id: u64,
}

impl Drop for Adopted {
    fn drop(&mut self) {
        for key in &*self.keys {
            self.ledger.shard(key).remove_driver(key, self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        num::NonZeroUsize,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;

    #[test]
    fn work_that_has_panicked_is_not_driven_on() {
        let panics = async { panic!("meant by the test") };
        let ledger = Ledger::new(NonZeroUsize::MIN);
        let work = Arc::new(Work::new(ledger, Arc::default(), panics.boxed()));
        let mut background = InBackground(Arc::clone(&work));
        // As long as nobody has dropped it.
        let polled = catch_unwind(AssertUnwindSafe(|| (&mut background).now_or_never()));
        assert!(polled.is_err());
        assert!(work.borrow().is_none());
    }
}
