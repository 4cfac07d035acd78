//! What has been heard of changes made elsewhere, and what that vouches for. No I/O, and no clock of its own.

use std::{sync::PoisonError, time::Duration};

use hitbox_core::clock::Tick;

use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicI64, Ordering},
};

/// Enough that the news of one key rarely count against the copy of another. Of 20,000 news a second and a read of 300 us, 0.6 %.
#[cfg(not(all(test, hitbox_schedules)))]
const SLOTS: usize = 1_024;

/// So few that an order of events can be explored.
#[cfg(all(test, hitbox_schedules))]
const SLOTS: usize = 2;

/// Which copies in L1 are known to be no staler than a bound.
///
/// A copy is vouched for as of the moment at which it was *seen*: when the read of L2 that brought it began, or the write that
/// made it. Every complete answer of the backplane vouches for all copies anew, as of the moment at which
/// it was *asked*: whatever had been acknowledged until then is in the answer, and has been applied to L1.
///
/// Who looks for a copy takes the [`Credit`] first. Who inserts one holds the [`Slot`] of its key meanwhile, and so does who
/// applies news.
///
/// ```
/// use std::time::Duration;
/// use hitbox_backend::coherence::{Hearing, Held};
/// use hitbox_core::clock::Tick;
///
/// let at = |millis: i64| Tick::from_nanos(millis * 1_000_000);
/// let hearing = Hearing::new(Duration::from_millis(100), at(0));
/// // A copy is inserted, of what a read has brought that began at 10 ms.
/// assert!(hearing.slot(7).keeps(at(10), Held::Nothing));
/// assert!(hearing.credit().covers(at(10), at(110)) && !hearing.credit().covers(at(10), at(111)));
/// // An answer to what was asked at 90 ms has come: there are no news of this key.
/// hearing.vouch_as_of(at(90));
/// assert!(hearing.credit().covers(at(10), at(190)));
/// // Another one has: the key has been changed elsewhere. The copy is dropped, and what was seen before is not kept.
/// hearing.slot(7).note_news(at(120));
/// assert!(!hearing.slot(7).keeps(at(119), Held::Nothing));
/// assert!(hearing.slot(7).keeps(at(121), Held::Nothing));
/// ```
#[derive(Debug)]
pub struct Hearing {
    bound: Duration,
    /// When the newest question was asked that has been answered completely.
    as_of: AtomicI64,
    /// When the present hearing without a gap began.
    since: AtomicI64,
    slots: Box<[Mutex<Moments>]>,
}

/// What has been done to the keys of a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    /// When the newest news of one of them were applied.
    news: Tick,
    /// When L2's newest value of one of them was handed to a reader.
    answered: Tick,
}

impl Hearing {
    /// One that has heard nothing, and vouches for copies for as long as `bound` after they were seen. Whatever was changed
    /// after `now` will be heard.
    #[must_use]
    pub fn new(bound: Duration, now: Tick) -> Self {
        Self {
            bound,
            as_of: AtomicI64::new(Tick::UNKNOWN.as_nanos()),
            since: AtomicI64::new(now.as_nanos()),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
        }
    }

    /// How stale a copy may be.
    #[must_use]
    pub const fn bound(&self) -> Duration {
        self.bound
    }

    /// What is vouched for. To be taken *before* a copy is looked for: taken afterwards, it might vouch for one that has been
    /// dropped meanwhile, because of the very news that it counts as heard.
    #[inline]
    #[must_use]
    pub fn credit(&self) -> Credit {
        // First: whoever sees the credit after a gap then sees the gap.
        let as_of = self.as_of.load(Ordering::Acquire);
        Credit {
            as_of: Tick::from_nanos(as_of),
            since: Tick::from_nanos(self.since.load(Ordering::Acquire)),
            bound: self.bound,
        }
    }

    /// All that was acknowledged before the question that was asked then has been heard, and applied.
    pub fn vouch_as_of(&self, asked: Tick) {
        self.as_of.fetch_max(asked.as_nanos(), Ordering::AcqRel);
    }

    /// News may have been missed until `now`. What was seen before counts for its own bound, and no longer.
    pub fn note_gap(&self, now: Tick) {
        self.since.fetch_max(now.as_nanos(), Ordering::AcqRel);
    }

    /// When the newest question was asked that has been answered completely.
    #[must_use]
    pub fn as_of(&self) -> Tick {
        self.credit().as_of
    }

