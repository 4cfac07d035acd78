use std::{
    panic,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Collects the panics of all threads of this process in place of printing them, until dropped.
///
/// A panic in a task or a client's thread reaches nobody otherwise.
pub(super) struct Panics {
    collected: Arc<Mutex<Vec<Panic>>>,
}

struct Panic {
    thread: String,
    message: String,
}

impl Panics {
    pub(super) fn watch() -> Self {
        let collected = Arc::<Mutex<Vec<Panic>>>::default();
        let collecting = Arc::clone(&collected);
        panic::set_hook(Box::new(move |info| {
            let thread = thread::current();
            let panic = Panic {
                thread: thread.name().unwrap_or("unnamed").to_owned(),
                message: info.to_string().replace('\n', " "),
            };
            let mut collected = collecting.lock().unwrap_or_else(PoisonError::into_inner);
            collected.push(panic);
        }));
        Self { collected }
    }

    /// The panics of threads of this name so far.
    pub(super) fn take_of(&self, thread: &str) -> Vec<String> {
        self.take(|panic| panic.thread == thread)
    }

    /// The panics of threads that belong to no scenario.
    pub(super) fn take_others(&self) -> Vec<String> {
        self.take(|panic| !panic.thread.starts_with("fault-"))
    }

    fn take(&self, wanted: impl Fn(&Panic) -> bool) -> Vec<String> {
        let mut collected = self
            .collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        collected
            .extract_if(.., |panic| wanted(panic))
            .map(|panic| format!("a panic in {}: {}", panic.thread, panic.message))
            .collect()
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        // Not allowed while panicking.
        if !thread::panicking() {
            let _collecting = panic::take_hook();
        }
    }
}
