use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use hitbox_backend::Operation;
use hitbox_core::{BackendLabel, clock};

use crate::{
    error,
    signal::{Signal, Wake},
    store::Store,
};

/// The thread that deletes expired entries and makes room on disk, until it is dropped.
///
/// A thread of its own rather than a task: it needs no async runtime, so it also works for a
/// backend that was opened outside of one, and a long sweep holds up nobody.
#[derive(Debug)]
pub(crate) struct Sweeper {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
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
    let deleted = store.sweep(clock::now(), || !signal.is_stopped())?;
    if deleted > 0 {
        tracing::debug!(backend = %label, deleted, "expired entries swept");
    }
    store.collect();
    Ok(())
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.signal.stop();
        // Joined, so that the directory is free again when the backend is gone.
        if let Some(Err(_panic)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the sweep thread of a sled backend panicked");
        }
    }
}
