use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use hitbox_backend::Rejections;

/// What a [`DynamoDbBackend`](crate::DynamoDbBackend) has done since it was built.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Requests that were sent again: after a failure, or for keys that a bulk request left
    /// unprocessed.
    pub retries: u64,
    /// Connections that were opened. 0 if the client brought an HTTP client of its own.
    pub connections_opened: u64,
    /// By how many milliseconds the service's clock was ahead of this process's at the last reply;
    /// negative if it was behind, `None` before the first. It is known to the second. A clock that is 15 seconds off is traced at WARN: what
    /// this process writes expires that much too early or too late for others.
    pub clock_skew_millis: Option<i64>,
    /// Stored bytes that were not served, by reason.
    pub rejections: Arc<Rejections>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    retries: AtomicU64,
}

impl Counters {
    pub(crate) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}
