//! What has been heard of changes made elsewhere, and what that vouches for. No I/O, and no clock of its own.

use std::{sync::PoisonError, time::Duration};

use hitbox_core::{Stamp, clock::Tick};

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
/// use hitbox_backend::coherence::Hearing;
/// use hitbox_core::{Stamp, clock::Tick};
///
/// let at = |millis: i64| Tick::from_nanos(millis * 1_000_000);
/// let hearing = Hearing::new(Duration::from_millis(100), at(0));
/// let version = Stamp::now();
/// // A copy is inserted, of what a read has brought that began at 10 ms.
/// hearing.slot(7).note_answer(version, at(10), at(20));
/// assert!(hearing.slot(7).keeps(version, at(10)));
/// assert!(hearing.credit().covers(at(10), at(110)) && !hearing.credit().covers(at(10), at(111)));
/// // An answer to what was asked at 90 ms has come: there are no news of this key.
/// hearing.vouch_as_of(at(90));
/// assert!(hearing.credit().covers(at(10), at(190)));
/// // Another one has: the key has been changed elsewhere. The copy is dropped, and what was seen before is not kept.
/// hearing.slot(7).note_news(at(120));
/// assert!(!hearing.slot(7).keeps(version, at(119)));
/// assert!(hearing.slot(7).keeps(version, at(121)));
/// ```
#[derive(Debug)]
pub struct Hearing {
    bound: Duration,
    in_silence: Duration,
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
    /// What L2 has answered with last.
    last: Answer,
    /// When it has last answered for another key.
    others: Tick,
    /// When the read began that has brought all answers since; not known if there were several.
    alone: Tick,
}

#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    /// The hash of its key.
    key: u64,
    version: Stamp,
    at: Tick,
}

impl Hearing {
    /// One that has heard nothing, and vouches for copies for as long as `bound` after they were seen. Whatever was changed
    /// after `now` will be heard.
    #[must_use]
    pub fn new(bound: Duration, now: Tick) -> Self {
        Self {
            bound,
            in_silence: bound,
            as_of: AtomicI64::new(Tick::UNKNOWN.as_nanos()),
            since: AtomicI64::new(now.as_nanos()),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The same, which in silence offers copies for as long as this after they were vouched for last: see
    /// [`Credit::offers`].
    #[must_use]
    pub const fn in_silence(mut self, keep: Duration) -> Self {
        self.in_silence = keep;
        self
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
            in_silence: self.in_silence,
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
            key: hash,
        }
    }
}

/// What is vouched for, as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Credit {
    as_of: Tick,
    since: Tick,
    bound: Duration,
    in_silence: Duration,
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

    /// Whether a copy that may not be served as current may be offered as stale: nothing has been heard for longer than the
    /// bound.
    #[must_use]
    pub fn offers(&self, seen: Tick, now: Tick) -> bool {
        now.since(self.as_of) > self.bound && now.since(self.vouched(seen)) <= self.in_silence
    }
}

/// The slot of a key: nobody else inserts a copy of it, and nobody applies news of it, as long as this is held.
#[derive(Debug)]
pub struct Slot<'a> {
    moments: MutexGuard<'a, Moments>,
    /// The hash of the key.
    key: u64,
}

