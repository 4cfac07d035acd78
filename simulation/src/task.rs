use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::future::BoxFuture;

/// A future that is polled when it has been woken.
pub(super) struct Task {
    /// The number of the call that it makes, if any.
    pub(super) call: usize,
    future: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
    waker: Waker,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl Task {
    pub(super) fn new(call: usize, future: BoxFuture<'static, ()>) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self {
            call,
            future,
            waker: Waker::from(Arc::clone(&woken)),
            woken,
        }
    }

    /// Whether it has been woken since it was polled last.
    pub(super) fn is_due(&self) -> bool {
        self.woken.0.load(Ordering::Acquire)
    }

    pub(super) fn poll(&mut self) -> Poll<()> {
        self.woken.0.store(false, Ordering::Release);
        let mut context = Context::from_waker(&self.waker);
        Pin::new(&mut self.future).poll(&mut context)
    }
}
