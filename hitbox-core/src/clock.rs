//! The wall clock that expiry is measured against.
//!
//! Everything in hitbox that asks for the time asks [`now`], so that a test can move time for the
//! thread it runs on (feature `virtual-time`, [`VirtualTime`]) instead of sleeping.

use std::{cell::OnceCell, time::SystemTime};

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

/// [`now`] as a count since 1970-01-01 UTC: without the calendar, which takes longer than reading
/// the clock does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnixTime {
    /// Rounded down.
    pub(crate) seconds: i64,
    /// Below 1,000,000,000.
    pub(crate) nanos: u32,
}

impl UnixTime {
    pub(crate) fn now() -> Self {
        #[cfg(any(test, feature = "virtual-time"))]
        if let Some(now) = virtual_time::current() {
            return Self {
                seconds: now.timestamp(),
                nanos: now.timestamp_subsec_nanos().min(999_999_999),
            };
        }
        // No overflow below: a clock cannot show the year 292,000.
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Self {
                seconds: since.as_secs() as i64,
                nanos: since.subsec_nanos(),
            },
            Err(before) => match (
                before.duration().as_secs(),
                before.duration().subsec_nanos(),
            ) {
                (seconds, 0) => Self {
                    seconds: -(seconds as i64),
                    nanos: 0,
                },
                (seconds, nanos) => Self {
                    seconds: -(seconds as i64) - 1,
                    nanos: 1_000_000_000 - nanos,
                },
            },
        }
    }

    pub(crate) fn millis(self) -> i64 {
        self.seconds * 1_000 + i64::from(self.nanos / 1_000_000)
    }

    pub(crate) fn micros(self) -> i64 {
        self.seconds * 1_000_000 + i64::from(self.nanos / 1_000)
    }
}

/// The moment of one operation: the clock is read when it is first asked for, and not again.
///
/// An operation that looks at the life times of a value in several places hands this on to all of
/// them, so that they agree, and none pays for a clock that another has read. A value without life
/// times costs no look at the clock at all.
///
/// ```
/// use std::time::Duration;
/// use hitbox_core::{CacheValue, Stamp, clock::Moment};
///
/// let moment = Moment::default();
/// let value = CacheValue::loaded((), Stamp::now()).ttl(Duration::from_secs(5));
/// assert!(!value.is_expired_at(&moment) && !value.is_stale_at(&moment));
/// ```
#[derive(Debug, Default)]
pub struct Moment(OnceCell<i64>);

impl Moment {
    /// Whether the clock has been read. An operation that may take long, as one that goes to a disk,
    /// should not be begun under a moment that has passed before it.
    ///
    /// ```
    /// use hitbox_core::clock::Moment;
    ///
    /// assert!(!Moment::default().has_been_read());
    /// ```
    #[inline]
    #[must_use]
    pub fn has_been_read(&self) -> bool {
        self.0.get().is_some()
    }

    /// Milliseconds since 1970-01-01 UTC, rounded down.
    #[inline]
    #[must_use]
    pub fn unix_millis(&self) -> i64 {
        *self.0.get_or_init(|| UnixTime::now().millis())
    }
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
    /// use std::time::Duration;
    /// use chrono::{TimeDelta, Utc};
    /// use hitbox_core::{CacheValue, Stamp, clock::VirtualTime};
    ///
    /// let clock = VirtualTime::start(Utc::now());
    /// let value = CacheValue::loaded((), Stamp::now()).ttl(Duration::from_secs(5));
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
