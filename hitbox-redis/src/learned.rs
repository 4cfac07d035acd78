//! What a backend has learned of its servers by being refused.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// No server can be told to take only shorter strings.
pub(crate) const ALWAYS_TAKEN: usize = 1 << 20;

/// What is only suspected is tried again after this.
const SUSPICION: Duration = Duration::from_secs(60);

/// Shared by all connections of a backend.
#[derive(Default)]
pub(crate) struct Learned {
    mget_is_refused: AtomicBool,
    lengths: Mutex<Lengths>,
    /// Whether `lengths` has anything to say.
    some_are_refused: AtomicBool,
    longest_taken: AtomicUsize,
}

#[derive(Default)]
struct Lengths {
    /// The server has said so.
    refused: Option<usize>,
    /// This connection broke under it.
    suspected: Option<Suspected>,
    /// Another one did, too: not sent until then.
    avoided: Option<(usize, Instant)>,
}

#[derive(Clone, Copy)]
struct Suspected {
    length: usize,
    connection: u64,
}

impl Learned {
    pub(crate) fn takes_mget(&self) -> bool {
        !self.mget_is_refused.load(Ordering::Relaxed)
    }

    pub(crate) fn note_mget_refused(&self) {
        self.mget_is_refused.store(true, Ordering::Relaxed);
    }

    /// The server has said that this is too long.
    pub(crate) fn note_refused(&self, length: usize) {
        self.with(|lengths| {
            let least = lengths.refused.map_or(length, |known| known.min(length));
            lengths.refused = Some(least);
        });
    }

    /// A connection broke under a string of this length. Once may be chance, however many strings were on
    /// their way.
    pub(crate) fn note_broken(&self, length: usize, connection: u64) {
        let broken = Suspected { length, connection };
        self.with(|lengths| match lengths.suspected {
            Some(before) if before.length > length => lengths.suspected = Some(broken),
            Some(before) if before.connection == connection => {}
            Some(before) => lengths.avoided = Some((before.length, Instant::now() + SUSPICION)),
            None => lengths.suspected = Some(broken),
        });
    }

    /// The server has taken one of this length.
    pub(crate) fn note_taken(&self, length: usize) {
        if length < ALWAYS_TAKEN || length <= self.longest_taken.load(Ordering::Relaxed) {
            return;
        }
        self.longest_taken.fetch_max(length, Ordering::Relaxed);
        self.with(|lengths| {
            if lengths
                .suspected
                .is_some_and(|suspected| suspected.length <= length)
            {
                lengths.suspected = None;
            }
        });
    }

    /// Whether a break may well be due to a string of this length.
    pub(crate) fn may_be_too_long(&self, length: usize) -> bool {
        length >= ALWAYS_TAKEN && length > self.longest_taken.load(Ordering::Relaxed)
    }

    /// Strings of this length or more are not to be sent.
    pub(crate) fn too_long(&self) -> usize {
        if !self.some_are_refused.load(Ordering::Relaxed) {
            return usize::MAX;
        }
        let now = Instant::now();
        self.with(|lengths| {
            if lengths.avoided.is_some_and(|(_, until)| until <= now) {
                (lengths.avoided, lengths.suspected) = (None, None);
            }
            let avoided = lengths.avoided.map(|(length, _)| length);
            let least = lengths.refused.into_iter().chain(avoided).min();
            least.unwrap_or(usize::MAX)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Lengths) -> T) -> T {
        let mut lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut lengths);
        let any = lengths.refused.is_some() || lengths.avoided.is_some();
        self.some_are_refused.store(any, Ordering::Relaxed);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn what_the_server_refused_is_not_sent_again() {
        let learned = Learned::default();
        assert_eq!(learned.too_long(), usize::MAX);
        learned.note_refused(3 * MIB);
        learned.note_refused(2 * MIB);
        learned.note_refused(4 * MIB);
        assert_eq!(learned.too_long(), 2 * MIB);
    }

    #[test]
    fn two_breaks_are_a_suspicion_and_one_is_not() {
        let learned = Learned::default();
        learned.note_broken(2 * MIB, 0);
        learned.note_broken(2 * MIB, 0);
        assert_eq!(learned.too_long(), usize::MAX, "it was one connection");
        learned.note_broken(3 * MIB, 1);
        assert_eq!(learned.too_long(), 2 * MIB);
    }

    #[test]
    fn what_was_taken_is_not_suspected() {
        let learned = Learned::default();
        assert!(learned.may_be_too_long(2 * MIB) && !learned.may_be_too_long(MIB - 1));
        learned.note_broken(2 * MIB, 0);
        learned.note_taken(2 * MIB);
        assert!(!learned.may_be_too_long(2 * MIB) && learned.may_be_too_long(2 * MIB + 1));
        learned.note_broken(3 * MIB, 1);
        assert_eq!(learned.too_long(), usize::MAX);
    }
}
