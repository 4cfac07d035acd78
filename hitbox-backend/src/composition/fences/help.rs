//! Helping: those who wait for a permit run the task that holds it.
//!
//! A task in the background may be run at any later time. Who waits for a permit that it holds must not wait for
//! the background too, so the waiter takes the task and polls it. It gives the task back if it is dropped
//! itself, and the background is done with the task when the waiter is.

use std::{
    pin::Pin,
    sync::{Arc, PoisonError, TryLockError, Weak},
    task::{Context, Poll, Waker, ready},
};

use futures::{FutureExt, future::BoxFuture};

use crate::sync::{Mutex, MutexGuard};

/// A task in the background that others may run.
pub(super) struct SharedTask {
    state: Mutex<State>,
    offer: Box<Offer>,
}

/// Tells those who wait for a permit that the task may hold. Not to be called with a shard locked.
type Offer = dyn Fn(&Arc<SharedTask>) + Send + Sync;

struct State {
    /// `None` while a helper has it, and when it is done.
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

impl SharedTask {
    pub(super) fn new(
        future: BoxFuture<'static, ()>,
        offer: impl Fn(&Arc<Self>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let state = State {
            future: Some(future),
            progress: Progress::Open,
            waker: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            offer: Box::new(offer),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task, unless somebody else has it, or is running it this very moment: then it does not
    /// need us. So a task that waits for a permit of its own cannot help itself either.
    fn take(self: &Arc<Self>) -> Option<Help> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            // Poisoned: it has panicked, and would again in the hands of the helper.
            Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => return None,
        };
        let future = state.future.take()?;
        Some(Help {
            task: Arc::clone(self),
            future: Some(future),
        })
    }

    /// Offers the task to those who wait, and returns what the background is to run.
    pub(super) fn run(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        (self.offer)(&self);
        InBackground(self)
    }
}

/// Takes a task to help with, if it is there and needs help. Not to be called with a shard locked: the last one
/// to let go of a task drops it, and with it the permit, which takes that lock.
pub(super) fn help(task: &Weak<SharedTask>) -> Option<Help> {
    task.upgrade()?.take()
}

/// A task in the hands of one who waits for what it holds.
pub(super) struct Help {
    task: Arc<SharedTask>,
    /// `None` once it is done, or has panicked.
    future: Option<BoxFuture<'static, ()>>,
}

impl Future for Help {
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

impl Drop for Help {
    fn drop(&mut self) {
        let (waker, progress) = {
            let mut state = self.task.lock();
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
            // Others may wait for what it holds, who found it taken: they have to run it now, the
            // background may not.
            Progress::Open => (self.task.offer)(&self.task),
            Progress::Done => {}
        }
    }
}

/// A task as the background has it.
struct InBackground(Arc<SharedTask>);

impl Future for InBackground {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.progress == Progress::Done {
            return Poll::Ready(());
        }
        // Also when the task is here: a helper may take it before it wakes the background, and then it wakes
        // the helper.
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn nobody_helps_a_task_that_has_panicked() {
        let panics = async { panic!("meant by the test") };
        let task = SharedTask::new(panics.boxed(), |_task| {});
        let background = Arc::clone(&task).run();
        // As long as the background has not dropped it.
        let mut background = std::pin::pin!(background);
        let polled = catch_unwind(AssertUnwindSafe(|| background.as_mut().now_or_never()));
        assert!(polled.is_err());
        assert!(task.take().is_none());
    }
}
