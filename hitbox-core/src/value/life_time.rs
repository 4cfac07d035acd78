use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{self, Moment, UnixTime};

/// When something ends: a count of milliseconds since 1970-01-01 UTC, which is compared on every
/// read, where a calendar date would be converted first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LifeTime(i64);

impl LifeTime {
    /// Later than every time that chrono can represent.
    pub(super) const NEVER_ENDS: Self = Self(i64::MAX);

    /// Until `end`, rounded down to the millisecond; `None`: never ends.
    pub(super) fn until(end: Option<DateTime<Utc>>) -> Self {
        end.map_or(Self::NEVER_ENDS, |end| Self(floor_to_millisecond(end)))
    }

    /// Until `life` from now, or the last time that chrono can represent.
    pub(super) fn from_now(life: Duration) -> Self {
        let end = TimeDelta::from_std(life)
            .ok()
            .and_then(|life| clock::now().checked_add_signed(life));
        Self::until(Some(end.unwrap_or(DateTime::<Utc>::MAX_UTC)))
    }

    /// Until so many milliseconds since 1970-01-01 UTC. `None` if chrono cannot represent that.
    pub(super) fn until_millis(end: i64) -> Option<Self> {
        const FIRST: i64 = DateTime::<Utc>::MIN_UTC.timestamp_millis();
        const LAST: i64 = DateTime::<Utc>::MAX_UTC.timestamp_millis();
        (FIRST..=LAST).contains(&end).then_some(Self(end))
    }

    /// Ended at this moment.
    pub(super) fn ended_at(moment: &Moment) -> Self {
        Self(moment.unix_millis())
    }

    pub(super) fn end(self) -> Option<DateTime<Utc>> {
        // Every other count came from a time that chrono can represent.
        DateTime::from_timestamp_millis(self.0)
    }

    pub(super) const fn end_millis(self) -> Option<i64> {
        match self {
            Self::NEVER_ENDS => None,
            Self(end) => Some(end),
        }
    }

    /// What is left of it, to the nanosecond; `None` if it never ends.
    pub(super) fn remaining(self, now: UnixTime) -> Option<Duration> {
        if self == Self::NEVER_ENDS {
            return None;
        }
        // Ahead of the clock by less than the range of an i64: the clock shows no year that chrono
        // could not.
        let millis = self.0 - now.millis();
        let begun = Duration::from_nanos(u64::from(now.nanos % 1_000_000));
        let left = u64::try_from(millis).unwrap_or(0);
        Some(Duration::from_millis(left).saturating_sub(begun))
    }

    /// Ended at its last instant, not after it.
    #[inline]
    pub(super) fn has_ended(self, moment: &Moment) -> bool {
        self != Self::NEVER_ENDS && moment.has_reached(self.0)
    }
}

/// Down, also before 1970: rounding towards zero or to the nearest would lengthen a life. A moment
/// within a leap second (chrono counts it as milliseconds 1,000 to 1,999) becomes the last
/// millisecond before it, because as a plain count of milliseconds it would be a second later.
fn floor_to_millisecond(at: DateTime<Utc>) -> i64 {
    // No overflow: chrono's range is a thousandth of what fits.
    at.timestamp() * 1_000 + i64::from(at.timestamp_subsec_millis().min(999))
}
