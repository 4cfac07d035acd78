use std::{
    collections::HashMap,
    fmt,
    hash::BuildHasher,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hitbox_backend::Invalidations;
use hitbox_core::{CacheKey, CacheKeyHash, Stamp};

use crate::LoadError;

/// The waits grow up to this long, or to `retry_after` if that is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

const SHARDS: usize = 16;
/// For each shard: 4,096 keys in all.
const RECORDS: usize = 256;

/// The keys whose loads have failed lately: where there is a value to serve, the next load has to wait.
///
/// It is bounded: of a shard that is full, the record goes whose failure is the oldest, and its key is loaded
/// a little earlier.
pub(crate) struct Throttle {
    shards: [Mutex<Records>; SHARDS],
    /// In all shards. Mostly none: so who asks mostly takes no lock.
    recorded: AtomicUsize,
}

type Records = HashMap<CacheKey, Record, CacheKeyHash>;

/// A load that has failed.
pub(crate) struct Failure {
    /// When it began.
    pub(crate) began: Stamp,
    pub(crate) error: LoadError,
    /// The setting: how long the first failure in a row is waited upon.
    pub(crate) retry_after: Duration,
    /// From 0 to 1: half of the wait is left to it.
    pub(crate) chance: f64,
}

/// The newest failure of a key.
struct Record {
    began: Stamp,
    error: LoadError,
    failed: Instant,
    until: Instant,
    in_a_row: u32,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        let shard = || Mutex::new(HashMap::with_hasher(CacheKeyHash));
        Self {
            shards: std::array::from_fn(|_| shard()),
            recorded: AtomicUsize::new(0),
        }
    }

    /// The failure for which no load of the key is begun now; `None`: one may be.
    ///
    /// A failure that something has overtaken, which has invalidated what the load would have returned, throttles
    /// nobody.
    pub(crate) fn error(
        &self,
        key: &CacheKey,
        invalidations: &Invalidations,
        now: impl FnOnce() -> Instant,
    ) -> Option<LoadError> {
        // Who does not see a record that another thread makes right now has come before it.
        if self.recorded.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.with_shard(key, |records| {
            let record = records.get(key)?;
            let waits = now() < record.until && !invalidations.have_overtaken(record.began);
            waits.then(|| record.error.clone())
        })
    }

    /// A load of the key has failed.
    pub(crate) fn failed(
        &self,
        key: &CacheKey,
        failure: Failure,
        invalidations: &Invalidations,
        now: Instant,
    ) {
        if failure.retry_after.is_zero() || invalidations.have_overtaken(failure.began) {
            return;
        }
        self.with_shard(key, |records| {
            let before = records
                .get(key)
                .filter(|record| !invalidations.have_overtaken(record.began));
            if before.is_some_and(|record| failure.began < record.began) {
                return;
            }
            let record = Record::of(failure, before, now);
            if records.len() >= RECORDS && !records.contains_key(key) {
                forget_oldest(records);
            }
            records.insert(key.clone(), record);
        });
    }

    /// A load of the key has not failed: what came before is forgotten.
    pub(crate) fn succeeded(&self, key: &CacheKey) {
        if self.recorded.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.with_shard(key, |records| {
            records.remove(key);
        });
    }

    fn with_shard<T>(&self, key: &CacheKey, work: impl FnOnce(&mut Records) -> T) -> T {
        // The low bits choose the place in a map: others for the shard.
        let shard = (CacheKeyHash.hash_one(key) >> 32) as usize % SHARDS;
        let mut records = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = records.len();
        let answer = work(&mut records);
        let after = records.len();
        if after > before {
            self.recorded.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.recorded.fetch_sub(before - after, Ordering::Relaxed);
        }
        answer
    }
}

