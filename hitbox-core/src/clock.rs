//! The wall clock that expiry is measured against.
//!
//! Everything in hitbox that asks for the time asks [`now`], so that a test can move time for the
//! thread it runs on (feature `virtual-time`, [`VirtualTime`]) instead of sleeping.

mod coarse;
mod tick;

use std::{cell::Cell, time::SystemTime};

use chrono::{DateTime, Utc};

pub use tick::Tick;

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
/// On Linux it is the coarse clock of the kernel that is read, which takes a tenth of the time. Within a second of that,
/// where it may be wrong, the exact clock is read and decides.
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
pub struct Moment(Cell<Option<Reading>>);

/// What is known of a moment. In milliseconds since 1970-01-01 UTC, rounded down.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// Then, or later by up to [`coarse::BEHIND`].
    Coarse(i64),
    Exact(i64),
}

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

    /// Whether it is this time, in milliseconds since 1970-01-01 UTC, or later. Mostly takes less than
    /// [`unix_millis`](Self::unix_millis), since a clock that is a little behind mostly tells.
    #[inline]
    #[must_use]
    pub fn has_reached(&self, time: i64) -> bool {
        match self.0.get().unwrap_or_else(|| self.read()) {
            Reading::Coarse(earliest) if time <= earliest => true,
            Reading::Coarse(earliest) if time > earliest + coarse::BEHIND => false,
            Reading::Coarse(earliest) => time <= self.read_exactly(earliest),
            Reading::Exact(now) => time <= now,
        }
    }

    /// Milliseconds since 1970-01-01 UTC, rounded down: by the exact clock.
    #[must_use]
    pub fn unix_millis(&self) -> i64 {
        match self.0.get() {
            Some(Reading::Exact(now)) => now,
            Some(Reading::Coarse(earliest)) => self.read_exactly(earliest),
            None => {
                let now = UnixTime::now().millis();
                self.0.set(Some(Reading::Exact(now)));
                now
            }
        }
    }

    #[inline]
    fn read(&self) -> Reading {
        let reading = match coarse_millis() {
            Some(earliest) => Reading::Coarse(earliest),
            None => Reading::Exact(UnixTime::now().millis()),
        };
        self.0.set(Some(reading));
        reading
    }

    /// Whatever has been said of this moment stays true: the exact time may be that of a later one.
    #[inline(never)]
    fn read_exactly(&self, earliest: i64) -> i64 {
        let latest = earliest + coarse::BEHIND;
        let now = UnixTime::now().millis().clamp(earliest, latest);
        self.0.set(Some(Reading::Exact(now)));
        now
    }
}

/// A time in milliseconds by a clock that is never set, since some moment in the past: for what must not be forgotten
/// early if somebody sets the wall clock.
///
/// It is behind by some milliseconds at most times, and cheap to read. It does not follow a `VirtualTime`.
///
/// ```
/// let before = hitbox_core::clock::steady_millis();
/// assert!(hitbox_core::clock::steady_millis() >= before);
/// ```
#[inline]
#[must_use]
pub fn steady_millis() -> i64 {
    coarse::steady()
}

/// The time by [`steady_millis`] at which the wall clock, if nobody sets it, shows `end`, in milliseconds since 1970-01-01
/// UTC; or a little later.
#[must_use]
pub fn steady_millis_at(end: i64) -> i64 {
    // First: what is behind then makes the answer later.
    let now = coarse_millis().unwrap_or_else(|| UnixTime::now().millis());
    let left = end.saturating_sub(now).saturating_add(1);
    steady_millis().saturating_add(left)
}

#[inline]
fn coarse_millis() -> Option<i64> {
    #[cfg(any(test, feature = "virtual-time"))]
    if let Some(now) = virtual_time::current() {
        return Some(now.timestamp_millis() - virtual_time::COARSE_BEHIND);
    }
    coarse::now()
}

#[cfg(any(test, feature = "virtual-time"))]
pub use virtual_time::VirtualTime;

