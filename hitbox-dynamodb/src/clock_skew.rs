//! How far this machine's clock is from the service's, by the dates of its replies.
//!
//! A value lives as long as its expiry says, and an expiry is a time: of a machine whose clock is
//! behind, others take what it writes for older than it is, or for expired.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::SystemTime,
};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

/// From here on it is reported. A date has whole seconds, and replies take their time.
const NOTABLE: i64 = 15;

#[derive(Debug, Default)]
pub(crate) struct ClockSkew {
    seconds: AtomicI64,
    is_reported: AtomicBool,
}

impl ClockSkew {
    /// How many seconds the service's clock was ahead at the last reply; negative if it was behind.
    pub(crate) fn seconds(&self) -> i64 {
        self.seconds.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, date: Option<&str>, now: SystemTime) {
        let Some(seconds) = date.and_then(|date| ahead_of(date, now)) else {
            return;
        };
        self.seconds.store(seconds, Ordering::Relaxed);
        let is_notable = seconds.abs() >= NOTABLE;
        if is_notable == self.is_reported.swap(is_notable, Ordering::Relaxed) {
            return;
        }
        if is_notable {
            tracing::warn!(
                seconds,
                "the clock of this machine is off: the service's is ahead by so many seconds, and \
                 values expire that much too early or too late"
            );
        } else {
            tracing::info!(
                seconds,
                "the clocks of this machine and the service agree again"
            );
        }
    }
}

/// How many seconds the clock that wrote `date` is ahead of `now`.
fn ahead_of(date: &str, now: SystemTime) -> Option<i64> {
    let date = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    Some(date.secs() - DateTime::from(now).secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_notable_is_reported_until_it_is_over() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let skew = ClockSkew::default();
        for (date, seconds, is_reported) in [
            (Some("Sun, 09 Sep 2001 01:46:41 GMT"), 1, false),
            (Some("Sun, 09 Sep 2001 01:56:40 GMT"), 600, true),
            (None, 600, true),
            (Some("yesterday"), 600, true),
            (Some("Sun, 09 Sep 2001 01:36:40 GMT"), -600, true),
            (Some("Sun, 09 Sep 2001 01:46:40 GMT"), 0, false),
        ] {
            skew.note(date, now);
            assert_eq!(skew.seconds(), seconds, "{date:?}");
            assert_eq!(
                skew.is_reported.load(Ordering::Relaxed),
                is_reported,
                "{date:?}"
            );
        }
    }
}