    /// The slot of the key with this hash, which nobody else has meanwhile.
    ///
    /// Hold it for the insertion of a copy, and not across an await.
    #[must_use]
    pub fn slot(&self, hash: u64) -> Slot<'_> {
        let slot = &self.slots[hash as usize % SLOTS];
        Slot {
            moments: slot.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// What is vouched for, as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Credit {
    as_of: Tick,
    since: Tick,
    bound: Duration,
}

impl Credit {
    /// The latest moment as of which a copy is known to be current that was seen then.
    #[inline]
    #[must_use]
    pub fn vouched(&self, seen: Tick) -> Tick {
        if seen >= self.since {
            seen.max(self.as_of)
        } else {
            seen
        }
    }

    /// Whether a copy that was seen then may be served now.
    #[inline]
    #[must_use]
    pub fn covers(&self, seen: Tick, now: Tick) -> bool {
        now.since(self.vouched(seen)) <= self.bound
    }
}

/// The keys of one slot: nobody inserts a copy of one of them, and nobody applies news of one, as long as this is held.
#[derive(Debug)]
pub struct Slot<'a> {
    moments: MutexGuard<'a, Moments>,
}

/// What L1 holds of a key, beside what is about to be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// No copy.
    Nothing,
    /// One of the same version of the value.
    Same,
    /// One of another version.
    Other,
}

impl Slot<'_> {
    /// Whether a copy that was seen then may be inserted.
    ///
    /// Not one that news have been applied since. And not one that is of another version than what a reader has been handed
    /// since: which of the two L2 had last cannot be known. One that is older than the bound may: if no news have come since,
    /// and there was no gap, it is current.
    #[must_use]
    pub fn keeps(&self, seen: Tick, held: Held) -> bool {
        let follows = match held {
            Held::Same => true,
            Held::Nothing | Held::Other => seen > self.moments.answered,
        };
        follows && seen > self.moments.news
    }

    /// Whether a reader may have the answer of a read of L2 that began then: no other one has been handed over since, which may
    /// have been newer.
    #[must_use]
    pub fn may_join(&self, began: Tick) -> bool {
        began > self.moments.answered
    }

    /// A key of the slot has been changed elsewhere, which is applied now: its copy is to be dropped after this.
    pub fn note_news(&mut self, now: Tick) {
        self.moments.news = now.max(self.moments.news);
    }

    /// A reader is handed L2's value of a key of the slot now. If it is not kept, a copy of another version is to be dropped.
    pub fn note_answer(&mut self, now: Tick) {
        self.moments.answered = now.max(self.moments.answered);
    }
}

#[cfg(all(test, not(hitbox_schedules)))]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(100);

    fn at(millis: i64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_copy_counts_for_the_bound_after_it_was_seen() {
        let credit = Hearing::new(BOUND, at(0)).credit();
        assert!(credit.covers(at(50), at(150)) && !credit.covers(at(50), at(151)));
        assert!(!credit.covers(Tick::UNKNOWN, at(0)));
    }

    #[test]
    fn an_answer_vouches_as_of_its_question() {
        let hearing = Hearing::new(BOUND, at(0));
        hearing.vouch_as_of(at(200));
        // An older one that comes late takes nothing back.
        hearing.vouch_as_of(at(150));
        assert!(
            hearing.credit().covers(at(50), at(300)) && !hearing.credit().covers(at(50), at(301))
        );
        assert_eq!(hearing.credit().vouched(at(50)), at(200));
        assert_eq!(hearing.credit().vouched(at(250)), at(250));
    }

    #[test]
    fn what_was_seen_before_a_gap_counts_by_that_alone() {
        let hearing = Hearing::new(BOUND, at(0));
        hearing.note_gap(at(120));
        hearing.vouch_as_of(at(500));
        let credit = hearing.credit();
        assert!(!credit.covers(at(119), at(220)) && credit.covers(at(119), at(219)));
        assert!(credit.covers(at(120), at(600)));
    }

    #[test]
    fn what_was_seen_before_news_is_not_kept() {
        let hearing = Hearing::new(BOUND, at(0));
        hearing.slot(1).note_news(at(10));
        assert!(
            !hearing.slot(1).keeps(at(10), Held::Nothing)
                && hearing.slot(1).keeps(at(11), Held::Nothing)
        );
        // Another slot.
        assert!(hearing.slot(2).keeps(at(10), Held::Nothing));
        // The clock that news are applied by does not run back.
        hearing.slot(1).note_news(at(9));
        assert!(!hearing.slot(1).keeps(at(10), Held::Nothing));
    }

    /// Two reads at once have brought two versions.
    #[test]
    fn what_was_seen_before_another_version_was_handed_over_is_not_kept() {
        let hearing = Hearing::new(BOUND, at(0));
        hearing.slot(1).note_answer(at(10));
        for held in [Held::Nothing, Held::Other] {
            assert!(!hearing.slot(1).keeps(at(10), held));
            assert!(hearing.slot(1).keeps(at(11), held));
        }
        assert!(hearing.slot(1).keeps(at(10), Held::Same));
    }
}
