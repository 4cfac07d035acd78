use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hitbox_core::{BackendLabel, CacheKey};

use super::{Held, held::Lives};

/// Why the backend dropped an entry that nobody had asked it to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictionCause {
    /// Its expiry had been reached.
    Expired,
    /// The capacity had been reached.
    Size,
}

/// Why a [`Store`](super::Store) dropped an entry. It need not know whether that was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The backend asked for it, or wrote another value in its place.
    Asked,
    /// Its place was needed.
    Capacity,
}

impl EvictionCause {
    /// `None` for what the application did itself: overwrite, remove, clear.
    fn of(held: &Held, lives: &Lives, removal: Removal) -> Option<Self> {
        if lives.is_cleared(held) {
            return None;
        }
        if lives.is_over(held) || held.value.is_expired() {
            return Some(Self::Expired);
        }
        match removal {
            Removal::Capacity => Some(Self::Size),
            Removal::Asked => None,
        }
    }
}

/// What [`eviction_listener`](super::InProcessBuilder::eviction_listener) takes, boxed.
pub(super) type EvictionListener = Box<dyn Fn(&CacheKey, EvictionCause) + Send + Sync>;

/// Counts evictions and passes them on to the listener.
pub struct Evictions {
    expired: AtomicU64,
    size: AtomicU64,
    listener: Option<EvictionListener>,
    lives: Arc<Lives>,
    label: BackendLabel,
}

impl Evictions {
    pub(super) fn new(
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

    pub(super) fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    pub(super) fn by_bound(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Takes note that the store dropped an entry. Calls the listener, and waits for it.
    pub fn note(&self, key: &CacheKey, held: &Held, removal: Removal) {
        let Some(cause) = EvictionCause::of(held, &self.lives, removal) else {
            return;
        };
        self.counter(cause).fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            self.tell(listener, key, cause);
        }
    }

    /// Catches a panic of the listener: it must not reach a caller who wrote another entry, and moka would stop
    /// telling us of evictions for good. The listener can be called again safely, because what it shares
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
