//! Where the values of a history come from: loaders that run until the history ends them.

use std::{
    fmt,
    future::poll_fn,
    panic::resume_unwind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use super::{
    ledger::{Asked, Ledger},
    plan::{End, Loader},
};

/// What a loader that fails returns: which load it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadFailed(pub(super) usize);

impl fmt::Display for LoadFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "load {} fails", self.0)
    }
}

impl std::error::Error for LoadFailed {}

#[derive(Default)]
pub(super) struct Source {
    /// In the order of their calls.
    running: Mutex<Vec<Running>>,
}

struct Running {
    load: usize,
    end: Option<End>,
    hangs: bool,
    waker: Option<Waker>,
}

impl Source {
    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the loaders that run, and do not hang, ends. Says whether there is one.
    pub(super) fn end(&self, pick: usize, end: End) -> bool {
        let mut running = self.running();
        let mut open: Vec<_> = running
            .iter_mut()
            .filter(|one| one.end.is_none() && !one.hangs)
            .collect();
        let count = open.len();
        let Some(one) = open.get_mut(pick % count.max(1)) else {
            return false;
        };
        one.end = Some(end);
        if let Some(waker) = one.waker.take() {
            waker.wake();
        }
        true
    }

    /// Runs a loader of these keys. What it ends with is noted, and so is that it was dropped.
    pub(super) async fn load(
        self: Arc<Self>,
        ledger: Arc<Ledger>,
        keys: Vec<Asked>,
        loader: Loader,
    ) -> Result<(usize, End), LoadFailed> {
        let load = ledger.load_begins(&keys);
        self.running().push(Running {
            load,
            end: match loader {
                Loader::Ends(end) => Some(end),
                Loader::Waits | Loader::Hangs => None,
            },
            hangs: loader == Loader::Hangs,
            waker: None,
        });
        let mut runs = Runs {
            source: &self,
            ledger: &ledger,
            load,
            end: None,
        };
        let end = poll_fn(|context| {
            let mut running = self.running();
            match running.iter_mut().find(|one| one.load == load) {
                Some(one) => match one.end {
                    Some(end) => Poll::Ready(end),
                    None => {
                        one.waker = Some(context.waker().clone());
                        Poll::Pending
                    }
                },
                None => Poll::Ready(End::Fails),
            }
        })
        .await;
        runs.end = Some(end);
        drop(runs);
        match end {
            End::Fails => Err(LoadFailed(load)),
            // Without the hook, which keeps what real panics say.
            End::Panics => resume_unwind(Box::new("a loader panics")),
            End::Value | End::Brief | End::Uncached | End::Absent => Ok((load, end)),
        }
    }
}

struct Runs<'s> {
    source: &'s Source,
    ledger: &'s Ledger,
    load: usize,
    end: Option<End>,
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.source.running().retain(|one| one.load != self.load);
        self.ledger.load_ends(self.load, self.end);
    }
}
