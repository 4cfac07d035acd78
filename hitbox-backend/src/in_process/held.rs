use std::{
    fmt,
    sync::atomic::{AtomicI64, AtomicU32, Ordering},
};

use hitbox_core::{
    CacheValue, Raw,
    clock::{steady_millis, steady_millis_at},
};

/// What comes after every moment.
const NEVER: i64 = i64::MAX;

/// What a [`Store`](super::Store) keeps under a key.
#[derive(Clone)]
pub struct Held {
    pub(super) value: CacheValue<Raw>,
    /// When its life is over, by the clock that is never set.
    until: i64,
    /// How often the cache had been cleared before it was written.
    cleared: u32,
    weight: u32,
}

impl Held {
    /// What it counts as under the capacity: bytes of memory, or one entry.
    #[inline]
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.weight
    }
}

/// Shows no value.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("weight", &self.weight)
            .finish_non_exhaustive()
    }
}

/// Which entries are over: their memory may be given back.
///
/// The stores are not told of expiry. moka would sweep by itself, but every expired entry in one go, within the next
/// read or write of any thread: a second for 500,000 entries. `quick_cache` has no expiry.
#[derive(Debug)]
pub(super) struct Lives {
    /// No entry is over before this.
    earliest: AtomicI64,
    cleared: AtomicU32,
    /// The last clearing whose entries have been swept.
    swept: AtomicU32,
}

impl Lives {
    pub(super) fn new() -> Self {
        Self {
            earliest: AtomicI64::new(NEVER),
            cleared: AtomicU32::new(0),
            swept: AtomicU32::new(0),
        }
    }

    /// The life of a value that begins now.
    pub(super) fn hold(&self, value: CacheValue<Raw>, weight: u32) -> Held {
        // By a clock that is never set: what the sweep thread thinks of the time must not matter.
        let until = value.expire_millis().map_or(NEVER, steady_millis_at);
        if until < self.earliest.load(Ordering::Relaxed) {
            self.earliest.fetch_min(until, Ordering::AcqRel);
        }
        Held {
            value,
            until,
            cleared: self.cleared.load(Ordering::Acquire),
            weight,
        }
    }

    pub(super) fn clear(&self) {
        self.cleared.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn is_cleared(&self, held: &Held) -> bool {
        held.cleared != self.cleared.load(Ordering::Acquire)
    }

    pub(super) fn is_over(&self, held: &Held) -> bool {
        self.is_cleared(held) || held.until <= steady_millis()
    }

    /// Whether there may be entries that are over, since when they have not been swept.
    pub(super) fn begin_sweep(&self) -> Option<Sweep<'_>> {
        let cleared = self.cleared.load(Ordering::Acquire);
        let due = self.earliest.load(Ordering::Acquire) <= steady_millis();
        if !due && cleared == self.swept.load(Ordering::Acquire) {
            return None;
        }
        // What is written from here on counts anew, whether the sweep comes by it or not.
        self.earliest.store(NEVER, Ordering::Release);
        Some(Sweep {
            lives: self,
            cleared,
            earliest: NEVER,
        })
    }
}

/// A look at every entry.
pub(super) struct Sweep<'l> {
    lives: &'l Lives,
    cleared: u32,
    earliest: i64,
}

impl Sweep<'_> {
    /// Whether an entry is over. If not, it has been noted when it will be.
    pub(super) fn is_over(&mut self, held: &Held) -> bool {
        let is_over = self.lives.is_over(held);
        if !is_over {
            self.earliest = self.earliest.min(held.until);
        }
        is_over
    }

    /// To be called when every entry has been seen.
    pub(super) fn complete(self) {
        self.lives.swept.store(self.cleared, Ordering::Release);
        self.stop();
    }

    /// To be called when the rest is left for another sweep.
    pub(super) fn stop(self) {
        self.lives
            .earliest
            .fetch_min(self.earliest, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hitbox_core::Stamp;

    use super::*;

    fn held(lives: &Lives, life: Option<Duration>) -> Held {
        let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
        let value = match life {
            Some(life) => value.ttl(life),
            None => value,
        };
        lives.hold(value, 1)
    }

    #[test]
    fn there_is_nothing_to_sweep_before_the_first_life_is_over() {
        let lives = Lives::new();
        assert!(!lives.is_over(&held(&lives, None)));
        held(&lives, Some(Duration::from_secs(3_600)));
        assert!(lives.begin_sweep().is_none());
        let short = held(&lives, Some(Duration::from_millis(1)));
        while !lives.is_over(&short) {
            std::thread::yield_now();
        }
        let mut sweep = lives.begin_sweep().unwrap();
        assert!(sweep.is_over(&short));
        sweep.complete();
        assert!(lives.begin_sweep().is_none());
    }

    #[test]
    fn a_sweep_notes_what_it_leaves() {
        let lives = Lives::new();
        let short = held(&lives, Some(Duration::from_millis(1)));
        let next = held(&lives, Some(Duration::from_millis(50)));
        while !lives.is_over(&short) {
            std::thread::yield_now();
        }
        let mut sweep = lives.begin_sweep().unwrap();
        sweep.is_over(&short);
        sweep.is_over(&next);
        sweep.complete();
        while lives.begin_sweep().is_none() {
            std::thread::yield_now();
        }
        assert!(lives.is_over(&next));
    }

    #[test]
    fn what_is_cleared_is_over_and_what_comes_after_is_not() {
        let lives = Lives::new();
        let before = held(&lives, None);
        lives.clear();
        let after = held(&lives, None);
        assert!(lives.is_over(&before) && !lives.is_over(&after));
        lives.begin_sweep().unwrap().stop();
        lives.begin_sweep().unwrap().complete();
        assert!(lives.begin_sweep().is_none());
    }
}
