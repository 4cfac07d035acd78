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
    /// Stored bytes that were not served, by reason.
    pub rejections: Arc<Rejections>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    retries: AtomicU64,
    pub(crate) rejections: Arc<Rejections>,
}

impl Counters {
    pub(crate) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Statistics {
        Statistics {
            retries: self.retries.load(Ordering::Relaxed),
            rejections: Arc::clone(&self.rejections),
        }
    }
}
