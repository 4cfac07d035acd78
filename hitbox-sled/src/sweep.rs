use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use hitbox_backend::Operation;
use hitbox_core::{BackendLabel, clock};

use crate::{error, store::Store};

/// The thread that deletes expired entries, until it is dropped.
///
/// A thread of its own rather than a task: it needs no async runtime, so it also works for a
/// backend that was opened outside of one, and a long sweep holds up nobody.
#[derive(Debug)]
pub(crate) struct Sweeper {
    stop: Arc<StopSignal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct StopSignal {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Sweeper {
    pub(crate) fn start(
        store: Arc<Store>,
        every: Duration,
        label: BackendLabel,
    ) -> io::Result<Self> {
        let stop = Arc::new(StopSignal::default());
        let thread = thread::Builder::new()
            .name("hitbox-sled-sweep".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || {
                    while !stop.wait(every) {
                        sweep(&store, &stop, &label);
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

fn sweep(store: &Store, stop: &StopSignal, label: &BackendLabel) {
    match store.sweep(clock::now(), || !*stop.lock()) {
        Ok(0) => {}
        Ok(deleted) => tracing::debug!(backend = %label, deleted, "expired entries swept"),
        // The next round tries again.
        Err(cause) => {
            let error = error::from_sled(cause, Operation::Maintain, label);
            tracing::warn!(%error, "a sweep of expired entries failed");
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        *self.stop.lock() = true;
        self.stop.changed.notify_all();
        // Joined, so that the directory is free again when the backend is gone.
        if let Some(Err(_panic)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the sweep thread of a sled backend panicked");
        }
    }
}

impl StopSignal {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `timeout`, or less if told to stop; true if told to stop.
    fn wait(&self, timeout: Duration) -> bool {
        let (stopped, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *stopped
    }
}
