use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use hitbox_backend::Rejections;

/// What a [`SledBackend`](crate::SledBackend) holds and has done since it was opened.
///
/// A snapshot of counters, taken without I/O; under concurrent writes they may be an operation
/// apart from each other.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Entries stored, those that have expired and are not swept yet included.
    pub entries: u64,
    /// What [`max_bytes`](crate::SledBackendBuilder::max_bytes) bounds: what the entries take on
    /// disk in the mean.
    pub bytes: u64,
    /// Entries deleted because they had expired.
    pub evicted_expired: u64,
    /// Entries deleted before their expiry, to stay within the bound.
    pub evicted_by_bound: u64,
    /// Entries deleted by a sweep, or at open, because they were not readable.
    pub evicted_unreadable: u64,
    /// Stored bytes that were not served, by reason.
    pub rejections: Arc<Rejections>,
}

/// Why an entry left without being asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EvictionCause {
    Expired,
    Bound,
    Unreadable,
}

#[derive(Debug, Default)]
pub(crate) struct Gauges {
    entries: AtomicU64,
    bytes: AtomicU64,
    evicted_expired: AtomicU64,
    evicted_by_bound: AtomicU64,
    evicted_unreadable: AtomicU64,
}

impl Gauges {
    pub(crate) fn entry_added(&self, bytes: u64) {
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn entry_removed(&self, bytes: u64) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn evicted(&self, cause: EvictionCause) {
        let counter = match cause {
            EvictionCause::Expired => &self.evicted_expired,
            EvictionCause::Bound => &self.evicted_by_bound,
            EvictionCause::Unreadable => &self.evicted_unreadable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot(&self, rejections: &Arc<Rejections>) -> Statistics {
        Statistics {
            entries: self.entries.load(Ordering::Relaxed),
            bytes: self.bytes(),
            evicted_expired: self.evicted_expired.load(Ordering::Relaxed),
            evicted_by_bound: self.evicted_by_bound.load(Ordering::Relaxed),
            evicted_unreadable: self.evicted_unreadable.load(Ordering::Relaxed),
            rejections: Arc::clone(rejections),
        }
    }
}
