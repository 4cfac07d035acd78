use std::time::Duration;

/// A moment by a clock of this machine that nobody sets, and that goes on while the machine sleeps (`CLOCK_BOOTTIME` on
/// Linux; elsewhere that of [`Instant`](std::time::Instant)). It is exact, and means nothing to another process.
///
/// With the feature `virtual-time`, a thread that holds a `VirtualTime` gets that clock's: it goes on when the clock is moved
/// forward, and stands still when it is moved back.
///
/// ```
/// use std::time::Duration;
/// use hitbox_core::clock::Tick;
///
/// let earlier = Tick::now();
/// let later = Tick::now();
/// assert!(later >= earlier && Tick::UNKNOWN < earlier);
/// assert!(later.since(Tick::UNKNOWN) > Duration::from_secs(3_600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(i64);

impl Tick {
    /// Before every other one: when nobody knows.
    pub const UNKNOWN: Self = Self(i64::MIN);

    /// This moment.
    #[inline]
    #[must_use]
    pub fn now() -> Self {
        #[cfg(any(test, feature = "virtual-time"))]
        if let Some(nanos) = super::virtual_time::steady_nanos() {
            return Self(nanos);
        }
        Self(nanos())
    }

    /// So many nanoseconds after the clock's zero, which is no moment that is known. For tests, and for keeping one in
    /// an atomic.
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's zero.
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is later. Since [`UNKNOWN`](Self::UNKNOWN) it is centuries.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(if nanos < 0 { 0 } else { nanos as u64 })
    }
}

/// Not known.
impl Default for Tick {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[inline]
fn nanos() -> i64 {
    use rustix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn nanos() -> i64 {
    use std::{sync::LazyLock, time::Instant};

    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

    i64::try_from(ORIGIN.elapsed().as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::*;
    use crate::clock::VirtualTime;

    #[test]
    fn what_is_not_known_is_centuries_ago() {
        assert_eq!(Tick::default(), Tick::UNKNOWN);
        assert!(Tick::now().since(Tick::UNKNOWN) > Duration::from_secs(100 * 365 * 86_400));
        assert_eq!(Tick::UNKNOWN.since(Tick::now()), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_is_set_back_turns_no_tick_back() {
        let clock = VirtualTime::start(Utc::now());
        let began = Tick::now();
        clock.advance(TimeDelta::seconds(5));
        let later = Tick::now();
        assert_eq!(later.since(began), Duration::from_secs(5));
        clock.advance(TimeDelta::seconds(-600));
        assert_eq!(Tick::now(), later);
        drop(clock);
        assert!(Tick::now() > Tick::from_nanos(0));
    }
}
