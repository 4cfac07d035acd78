use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use hitbox_backend::Operation;
use hitbox_core::{BackendLabel, clock};

use crate::{error, store::Store};

/// The thread that deletes expired entries and makes room on disk, until it is dropped.
///
/// A thread of its own rather than a task: it needs no async runtime, so it also works for a
/// backend that was opened outside of one, and a long sweep holds up nobody.
#[derive(Debug)]
pub(crate) struct Sweeper {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

/// How the thread is told what to do.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    asked_for_room: bool,
}

enum Wake {
    Stopped,
    AskedForRoom,
    TimeToSweep,
}

impl Sweeper {
    /// Sweeps `every` so often, or never by itself.
    pub(crate) fn start(
        store: Arc<Store>,
        every: Option<Duration>,
        label: BackendLabel,
    ) -> io::Result<Self> {
        let signal = store.signal();
        let thread = thread::Builder::new()
            .name("hitbox-sled-sweep".to_owned())
            .spawn({
                let signal = Arc::clone(&signal);
                move || {
                    loop {
                        let done = match signal.wait(every.unwrap_or(Duration::MAX)) {
                            Wake::Stopped => break,
                            Wake::AskedForRoom => store.make_room(clock::now()),
                            Wake::TimeToSweep => sweep(&store, &signal, &label),
                        };
                        // The next round tries again.
                        if let Err(cause) = done {
                            let error = error::from_sled(cause, Operation::Maintain, &label);
                            tracing::warn!(%error, "a sweep of a sled backend failed");
                        }
                    }
                }
            })?;
        Ok(Self {
            signal,
            thread: Some(thread),
        })
    }
}

fn sweep(store: &Store, signal: &Signal, label: &BackendLabel) -> sled::Result<()> {
    let deleted = store.sweep(clock::now(), || !signal.lock().stopped)?;
    if deleted > 0 {
        tracing::debug!(backend = %label, deleted, "expired entries swept");
    }
    store.collect();
    Ok(())
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.signal.change(|state| state.stopped = true);
        // Joined, so that the directory is free again when the backend is gone.
        if let Some(Err(_panic)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the sweep thread of a sled backend panicked");
        }
    }
}

impl Signal {
    pub(crate) fn ask_for_room(&self) {
        self.change(|state| state.asked_for_room = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, timeout: Duration) -> Wake {
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| {
                !state.stopped && !state.asked_for_room
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            Wake::Stopped
        } else if std::mem::take(&mut state.asked_for_room) {
            Wake::AskedForRoom
        } else {
            Wake::TimeToSweep
        }
    }
}
