//! The wall clock that expiry is measured against.
//!
//! Everything in hitbox that asks for the time asks [`now`], so that a test can move time for the
//! thread it runs on (feature `virtual-time`, [`VirtualTime`]) instead of sleeping.

use chrono::{DateTime, Utc};

/// The present moment, UTC.
///
/// With the feature `virtual-time`, a thread that holds a `VirtualTime` gets that clock's time.
///
/// ```
/// let before = hitbox_core::clock::now();
/// assert!(hitbox_core::clock::now() >= before);
/// ```
#[must_use]
pub fn now() -> DateTime<Utc> {
    #[cfg(any(test, feature = "virtual-time"))]
    if let Some(now) = virtual_time::current() {
        return now;
    }
    Utc::now()
}

#[cfg(any(test, feature = "virtual-time"))]
pub use virtual_time::VirtualTime;

#[cfg(any(test, feature = "virtual-time"))]
mod virtual_time {
    use std::{cell::Cell, marker::PhantomData};

    use chrono::{DateTime, TimeDelta, Utc};

    thread_local! {
        static OVERRIDE: Cell<Option<DateTime<Utc>>> = const { Cell::new(None) };
    }

    pub(super) fn current() -> Option<DateTime<Utc>> {
        OVERRIDE.get()
    }

    /// A clock that stands still until it is told to move, for the current thread.
    ///
    /// While it lives, [`now`](super::now) on this thread returns its time; dropping it gives the
    /// thread the real clock back. It is bound to its thread, so use it with a current-thread
    /// runtime. Backends that keep a clock of their own (a Redis server, moka's eviction) do not
    /// follow it.
    ///
    /// ```
    /// use chrono::{TimeDelta, Utc};
    /// use hitbox_core::{CacheValue, clock::VirtualTime};
    ///
    /// let clock = VirtualTime::start(Utc::now());
    /// let value = CacheValue::new((), Some(clock.now() + TimeDelta::seconds(5)), None);
    /// clock.advance(TimeDelta::milliseconds(4_999));
    /// assert!(!value.is_expired());
    /// clock.advance(TimeDelta::milliseconds(1));
    /// assert!(value.is_expired());
    /// ```
    #[derive(Debug)]
    pub struct VirtualTime {
        // Not Send: the override lives in this thread's storage.
        bound_to_thread: PhantomData<*const ()>,
    }

    impl VirtualTime {
        /// Stops the clock of this thread at `at`.
        #[must_use]
        pub fn start(at: DateTime<Utc>) -> Self {
            OVERRIDE.set(Some(at));
            Self {
                bound_to_thread: PhantomData,
            }
        }

        /// The time this clock shows.
        #[must_use]
        pub fn now(&self) -> DateTime<Utc> {
            super::now()
        }

        /// Moves the clock by `by`, which may be negative: a clock step.
        pub fn advance(&self, by: TimeDelta) {
            OVERRIDE.set(Some(self.now() + by));
        }
    }

    impl Drop for VirtualTime {
        fn drop(&mut self) {
            OVERRIDE.set(None);
        }
    }
}
