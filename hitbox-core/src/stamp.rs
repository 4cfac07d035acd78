use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::clock::UnixTime;

/// A point in the order of cache operations: microseconds since 1970-01-01 UTC, made strictly
/// increasing.
///
/// [`Stamp::now`] is a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): it
/// follows the wall clock, never runs backwards when the wall clock does, and never gives the same
/// stamp twice in one process. So "before" between two operations of a process is always decided
/// by their stamps. Stamps read from a shared layer pull the clock forward ([`Stamp::observe`]), so
/// that what happens after seeing a value is also stamped after it.
///
/// ```
/// use hitbox_core::Stamp;
///
/// let load_began = Stamp::now();
/// assert!(Stamp::now() > load_began);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

/// The last stamp given out. One per process by design: stamps order operations across every
/// cache of the process, and two clocks could tie.
static LAST: AtomicU64 = AtomicU64::new(0);

impl Stamp {
    /// Before every operation.
    pub const ZERO: Self = Self(0);

    /// How far ahead of this process's clock another process's stamp may be and still be believed:
    /// 15 minutes.
    pub const MAX_DRIFT_MICROS: u64 = 15 * 60 * 1_000_000;

    /// A new stamp, later than every stamp this process has made or observed.
    #[must_use]
    pub fn now() -> Self {
        let wall = wall_micros();
        // AcqRel is more than uniqueness needs: it also makes a stamp handed to another thread
        // order after the ones that thread has made.
        let previous = LAST.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| {
            Some(wall.max(last + 1))
        });
        Self(previous.map_or(wall, |last| wall.max(last + 1)))
    }

    /// Makes sure that every later [`Stamp::now`] of this process is later than `self`.
    ///
    /// A stamp that is not [plausible](Self::is_within_drift) is ignored: one machine with a broken
    /// clock must not drag the others along.
    #[inline]
    pub fn observe(self) {
        // The common case is a value written earlier: one load, no write to a shared line.
        if self.0 > LAST.load(Ordering::Acquire) && self.is_within_drift() {
            LAST.fetch_max(self.0, Ordering::AcqRel);
        }
    }

    /// False for a stamp more than [`MAX_DRIFT_MICROS`](Self::MAX_DRIFT_MICROS) ahead of this
    /// process's wall clock, unless this process has made a later one itself.
    #[must_use]
    pub fn is_within_drift(self) -> bool {
        if self.0 <= LAST.load(Ordering::Acquire) {
            return true;
        }
        // From the wall clock and not from the last stamp: else each stamp that is believed would
        // make a later one believable.
        self.0 <= wall_micros().saturating_add(Self::MAX_DRIFT_MICROS)
    }

    /// The stamp from microseconds since 1970-01-01 UTC, as it stands in a stored form.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The stamp just before this one: what a write invalidates without invalidating itself.
    #[must_use]
    pub const fn predecessor(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}

fn wall_micros() -> u64 {
    u64::try_from(UnixTime::now().micros()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::{TimeDelta, Utc};

    use super::*;
    use crate::clock::VirtualTime;

    #[test]
    fn stamps_never_tie_across_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..10_000).map(|_| Stamp::now()).collect::<Vec<_>>()))
            .collect();
        let mut seen = HashSet::new();
        for thread in threads {
            let stamps = thread.join().unwrap();
            assert!(stamps.is_sorted());
            assert!(stamps.into_iter().all(|stamp| seen.insert(stamp)));
        }
    }

    #[test]
    fn a_clock_stepped_back_does_not_turn_stamps_back() {
        let clock = VirtualTime::start(Utc::now());
        let before = Stamp::now();
        clock.advance(TimeDelta::minutes(-10));
        assert!(Stamp::now() > before);
    }

    #[test]
    fn an_observed_stamp_is_overtaken_unless_it_is_absurd() {
        let ahead = Stamp(Stamp::now().0 + 1_000_000);
        ahead.observe();
        assert!(Stamp::now() > ahead);

        let absurd = Stamp(Stamp::now().0 + 2 * Stamp::MAX_DRIFT_MICROS);
        assert!(!absurd.is_within_drift());
        absurd.observe();
        assert!(Stamp::now() < absurd);
    }
}
