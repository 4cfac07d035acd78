use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
use moka::notification::RemovalCause;

use crate::EvictionCounts;

/// Which entries go first when the capacity is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictionPolicy {
    /// Those asked for least often and least recently. A new entry that is asked for less often
    /// than the ones it would displace is itself the one that goes. The best hit rate on most
    /// loads.
    #[default]
    TinyLfu,
    /// Those not asked for for the longest time. A new entry always gets in.
    Lru,
}

impl From<EvictionPolicy> for moka::policy::EvictionPolicy {
    fn from(policy: EvictionPolicy) -> Self {
        match policy {
            EvictionPolicy::TinyLfu => Self::tiny_lfu(),
            EvictionPolicy::Lru => Self::lru(),
        }
    }
}

/// Why the backend dropped an entry that nobody had asked it to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictionCause {
    /// Its expiry had been reached.
    Expired,
    /// The capacity had been reached.
    Size,
}

impl EvictionCause {
    /// `None` for what the application did itself: overwrite, remove, clear.
    fn of(value: &CacheValue<Raw>, cause: RemovalCause) -> Option<Self> {
        // moka takes an expired entry that is overwritten or removed for a live one.
        if value.is_expired() {
            return Some(Self::Expired);
        }
        match cause {
            RemovalCause::Expired => Some(Self::Expired),
            RemovalCause::Size => Some(Self::Size),
            RemovalCause::Explicit | RemovalCause::Replaced => None,
        }
    }
}

/// What [`eviction_listener`](crate::MokaBackendBuilder::eviction_listener) takes, boxed.
pub(crate) type EvictionListener = Box<dyn Fn(&CacheKey, EvictionCause) + Send + Sync>;

/// Counts evictions and passes them on.
pub(crate) struct Evictions {
    expired: AtomicU64,
    size: AtomicU64,
    listener: Option<EvictionListener>,
    label: BackendLabel,
}

impl Evictions {
    pub(crate) fn new(listener: Option<EvictionListener>, label: BackendLabel) -> Self {
        Self {
            expired: AtomicU64::new(0),
            size: AtomicU64::new(0),
            listener,
            label,
        }
    }

    pub(crate) fn counts(&self) -> EvictionCounts {
        EvictionCounts {
            expired: self.expired.load(Ordering::Relaxed),
            size: self.size.load(Ordering::Relaxed),
        }
    }

    /// Takes note that moka dropped an entry.
    pub(crate) fn record(&self, key: &CacheKey, value: &CacheValue<Raw>, cause: RemovalCause) {
        let Some(cause) = EvictionCause::of(value, cause) else {
            return;
        };
        self.counter(cause).fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            self.tell(listener, key, cause);
        }
    }

    /// Catches a panic of the listener: moka would stop telling us of evictions for good, and the
    /// counts would stand still. The listener can be called again safely, because what it shares
    /// between calls is behind a lock (which is poisoned) or atomic.
    fn tell(&self, listener: &EvictionListener, key: &CacheKey, cause: EvictionCause) {
        if catch_unwind(AssertUnwindSafe(|| listener(key, cause))).is_err() {
            tracing::error!(backend = %self.label, %key, ?cause, "the eviction listener panicked");
        }
    }

    const fn counter(&self, cause: EvictionCause) -> &AtomicU64 {
        match cause {
            EvictionCause::Expired => &self.expired,
            EvictionCause::Size => &self.size,
        }
    }
}

impl fmt::Debug for Evictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evictions")
            .field("expired", &self.expired)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