#[cfg(any(test, feature = "virtual-time"))]
mod virtual_time {
    use std::{cell::Cell, marker::PhantomData};

    use chrono::{DateTime, TimeDelta, Utc};

    thread_local! {
        static OVERRIDE: Cell<Option<DateTime<Utc>>> = const { Cell::new(None) };
        /// In nanoseconds. It has gone on when the clock was set forward, and stood still when it was set back.
        static STEADY: Cell<Option<i64>> = const { Cell::new(None) };
    }

    /// How far the coarse clock is behind, in milliseconds: as much as a slow kernel's.
    pub(super) const COARSE_BEHIND: i64 = 10;

    pub(super) fn current() -> Option<DateTime<Utc>> {
        OVERRIDE.get()
    }

    pub(super) fn steady_nanos() -> Option<i64> {
        STEADY.get()
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
            STEADY.set(Some(0));
            Self {
                bound_to_thread: PhantomData,
            }
        }

        /// The time this clock shows.
        #[must_use]
        pub fn now(&self) -> DateTime<Utc> {
            super::now()
        }

        /// Moves the clock by `by`, which may be negative: a clock step, of which a [`Tick`](super::Tick) does not know.
        pub fn advance(&self, by: TimeDelta) {
            OVERRIDE.set(Some(self.now() + by));
            let forward = by.num_nanoseconds().unwrap_or(i64::MAX).max(0);
            STEADY.set(STEADY.get().map(|nanos| nanos.saturating_add(forward)));
        }
    }

    impl Drop for VirtualTime {
        fn drop(&mut self) {
            OVERRIDE.set(None);
            STEADY.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{virtual_time::COARSE_BEHIND, *};

    /// A clock, and what it shows in milliseconds.
    fn stopped() -> (VirtualTime, i64) {
        let clock = VirtualTime::start(Utc::now());
        let now = clock.now().timestamp_millis();
        (clock, now)
    }

    #[test]
    fn a_life_ends_by_the_exact_clock() {
        let (_clock, now) = stopped();
        for ahead in -2 * coarse::BEHIND..=2 * coarse::BEHIND {
            let moment = Moment::default();
            assert_eq!(moment.has_reached(now + ahead), ahead <= 0, "{ahead}");
        }
    }

    #[test]
    fn the_exact_clock_is_read_where_the_coarse_one_may_be_wrong() {
        let (_clock, now) = stopped();
        let coarse = now - COARSE_BEHIND;
        for (time, exactly) in [
            (coarse, false),
            (coarse + 1, true),
            (coarse + coarse::BEHIND, true),
            (coarse + coarse::BEHIND + 1, false),
        ] {
            let moment = Moment::default();
            let _ = moment.has_reached(time);
            let reading = moment.0.get();
            assert_eq!(matches!(reading, Some(Reading::Exact(_))), exactly);
        }
    }

    #[test]
    fn an_end_by_the_steady_clock_is_never_early() {
        let (_clock, now) = stopped();
        for ahead in [0, 1, 1_000, 1_000_000] {
            let before = steady_millis();
            let at = steady_millis_at(now + ahead);
            assert!(at > before + ahead && at <= steady_millis() + ahead + COARSE_BEHIND + 1);
        }
    }

    #[test]
    fn what_is_said_of_a_moment_stays_true() {
        let (clock, now) = stopped();
        for step in [-60_000, 60_000] {
            let moment = Moment::default();
            assert!(!moment.has_been_read());
            let (reached, ahead) = (now - 5_000, now + 5_000);
            assert!(moment.has_reached(reached) && !moment.has_reached(ahead));
            clock.advance(TimeDelta::milliseconds(step));
            // By the exact clock, which has been set.
            let by_exact = moment.unix_millis();
            assert!((reached..ahead).contains(&by_exact));
            assert_eq!(moment.unix_millis(), by_exact);
            assert!(moment.has_reached(reached) && !moment.has_reached(ahead));
            clock.advance(TimeDelta::milliseconds(-step));
        }
    }
}
