use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use hitbox_core::BackendLabel;

/// The thread sleeps this many times as long as it has worked: it takes a twentieth of a processor
/// at most.
const REST: u32 = 19;

/// The thread that gives back the memory of entries that are over. Dropping this ends it.
///
/// A thread of its own: it needs no async runtime, and a look at a million entries holds up nobody.
#[derive(Debug)]
pub(super) struct Sweeper {
    label: BackendLabel,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Sweeper {
    /// Calls `sweep` every so often, which is to ask now and then whether to go on.
    pub(super) fn start(
        label: BackendLabel,
        every: Duration,
        sweep: impl Fn(&dyn Fn() -> bool) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let thread = thread::Builder::new()
            .name("hitbox-sweep".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || {
                    let mut pause = every;
                    while !stop.wait(pause) {
                        let began = Instant::now();
                        sweep(&|| !*stop.lock());
                        pause = every.max(began.elapsed() * REST);
                    }
                }
            })?;
        Ok(Self {
            label,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        *self.stop.lock() = true;
        self.stop.changed.notify_all();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // Joined, so that the entries go with the last handle. An eviction listener that has been
        // given a handle may drop it on the thread itself.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!(backend = %self.label, "the sweep thread of a backend in process panicked");
        }
    }
}

impl Stop {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `pause`, or less if told to stop; true if told to stop.
    fn wait(&self, pause: Duration) -> bool {
        let (stopped, _) = self
            .changed
            .wait_timeout_while(self.lock(), pause, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *stopped
    }
}
