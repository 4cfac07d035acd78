//! The tasks of a cache: loads, with their fills.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{runtime::Handle, sync::Notify};

use crate::error::Cause;

pub(crate) struct Tasks {
    /// What to run on where a call is made outside of a runtime, or inside of another one.
    runtime: Option<Handle>,
    running: Arc<Running>,
}

#[derive(Default)]
struct Running {
    tasks: AtomicUsize,
    closed: AtomicBool,
    /// That there are none.
    none: Notify,
}

/// The right to run a task.
pub(crate) struct Admitted {
    runtime: Handle,
    counted: Counted,
}

/// Counts one task, until it has ended or was dropped.
struct Counted(Arc<Running>);

/// Why a task is not run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// No tasks are taken any more.
    Closed,
    NoRuntime,
}

impl Tasks {
    pub(crate) fn new(runtime: Option<Handle>) -> Self {
        Self {
            runtime,
            running: Arc::default(),
        }
    }

    /// Takes a task, to be run on the runtime that was set, or else on the caller's.
    pub(crate) fn admit(&self) -> Result<Admitted, Refused> {
        // Before the look: who closes sees the task, or this sees that it is closed.
        let counted = Counted::of(&self.running);
        if self.running.closed.load(Ordering::SeqCst) {
            return Err(Refused::Closed);
        }
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => Handle::try_current().map_err(|_| Refused::NoRuntime)?,
        };
        Ok(Admitted { runtime, counted })
    }

    /// Makes a timer, on the runtime that was set, or else on the caller's.
    pub(crate) fn timer<T>(&self, make: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.as_ref().map(Handle::enter);
        make()
    }

    /// Takes no more tasks.
    pub(crate) fn close(&self) {
        self.running.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn under_way(&self) -> usize {
        self.running.tasks.load(Ordering::SeqCst)
    }

    /// Returns when there are none.
    pub(crate) async fn idle(&self) {
        loop {
            let none = self.running.none.notified();
            tokio::pin!(none);
            // Before the look: what ends between the two is not missed.
            none.as_mut().enable();
            if self.under_way() == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Admitted {
    pub(crate) fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        let Self { runtime, counted } = self;
        runtime.spawn(async move {
            let _counted = counted;
            task.await;
        });
    }
}

impl Counted {
    fn of(running: &Arc<Running>) -> Self {
        running.tasks.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(running))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.tasks.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

impl From<Refused> for Cause {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Self::Closed,
            Refused::NoRuntime => Self::NoRuntime,
        }
    }
}
