use loom::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::futures::Notified;

/// Tokio's, which loom does not see. So it is shown that whoever begins to listen and whoever tells
/// those who listen get there in some order.
pub(crate) struct Notify {
    inner: tokio::sync::Notify,
    told: AtomicUsize,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self {
            inner: tokio::sync::Notify::new(),
            told: AtomicUsize::new(0),
        }
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        self.told.fetch_add(0, Ordering::AcqRel);
        self.inner.notified()
    }

    pub(crate) fn notify_waiters(&self) {
        self.told.fetch_add(1, Ordering::AcqRel);
        self.inner.notify_waiters();
    }
}