impl Slot<'_> {
    /// Whether a copy of this version that was seen then may be inserted: if no news have been applied since, and L2 has not
    /// answered with another version since it has answered with this one, which is to have been [noted](Self::note_answer). Some
    /// reader may have that already. One that is older than the bound may be inserted, too: if there was no gap, it is current.
    #[must_use]
    pub fn keeps(&self, version: Stamp, seen: Tick) -> bool {
        let Moments {
            news, last, alone, ..
        } = *self.moments;
        let is_last = if last.key == self.key {
            last.version == version
        } else {
            alone == seen
        };
        seen > news && is_last
    }

    /// When L2 has last answered for the key; or for another one of the slot, if nobody knows. Nobody is to join a read that
    /// began before: what it brings may be older.
    #[must_use]
    pub fn answered(&self) -> Tick {
        let Moments { last, others, .. } = *self.moments;
        if last.key == self.key {
            last.at
        } else {
            others
        }
    }

    /// The key has been changed elsewhere, which is applied now: its copy is to be dropped before the slot is given back.
    pub fn note_news(&mut self, now: Tick) {
        self.moments.news = now.max(self.moments.news);
    }

    /// L2 has answered a read that began at `seen` with this version. If that is not kept, a copy of another version is to
    /// be dropped before a reader is handed it.
    ///
    /// If L2 has answered another read with another version since this one began, nobody knows which of the two it had
    /// last: it counts as news, and neither is kept.
    pub fn note_answer(&mut self, version: Stamp, seen: Tick, now: Tick) {
        let answered = self.answered();
        let Moments {
            last,
            others,
            alone,
            ..
        } = &mut *self.moments;
        let is_same = last.key == self.key && last.version == version;
        // A bulk read is answered for all of its keys at a time.
        let is_of_one_bulk = last.key != self.key && *alone == seen && seen > Tick::UNKNOWN;
        let follows = seen > answered || is_same || is_of_one_bulk;
        if *alone != seen {
            *alone = if seen > last.at { seen } else { Tick::UNKNOWN };
        }
        if last.key != self.key {
            *others = last.at.max(*others);
        }
        // This task may have been held up since.
        let at = now.max(last.at);
        *last = Answer {
            key: self.key,
            version,
            at,
        };
        if !follows {
            self.note_news(at);
        }
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
    fn in_silence_a_copy_is_offered_for_longer() {
        let hearing = Hearing::new(BOUND, at(0)).in_silence(Duration::from_millis(500));
        hearing.vouch_as_of(at(50));
        let credit = hearing.credit();
        // Not while something is heard: then it is known to be old.
        assert!(!credit.covers(at(10), at(151)) && credit.offers(at(10), at(151)));
        assert!(credit.offers(at(10), at(550)) && !credit.offers(at(10), at(551)));
        hearing.note_gap(at(200));
        hearing.vouch_as_of(at(210));
        assert!(!hearing.credit().offers(at(10), at(250)));
        let usual = Hearing::new(BOUND, at(0)).credit();
        assert!(!usual.offers(at(10), at(151)));
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
        let version = Stamp::now();
        for slot in [1, 2] {
            hearing.slot(slot).note_answer(version, at(1), at(2));
        }
        let keeps = |slot, seen| hearing.slot(slot).keeps(version, seen);
        hearing.slot(1).note_news(at(10));
        assert!(!keeps(1, at(10)) && keeps(1, at(11)));
        // Another slot.
        assert!(keeps(2, at(10)));
        // The clock that news are applied by does not run back.
        hearing.slot(1).note_news(at(9));
        assert!(!keeps(1, at(10)));
    }

    /// Two reads at once have brought two versions.
    #[test]
    fn of_reads_that_overlap_nothing_is_kept_if_they_differ() {
        let hearing = Hearing::new(BOUND, at(0));
        let [one, two] = [Stamp::now(), Stamp::now()];
        let keeps = |version, seen| hearing.slot(1).keeps(version, seen);
        hearing.slot(1).note_answer(one, at(5), at(10));
        assert!(keeps(one, at(5)));
        // The same version again, by a read that began earlier.
        hearing.slot(1).note_answer(one, at(4), at(11));
        assert!(keeps(one, at(4)));
        hearing.slot(1).note_answer(two, at(6), at(12));
        assert!(!keeps(two, at(6)) && !keeps(two, at(12)) && !keeps(one, at(4)));
        hearing.slot(1).note_answer(two, at(13), at(14));
        assert!(keeps(two, at(13)));
        // A task that was held up when it had its answer, and one whose read began meanwhile.
        hearing.slot(1).note_answer(one, at(5), at(6));
        hearing.slot(1).note_answer(one, at(8), at(15));
        assert!(!keeps(one, at(8)));
    }

    /// Who has it may have been held up since, and a reader been handed what another has brought that began later.
    #[test]
    fn an_answer_that_another_one_has_followed_is_not_kept() {
        let hearing = Hearing::new(BOUND, at(0));
        let [one, two] = [Stamp::now(), Stamp::now()];
        let keeps = |version, seen| hearing.slot(1).keeps(version, seen);
        hearing.slot(1).note_answer(one, at(5), at(10));
        hearing.slot(1).note_answer(two, at(11), at(13));
        assert!(keeps(two, at(11)) && !keeps(one, at(5)));
        // What was said of it is forgotten when there is an answer of another key: nobody knows.
        let other = 1 + SLOTS as u64;
        hearing.slot(other).note_answer(one, at(5), at(14));
        assert!(!keeps(one, at(5)) && !keeps(two, at(11)));
        hearing.slot(1).note_answer(two, at(15), at(16));
        assert!(keeps(two, at(15)));
    }

    #[test]
    fn an_answer_is_remembered_by_its_key_or_by_its_slot() {
        let hearing = Hearing::new(BOUND, at(0));
        hearing.slot(1).note_answer(Stamp::now(), at(5), at(10));
        assert_eq!(hearing.slot(1).answered(), at(10));
        // Of a key that shares the slot nothing was said yet.
        let other = 1 + SLOTS as u64;
        assert_eq!(hearing.slot(other).answered(), Tick::UNKNOWN);
        hearing
            .slot(other)
            .note_answer(Stamp::now(), at(20), at(21));
        // What was said of the first one is forgotten, but for the moment.
        assert_eq!(hearing.slot(1).answered(), at(10));
    }

    /// As many as share the slot.
    #[test]
    fn keys_that_a_bulk_read_answers_together_are_kept() {
        let hearing = Hearing::new(BOUND, at(0));
        let version = Stamp::now();
        let keys = || (0..3).map(|number| 1 + number * SLOTS as u64);
        for key in keys() {
            hearing.slot(key).note_answer(version, at(5), at(10));
            assert!(hearing.slot(key).keeps(version, at(5)), "{key}");
        }
        for key in keys() {
            assert!(hearing.slot(key).keeps(version, at(5)), "{key}");
        }
        // Not if one of them was asked for by itself meanwhile.
        hearing.slot(1).note_answer(Stamp::now(), at(11), at(12));
        assert!(keys().all(|key| !hearing.slot(key).keeps(version, at(5))));
    }

    /// As docs/bounds.md says. A lock is larger elsewhere.
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    #[test]
    fn a_slot_has_56_bytes() {
        assert_eq!((size_of::<Mutex<Moments>>(), SLOTS), (56, 1_024));
    }
}
