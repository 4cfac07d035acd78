//! Copies of L1 and news of them: no order of threads has a copy served that was replaced longer ago than the bound.
//!
//! A key is changed elsewhere at 5 ms. Its copy was seen at 1 ms, and is looked for at 100 ms, with a bound of 50. So it may be
//! served only if something vouches for it as of 50 ms or later, which nothing may do: a question was asked at 90 ms, in whose
//! answer the change is.

use std::{sync::Arc, time::Duration};

use exploration::{Extent, explore, thread};
use hitbox_core::{Stamp, clock::Tick};
use loom::sync::Mutex;

use crate::coherence::Hearing;

const KEY: u64 = 1;
const BOUND: Duration = Duration::from_millis(50);

fn at(millis: i64) -> Tick {
    Tick::from_nanos(millis * 1_000_000)
}

/// An L1 of one key: when its copy was seen.
struct First {
    hearing: Hearing,
    copy: Mutex<Option<Tick>>,
}

impl First {
    fn new(copy: Option<Tick>) -> Arc<Self> {
        Arc::new(Self {
            hearing: Hearing::new(BOUND, at(0)),
            copy: Mutex::new(copy),
        })
    }

    fn copy(&self) -> Option<Tick> {
        *self.copy.lock().unwrap()
    }

    /// Looks for the copy at 100 ms: when that was seen which is served.
    fn get(&self) -> Option<Tick> {
        let credit = self.hearing.credit();
        self.copy().filter(|seen| credit.covers(*seen, at(100)))
    }

    /// Copies what a read has brought that began then.
    fn insert(&self, seen: Tick) {
        let mut slot = self.hearing.slot(KEY);
        slot.note_answer(Stamp::ZERO, seen, at(99));
        if slot.keeps(Stamp::ZERO, seen) {
            *self.copy.lock().unwrap() = Some(seen);
        }
    }

    /// L2 has answered a read that began at `seen`.
    fn note(&self, version: Stamp, seen: Tick, now: Tick) {
        self.hearing.slot(KEY).note_answer(version, seen, now);
    }

    /// Copies an answer that was noted.
    fn insert_noted(&self, version: Stamp, seen: Tick) {
        let slot = self.hearing.slot(KEY);
        let kept = slot.keeps(version, seen).then_some(seen);
        *self.copy.lock().unwrap() = kept;
    }

    /// The answer to what was asked at 90 ms: the key has been changed.
    fn hear(&self) {
        let mut slot = self.hearing.slot(KEY);
        slot.note_news(at(98));
        *self.copy.lock().unwrap() = None;
        drop(slot);
        self.hearing.vouch_as_of(at(90));
    }
}

#[test]
fn a_copy_that_news_have_dropped_is_not_vouched_for_by_them() {
    explore("a hit while news are applied", Extent::All, |_| {
        let first = First::new(Some(at(1)));
        let listener = Arc::clone(&first);
        let listening = thread(move || listener.hear());
        assert_eq!(first.get(), None);
        listening.join().unwrap();
        assert_eq!(first.copy(), None);
    });
}

#[test]
fn what_was_seen_before_news_is_not_inserted_after_them() {
    explore(
        "an insertion and a hit while news are applied",
        Extent::All,
        |_| {
            let first = First::new(None);
            let (listener, filler) = (Arc::clone(&first), Arc::clone(&first));
            let listening = thread(move || listener.hear());
            let filling = thread(move || filler.insert(at(1)));
            assert_eq!(first.get(), None);
            listening.join().unwrap();
            filling.join().unwrap();
            assert_eq!(first.get(), None);
        },
    );
}

/// The change was in what has been missed.
#[test]
fn what_was_seen_before_a_gap_is_not_vouched_for_after_it() {
    explore("a hit while there is a gap", Extent::All, |_| {
        let first = First::new(Some(at(1)));
        let listener = Arc::clone(&first);
        let listening = thread(move || {
            listener.hearing.note_gap(at(60));
            listener.hearing.vouch_as_of(at(90));
        });
        assert_eq!(first.get(), None);
        listening.join().unwrap();
        assert_eq!(first.get(), None);
    });
}

/// One task has an older version, the other a newer one, whose read may have begun after the first one was answered.
#[test]
fn what_a_reader_was_handed_is_not_replaced_by_an_answer_from_before() {
    explore("two answers", Extent::All, |_| {
        let [one, two] = [Stamp::now(), Stamp::now()];
        let first = First::new(None);
        let held_up = Arc::clone(&first);
        let reading = thread(move || {
            held_up.note(one, at(1), at(10));
            held_up.insert_noted(one, at(1));
        });
        let began = match first.hearing.slot(KEY).answered() {
            Tick::UNKNOWN => at(2),
            _ => at(11),
        };
        first.note(two, began, at(12));
        first.insert_noted(two, began);
        assert_ne!(first.copy(), Some(at(1)));
        reading.join().unwrap();
        assert_ne!(first.copy(), Some(at(1)));
    });
}
