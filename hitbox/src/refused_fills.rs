//! Fills that are refused again and again: what is loaded, and never kept.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hitbox_core::{CacheKey, CacheKeyHash};
use tokio::time::Instant;

/// The fill that is refused so often, in a row, is said aloud.
const TOO_OFTEN: u32 = 3;

/// So many keys are counted at most.
const KEYS: usize = 1_024;

/// No two lines are closer than this. A key whose fills have not been refused for as long makes room for another one.
const PAUSE: Duration = Duration::from_secs(60);

/// Keys whose fills have been refused, and none kept since.
#[derive(Default)]
pub(crate) struct RefusedFills {
    counts: Mutex<Counts>,
    /// How many keys there are. Mostly none: so a fill that is kept mostly takes no lock.
    keys: AtomicUsize,
}

#[derive(Default)]
struct Counts {
    rows: HashMap<CacheKey, Row, CacheKeyHash>,
    /// When the last line was due.
    told: Option<Instant>,
    /// Keys that have come to three since.
    untold: u64,
}

/// Fills of a key that were refused in a row.
struct Row {
    length: u32,
    /// When the last of them was.
    last: Instant,
}

impl RefusedFills {
    /// A fill of the key was kept.
    pub(crate) fn kept(&self, key: &CacheKey) {
        // Who does not see a key that another thread notes right now has come before it.
        if self.keys.load(Ordering::Relaxed) > 0 {
            self.with_counts(|counts| {
                counts.rows.remove(key);
            });
        }
    }

    /// A fill of the key was refused. Returns of how many keys it is to be said now that three in a row were; mostly of none.
    pub(crate) fn refused(&self, key: &CacheKey, now: Instant) -> Option<u64> {
        self.with_counts(|counts| counts.refused(key, now))
    }

    fn with_counts<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        // No code that holds the lock leaves it half-changed.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = work(&mut counts);
        self.keys.store(counts.rows.len(), Ordering::Relaxed);
        answer
    }
}

impl Counts {
    fn refused(&mut self, key: &CacheKey, now: Instant) -> Option<u64> {
        let is_past = |then: Instant| now.saturating_duration_since(then) >= PAUSE;
        if !self.rows.contains_key(key) && self.rows.len() >= KEYS {
            self.rows.retain(|_, row| !is_past(row.last));
            // Where the fills of more keys are refused, those that were first are enough to say so.
            if self.rows.len() >= KEYS {
                return None;
            }
        }
        let none = Row {
            length: 0,
            last: now,
        };
        let row = self.rows.entry(key.clone()).or_insert(none);
        row.length = row.length.saturating_add(1);
        row.last = now;
        if row.length == TOO_OFTEN {
            self.untold += 1;
        }
        let is_due = self.told.is_none_or(is_past);
        if self.untold == 0 || !is_due {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u64) -> CacheKey {
        CacheKey::from_pair("key", id.to_string())
    }

    #[test]
    fn the_third_in_a_row_is_said() {
        let (fills, now) = (RefusedFills::default(), Instant::now());
        let said: Vec<_> = (0..5).map(|_| fills.refused(&key(1), now)).collect();
        assert_eq!(said, [None, None, Some(1), None, None]);
    }

    #[test]
    fn a_fill_that_is_kept_ends_the_row() {
        let (fills, now) = (RefusedFills::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(fills.refused(&key(1), now), None);
            assert_eq!(fills.refused(&key(1), now), None);
            fills.kept(&key(1));
        }
        assert_eq!(fills.keys.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn many_keys_are_one_line_a_minute_and_none_is_left_out() {
        let (fills, begin) = (RefusedFills::default(), Instant::now());
        let mut said = Vec::new();
        for id in 0..100 {
            for _ in 0..3 {
                said.extend(fills.refused(&key(id), begin));
            }
        }
        assert_eq!(said, [1]);
        assert_eq!(fills.refused(&key(100), begin + PAUSE), Some(99));
    }

    /// A store that evicts leases refuses the fills of all keys, however many there are.
    #[test]
    fn where_more_keys_are_refused_than_there_is_room_for_it_is_said() {
        let (fills, begin) = (RefusedFills::default(), Instant::now());
        let mut said = Vec::new();
        for _ in 0..3 {
            for id in 0..5 * KEYS as u64 {
                said.extend(fills.refused(&key(id), begin));
                assert!(fills.keys.load(Ordering::Relaxed) <= KEYS);
            }
        }
        assert_eq!(said, [1]);
        // Those make room that were not refused for long.
        let later = begin + PAUSE;
        assert_eq!(fills.refused(&key(u64::MAX), later), Some(KEYS as u64 - 1));
        assert_eq!(fills.keys.load(Ordering::Relaxed), 1);
    }

    /// As docs/bounds.md says.
    #[test]
    fn what_a_key_takes() {
        assert_eq!(size_of::<(CacheKey, Row)>(), 48);
    }
}
