//! How far this machine's clock is from the service's, by the dates of its replies.
//!
//! A value lives as long as its expiry says, and an expiry is a time: of a machine whose clock is
//! behind, others take what it writes for older than it is, or for expired.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use hitbox_core::BackendLabel;

use crate::lock::locked;

/// From here on it is reported. A date has whole seconds, and replies take their time.
const NOTABLE: u64 = 15;

/// No clock is so far behind.
const UNKNOWN: i64 = i64::MIN;

/// Between two reports: of several servers, each has a clock.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct ClockSkew {
    label: BackendLabel,
    /// [`UNKNOWN`] before the first reply.
    seconds: AtomicI64,
    report: Mutex<Option<Report>>,
}

/// What was last said of the clock, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Report {
    says: Clock,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Right,
    Off,
}

impl ClockSkew {
    pub(crate) fn new(label: BackendLabel) -> Self {
        Self {
            label,
            seconds: AtomicI64::new(UNKNOWN),
            report: Mutex::new(None),
        }
    }

    /// By how many milliseconds the service's clock was ahead at the last reply; negative if it was behind.
    pub(crate) fn millis(&self) -> Option<i64> {
        let seconds = self.seconds.load(Ordering::Relaxed);
        (seconds != UNKNOWN).then(|| seconds.saturating_mul(1_000))
    }

    pub(crate) fn note(&self, date: Option<&str>) {
        let Some(seconds) = date.and_then(|date| ahead_of(date, SystemTime::now())) else {
            return;
        };
        let before = self.seconds.swap(seconds, Ordering::Relaxed);
        // Nearly all replies: nothing is locked for them.
        if (clock(before), clock(seconds)) == (Clock::Right, Clock::Right) {
            return;
        }
        let mut report = locked(&self.report);
        let Some(next) = due(*report, clock(seconds), Instant::now()) else {
            return;
        };
        *report = Some(next);
        let label = &self.label;
        match next.says {
            Clock::Off => tracing::warn!(
                backend = %label,
                seconds,
                "the clock of this machine is off: the service's is ahead by so many seconds"
            ),
            Clock::Right => tracing::info!(
                backend = %label,
                seconds,
                "the clock of this machine is right again"
            ),
        }
    }
}

const fn clock(seconds: i64) -> Clock {
    match seconds.unsigned_abs() {
        NOTABLE.. if seconds != UNKNOWN => Clock::Off,
        _ => Clock::Right,
    }
}

/// What is to be said now, if anything.
fn due(last: Option<Report>, found: Clock, now: Instant) -> Option<Report> {
    let is_news = match last {
        None => found == Clock::Off,
        Some(last) => found != last.says && now.duration_since(last.at) >= PAUSE,
    };
    is_news.then_some(Report {
        says: found,
        at: now,
    })
}

/// How many seconds the clock that wrote `date` is ahead of `now`.
fn ahead_of(date: &str, now: SystemTime) -> Option<i64> {
    let date = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    Some(date.secs() - DateTime::from(now).secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_compared_to_the_second() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (date, seconds) in [
            ("Sun, 09 Sep 2001 01:46:41 GMT", Some(1)),
            ("Sun, 09 Sep 2001 01:56:40 GMT", Some(600)),
            ("Sun, 09 Sep 2001 01:36:40 GMT", Some(-600)),
            ("yesterday", None),
        ] {
            assert_eq!(ahead_of(date, now), seconds, "{date}");
        }
        let clocks = [-600, -15, -14, UNKNOWN, 14, 15].map(clock);
        use Clock::{Off, Right};
        assert_eq!(clocks, [Off, Off, Right, Right, Right, Off]);
    }

    #[test]
    fn a_change_is_said_once_and_not_more_often_than_once_a_minute() {
        let now = Instant::now();
        assert_eq!(due(None, Clock::Right, now), None);
        let said = due(None, Clock::Off, now);
        assert_eq!(said.map(|report| report.says), Some(Clock::Off));
        assert_eq!(due(said, Clock::Off, now + PAUSE), None);
        assert_eq!(due(said, Clock::Right, now + PAUSE / 2), None);
        let over = due(said, Clock::Right, now + PAUSE);
        assert_eq!(over.map(|report| report.says), Some(Clock::Right));
    }
}
