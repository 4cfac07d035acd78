use loom::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::futures::Notified;

/// Tokio's, which loom does not see. So it is shown that whoever begins to listen and whoever tells
/// those who listen get there in some order.
#[derive(Debug)]
pub struct Notify {
    inner: tokio::sync::Notify,
    told: AtomicUsize,
}

impl Notify {
    /// One that nobody has told anything.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: tokio::sync::Notify::new(),
            told: AtomicUsize::new(0),
        }
    }

    /// Begins to listen.
    pub fn notified(&self) -> Notified<'_> {
        self.told.fetch_add(0, Ordering::AcqRel);
        self.inner.notified()
    }

    /// Tells one who listens, or the next one who will.
    pub fn notify_one(&self) {
        self.told.fetch_add(1, Ordering::AcqRel);
        self.inner.notify_one();
    }

    /// Tells all who listen.
    pub fn notify_waiters(&self) {
        self.told.fetch_add(1, Ordering::AcqRel);
        self.inner.notify_waiters();
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}
