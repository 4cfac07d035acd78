use loom::sync::atomic::{AtomicUsize, Ordering};

/// Std's, which loom does not see. So it is shown that whoever sets it and whoever looks get there in some order.
#[derive(Debug)]
pub struct OnceLock<T> {
    inner: std::sync::OnceLock<T>,
    seen: AtomicUsize,
}

impl<T> OnceLock<T> {
    /// One that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: std::sync::OnceLock::new(),
            seen: AtomicUsize::new(0),
        }
    }

    /// What it was set to.
    pub fn get(&self) -> Option<&T> {
        self.seen.fetch_add(0, Ordering::AcqRel);
        self.inner.get()
    }

    /// Sets it.
    ///
    /// # Errors
    ///
    /// The value, if it was set before.
    pub fn set(&self, value: T) -> Result<(), T> {
        self.seen.fetch_add(1, Ordering::AcqRel);
        self.inner.set(value)
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}
