//! Clocks as the kernel has noted them last: cheap to read, and a little behind.

/// How far the wall clock may be behind the exact one, in milliseconds.
///
/// Linux notes the time at each tick of its timer, of which there are 100 to 1,000 a second. Where they are 4
/// milliseconds apart the clock has been 4.6 behind, and a tick that comes late, as on a virtual machine, adds to that. A
/// second is far more, and costs nothing: most lives end later than a second from now.
pub(super) const BEHIND: i64 = 1_000;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod kernel {
    use std::{sync::LazyLock, time::SystemTime};

    use rustix::time::{ClockId, clock_gettime};

    use super::BEHIND;

    /// Whether this clock tells the time that the exact one does. It does not where somebody has put another exact one in
    /// its place, as libfaketime does.
    static AGREES: LazyLock<bool> = LazyLock::new(|| {
        let (before, coarse, after) = (exactly(), read(), exactly());
        (before - BEHIND..=after).contains(&coarse)
    });

    /// What the exact clock shows; zero before 1970, where the coarse one is not to be used.
    fn exactly() -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as i64)
    }

    fn millis(clock: ClockId) -> i64 {
        let time = clock_gettime(clock);
        time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
    }

    fn read() -> i64 {
        millis(ClockId::RealtimeCoarse)
    }

    /// Milliseconds since 1970-01-01 UTC, rounded down.
    #[inline]
    pub(in crate::clock) fn now() -> Option<i64> {
        AGREES.then(read)
    }

    /// Milliseconds since some moment in the past.
    #[inline]
    pub(in crate::clock) fn steady() -> i64 {
        millis(ClockId::MonotonicCoarse)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod kernel {
    use std::{sync::LazyLock, time::Instant};

    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(in crate::clock) fn steady() -> i64 {
        i64::try_from(ORIGIN.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// There is no such clock.
    #[inline]
    pub(in crate::clock) const fn now() -> Option<i64> {
        None
    }
}

pub(super) use kernel::{now, steady};
