//! A value, and moments of its life.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hitbox_backend::Invalidations;
use hitbox_core::{
    CacheValue, Stamp,
    clock::{Moment, VirtualTime},
};

pub(super) const MILLI: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// When the load of the value began, in milliseconds since 1970.
pub(super) const BEGAN: i64 = 1_796_000_000_000;

/// So long after the load began.
pub(super) fn stamp(after: Duration) -> Stamp {
    let began = Duration::from_millis(BEGAN as u64);
    Stamp::from_micros((began + after).as_micros() as u64)
}

/// Fresh for 10 s, kept for 60 s, from the begin of the load.
pub(super) fn value() -> CacheValue<()> {
    let (expire, stale) = (Some(BEGAN + 60_000), Some(BEGAN + 10_000));
    CacheValue::from_millis((), expire, stale, stamp(Duration::ZERO)).unwrap()
}

pub(super) fn expired_at(after: Duration) -> Invalidations {
    Invalidations {
        soft: stamp(after),
        ..Invalidations::NONE
    }
}

pub(super) fn removed_at(after: Duration) -> Invalidations {
    Invalidations {
        hard: stamp(after),
        ..Invalidations::NONE
    }
}

/// What `judge` says so long after the load began.
pub(super) fn at_age<T>(age: Duration, judge: impl FnOnce(&Moment) -> T) -> T {
    let clock = VirtualTime::start(DateTime::<Utc>::from_timestamp_millis(BEGAN).unwrap());
    clock.advance(TimeDelta::from_std(age).unwrap());
    judge(&Moment::default())
}
