use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hitbox_core::{BackendLabel, CacheKey};
use moka::notification::RemovalCause;

use crate::held::{Held, Lives};

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
    fn of(held: &Held, lives: &Lives, cause: RemovalCause) -> Option<Self> {
        if lives.is_cleared(held) {
            return None;
        }
        // moka knows nothing of expiry.
        if lives.is_over(held) || held.value.is_expired() {
            return Some(Self::Expired);
        }
        match cause {
            RemovalCause::Size => Some(Self::Size),
            RemovalCause::Expired | RemovalCause::Explicit | RemovalCause::Replaced => None,
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
    lives: Arc<Lives>,
    label: BackendLabel,
}

impl Evictions {
    pub(crate) fn new(
        listener: Option<EvictionListener>,
        lives: Arc<Lives>,
        label: BackendLabel,
    ) -> Self {
        Self {
            expired: AtomicU64::new(0),
            size: AtomicU64::new(0),
            listener,
            lives,
            label,
        }
    }

    pub(crate) fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    pub(crate) fn by_bound(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Takes note that moka dropped an entry.
    pub(crate) fn record(&self, key: &CacheKey, held: &Held, cause: RemovalCause) {
        let Some(cause) = EvictionCause::of(held, &self.lives, cause) else {
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