impl Record {
    fn of(failure: Failure, before: Option<&Self>, now: Instant) -> Self {
        let in_a_row = before.map_or(0, |record| record.in_a_row).saturating_add(1);
        let wait = wait(failure.retry_after, in_a_row, failure.chance);
        Self {
            began: failure.began,
            error: failure.error,
            failed: now,
            // A wait that is beyond the clock is one of a year.
            until: now
                .checked_add(wait)
                .unwrap_or(now + Duration::from_secs(31_536_000)),
            in_a_row,
        }
    }
}

/// How long the next load waits after so many failures in a row: twice as long after each, and half of it as chance
/// has it.
fn wait(retry_after: Duration, in_a_row: u32, chance: f64) -> Duration {
    let doublings = in_a_row.saturating_sub(1).min(31);
    let longest = LONGEST_WAIT.max(retry_after);
    let whole = retry_after.saturating_mul(1 << doublings).min(longest);
    let half = whole / 2;
    half + half.mul_f64(chance.clamp(0.0, 1.0))
}

fn forget_oldest(records: &mut Records) {
    let oldest = records.iter().min_by_key(|(_, record)| record.failed);
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        records.remove(&key);
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("recorded", &self.recorded)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(id: usize) -> CacheKey {
        CacheKey::from_pair("id", id.to_string())
    }

    fn failure(began: u64) -> Failure {
        Failure {
            began: Stamp::from_micros(began),
            error: LoadError::new(key(0), Cause::Panicked),
            retry_after: 5 * SECOND,
            chance: 1.0,
        }
    }

    fn removed(at: u64) -> Invalidations {
        Invalidations {
            hard: Stamp::from_micros(at),
            ..Invalidations::NONE
        }
    }

    fn expired(at: u64) -> Invalidations {
        Invalidations {
            soft: Stamp::from_micros(at),
            ..Invalidations::NONE
        }
    }

    /// One that has failed once, in a load that began at 10, and when.
    fn failed_once() -> (Throttle, Instant) {
        let (throttle, now) = (Throttle::new(), Instant::now());
        throttle.failed(&key(1), failure(10), &Invalidations::NONE, now);
        (throttle, now)
    }

    /// For how many milliseconds more the key is throttled.
    fn throttled_for(throttle: &Throttle, now: Instant, invalidations: Invalidations) -> u64 {
        let throttled = |millis: &u64| {
            let then = now + Duration::from_millis(*millis);
            throttle.error(&key(1), &invalidations, || then).is_some()
        };
        let free = (0..).step_by(500).find(|millis| !throttled(millis));
        free.unwrap_or_default()
    }

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_half_of_it_is_chance() {
        let in_seconds = |chance| {
            let waits = (1..=6).map(|in_a_row| wait(5 * SECOND, in_a_row, chance));
            waits.map(|wait| wait.as_secs_f64()).collect::<Vec<_>>()
        };
        assert_eq!(in_seconds(1.0), [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]);
        assert_eq!(in_seconds(0.0), [2.5, 5.0, 10.0, 20.0, 30.0, 30.0]);
        assert_eq!(in_seconds(0.5), [3.75, 7.5, 15.0, 30.0, 45.0, 45.0]);
        assert_eq!(wait(5 * SECOND, u32::MAX, 1.0), 60 * SECOND);
        assert_eq!(wait(90 * SECOND, 3, 1.0), 90 * SECOND);
        assert!(wait(Duration::MAX, 9, 1.0) > 60 * SECOND);
    }

    #[test]
    fn a_failure_throttles_its_key_and_no_other() {
        let (throttle, now) = failed_once();
        assert_eq!(throttled_for(&throttle, now, Invalidations::NONE), 5_000);
        let error = throttle
            .error(&key(1), &Invalidations::NONE, || now)
            .unwrap();
        assert_eq!(error.key(), &key(0));
        assert!(
            throttle
                .error(&key(2), &Invalidations::NONE, || now)
                .is_none()
        );
    }

    #[test]
    fn failures_in_a_row_are_counted_until_one_succeeds() {
        let (throttle, now) = failed_once();
        for (began, millis) in [(11, 10_000), (12, 20_000)] {
            throttle.failed(&key(1), failure(began), &Invalidations::NONE, now);
            assert_eq!(throttled_for(&throttle, now, Invalidations::NONE), millis);
        }
        throttle.succeeded(&key(1));
        assert_eq!(throttled_for(&throttle, now, Invalidations::NONE), 0);
        assert_eq!(throttle.recorded.load(Ordering::Relaxed), 0);
        throttle.failed(&key(1), failure(13), &Invalidations::NONE, now);
        assert_eq!(throttled_for(&throttle, now, Invalidations::NONE), 5_000);
    }

    #[test]
    fn what_is_invalidated_since_the_load_began_ends_it() {
        for invalidated in [removed, expired] {
            let (throttle, now) = failed_once();
            assert_eq!(throttled_for(&throttle, now, invalidated(9)), 5_000);
            assert_eq!(throttled_for(&throttle, now, invalidated(10)), 0);
            assert_eq!(throttled_for(&throttle, now, invalidated(11)), 0);
            // The next failure is the first one since.
            throttle.failed(&key(1), failure(12), &invalidated(11), now);
            assert_eq!(throttled_for(&throttle, now, invalidated(11)), 5_000);
        }
    }

    #[test]
    fn a_load_that_was_overtaken_throttles_nobody() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        throttle.failed(&key(1), failure(10), &removed(10), now);
        throttle.failed(&key(1), failure(10), &expired(11), now);
        assert_eq!(throttle.recorded.load(Ordering::Relaxed), 0);
        // Nor does one that began before the one that has failed already.
        throttle.failed(&key(1), failure(10), &Invalidations::NONE, now);
        throttle.failed(&key(1), failure(9), &Invalidations::NONE, now);
        assert_eq!(throttled_for(&throttle, now, Invalidations::NONE), 5_000);
    }

    #[test]
    fn without_a_wait_nothing_is_recorded() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        let at_once = Failure {
            retry_after: Duration::ZERO,
            ..failure(10)
        };
        throttle.failed(&key(1), at_once, &Invalidations::NONE, now);
        assert_eq!(throttle.recorded.load(Ordering::Relaxed), 0);
    }

    /// docs/bounds.md has it.
    #[test]
    fn a_record_takes_eighty_bytes_beside_its_key_and_its_error() {
        assert!(size_of::<(CacheKey, Record)>() <= 80);
        // A map of 256 has 512 places, each with a byte of its own.
        let most = 2 * RECORDS * (size_of::<(CacheKey, Record)>() + 1) * SHARDS;
        assert!(most < 700_000, "{most}");
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest_failure() {
        const KEYS: usize = 3 * SHARDS * RECORDS;
        let (throttle, start) = (Throttle::new(), Instant::now());
        for id in 0..KEYS {
            let now = start + Duration::from_micros(id as u64);
            throttle.failed(&key(id), failure(10), &Invalidations::NONE, now);
        }
        assert_eq!(throttle.recorded.load(Ordering::Relaxed), SHARDS * RECORDS);
        let is_throttled = |id: &usize| {
            let now = start + SECOND;
            throttle
                .error(&key(*id), &Invalidations::NONE, || now)
                .is_some()
        };
        let of_each_third = [0, 1, 2].map(|third| {
            let ids = third * KEYS / 3..(third + 1) * KEYS / 3;
            ids.filter(is_throttled).count()
        });
        assert_eq!(of_each_third.iter().sum::<usize>(), SHARDS * RECORDS);
        assert_eq!(of_each_third[0], 0, "{of_each_third:?}");
        assert!(of_each_third[2] > KEYS / 4, "{of_each_third:?}");
        // One that is there already takes no other's place.
        let last = key(KEYS - 1);
        throttle.failed(&last, failure(11), &Invalidations::NONE, start);
        assert_eq!(throttle.recorded.load(Ordering::Relaxed), SHARDS * RECORDS);
    }
}
