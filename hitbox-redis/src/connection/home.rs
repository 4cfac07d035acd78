//! Which runtime a backend's own tasks run on: its connections, and batches on their way.
//!
//! They run on the runtime of the caller that needs them first, which costs the least. When a runtime
//! ends with such a task on it, there are several of them, or they come and go; from then on the tasks
//! run on a thread that belongs to the backend.

use std::{
    any::Any,
    future::{Future, poll_fn},
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Id},
    sync::oneshot,
};

use crate::error::{Cause, Failure};

const NO_RUNTIME: &str = "there is no tokio runtime here: call this from within one";
const NO_TIMER: &str = "the tokio runtime has no timer: build it with `enable_all`";
const NO_IO: &str = "the tokio runtime has no I/O: build it with `enable_all`";

#[derive(Default)]
pub(crate) struct Home {
    /// A runtime has ended with a task of the backend's on it.
    moved: AtomicBool,
    thread: Mutex<Option<OwnThread>>,
    /// The runtime that was last found to have a timer, as a hash of its id.
    fit: AtomicU64,
    hasher: RandomState,
    any_unfit: AtomicBool,
    unfit: Mutex<Vec<(Id, &'static str)>>,
}

/// A thread with a runtime, which ends when this is dropped.
struct OwnThread {
    handle: Handle,
    _until_dropped: oneshot::Sender<()>,
}

impl Home {
    /// Whether the caller's runtime can do what a call needs.
    pub(crate) fn check_caller(&self) -> Result<(), Failure> {
        let runtime = Handle::try_current().map_err(|_none| Cause::Runtime(NO_RUNTIME))?;
        let id = runtime.id();
        if self.any_unfit.load(Ordering::Acquire) {
            self.check_known(id)?;
        }
        let hash = self.hasher.hash_one(id);
        if self.fit.load(Ordering::Relaxed) == hash {
            return Ok(());
        }
        // tokio has no other way to ask.
        let timer = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)));
        if timer.is_err() {
            self.note_unfit(id, NO_TIMER);
            return Err(Cause::Runtime(NO_TIMER).into());
        }
        self.fit.store(hash, Ordering::Relaxed);
        Ok(())
    }

    fn check_known(&self, id: Id) -> Result<(), Failure> {
        let unfit = self.unfit.lock().unwrap_or_else(PoisonError::into_inner);
        let known = unfit.iter().find(|(unfit, _)| *unfit == id);
        // On a thread of the backend's own there is I/O.
        let known = known.filter(|(_, lacks)| *lacks == NO_TIMER || !self.has_moved());
        known.map_or(Ok(()), |(_, lacks)| Err(Cause::Runtime(lacks).into()))
    }

    fn note_unfit(&self, id: Id, lacks: &'static str) {
        let mut unfit = self.unfit.lock().unwrap_or_else(PoisonError::into_inner);
        unfit.push((id, lacks));
        self.any_unfit.store(true, Ordering::Release);
    }

    /// Whether this is how tokio says that the runtime of this task has no I/O. It is noted.
    pub(crate) fn lacks_io(&self, panic: &(dyn Any + Send)) -> bool {
        let lacks_io = words_of(panic).is_some_and(|words| words.contains("IO is disabled"));
        if lacks_io {
            self.note_unfit(Handle::current().id(), NO_IO);
        }
        lacks_io
    }

    /// A runtime has ended with a task of the backend's on it.
    pub(crate) fn runtime_ended(&self) {
        self.moved.store(true, Ordering::Release);
    }

    pub(crate) fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Acquire)
    }

    /// Runs a task of the backend's. Without a runtime to run it on, it is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = self.runtime() {
            runtime.spawn(task);
        }
    }

    fn runtime(&self) -> Option<Handle> {
        let own = if self.has_moved() { self.own() } else { None };
        own.or_else(|| Handle::try_current().ok())
    }

    /// The runtime of the backend's own thread; `None` if the system has no thread for it.
    pub(crate) fn own(&self) -> Option<Handle> {
        let mut thread = self.lock();
        if thread.is_none() {
            *thread = OwnThread::start();
        }
        thread.as_ref().map(|thread| thread.handle.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnThread>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnThread {
    fn start() -> Option<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        let handle = runtime.handle().clone();
        let (until_dropped, dropped) = oneshot::channel::<()>();
        let run = move || {
            let _dropped = runtime.block_on(dropped);
            // A name look-up may hang.
            runtime.shutdown_background();
        };
        let name = env!("CARGO_PKG_NAME").to_owned();
        thread::Builder::new().name(name).spawn(run).ok()?;
        Some(Self {
            handle,
            _until_dropped: until_dropped,
        })
    }
}

/// Does this, and catches its panic: tokio panics where a runtime lacks something.
pub(crate) async fn caught<F: Future>(work: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut work = pin!(work);
    poll_fn(move |context| {
        // It is not polled again after a panic.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// What a panic says.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
}
