//! The tasks of a cache: loads, with their fills.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::{self, Instant},
};

use crate::{error::Cause, sync::spawn};

pub(crate) struct Tasks {
    /// What to run on where a call is made outside of a runtime, or inside of another one.
    runtime: Option<Handle>,
    running: Arc<Running>,
}

#[derive(Default)]
struct Running {
    tasks: AtomicUsize,
    closed: AtomicBool,
    /// How far the end has come.
    end: watch::Sender<End>,
    /// That there are none.
    none: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    #[default]
    NotYet,
    /// Nothing is begun any more.
    Closed,
    /// What runs is dropped.
    Stopped,
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
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => Handle::try_current().map_err(|_| Refused::NoRuntime)?,
        };
        Ok(Admitted { runtime, counted })
    }

    /// The output of `future`, if it is there before `end`. Where there is no runtime there is no clock, and it is waited for.
    pub(crate) async fn until<T>(
        &self,
        end: Instant,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let runtime = self.runtime.clone();
        let Ok(runtime) = runtime.map_or_else(Handle::try_current, Ok) else {
            return Some(future.await);
        };
        let mut in_time = pin!({
            let _entered = runtime.enter();
            time::timeout_at(end, future)
        });
        let in_time = poll_fn(|cx| {
            let _entered = runtime.enter();
            in_time.as_mut().poll(cx)
        });
        in_time.await.ok()
    }

    /// The same, from now on. A limit beyond the clock is none.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        match Instant::now().checked_add(limit) {
            Some(end) => self.until(end, future).await,
            None => Some(future.await),
        }
    }

    /// Takes no more tasks.
    pub(crate) fn close(&self) {
        self.running.closed.store(true, Ordering::SeqCst);
        self.running.come_to(End::Closed);
    }

    /// Returns when no more tasks are taken.
    pub(crate) async fn closed(&self) {
        self.running.until(End::Closed).await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.running.closed.load(Ordering::SeqCst)
    }

    /// Drops those that run.
    pub(crate) fn stop(&self) {
        self.running.come_to(End::Stopped);
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

impl Running {
    /// The end does not go back.
    fn come_to(&self, end: End) {
        self.end.send_if_modified(|at| {
            let is_news = *at < end;
            *at = end.max(*at);
            is_news
        });
    }

    async fn until(&self, end: End) {
        let mut news = self.end.subscribe();
        // The sender is here: it says so, or nothing.
        let _come = news.wait_for(|at| *at >= end).await;
    }
}

impl Admitted {
    pub(crate) fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        let Self { runtime, counted } = self;
        // An `async` block would keep it twice: as it is given, and where it runs.
        let task = task.boxed();
        spawn(&runtime, async move {
            tokio::select! {
                biased;
                () = task => {}
                () = counted.0.until(End::Stopped) => {}
            }
            drop(counted);
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
