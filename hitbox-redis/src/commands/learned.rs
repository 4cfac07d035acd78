//! What a backend has learned of its servers by being refused.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
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

/// A value that is shorter has no part in it if a server finds its replies too long.
const LARGE: usize = 1 << 10;

/// So many keys are remembered. Of more, some go with others again.
const MOST_ALONE: usize = 4_096;

/// Shared by all connections of a backend.
#[derive(Default)]
pub(crate) struct Learned {
    mget_is_refused: AtomicBool,
    /// `SET` with `IFEQ`.
    ifeq_is_refused: AtomicBool,
    /// `SET` with both `NX` and `GET`, before Redis 7.0.
    nx_get_is_refused: AtomicBool,
    lengths: Mutex<Lengths>,
    /// Whether `lengths` has anything to say.
    some_are_refused: AtomicBool,
    longest_taken: AtomicUsize,
    /// What is read alone, by the hash of the key, and until when.
    alone: Mutex<HashMap<u64, (Share, Instant)>>,
    /// The values of so many keys were too long together, and none by itself; until when that counts.
    too_many: Mutex<Option<(usize, Instant)>>,
    /// Whether `alone` has anything to say.
    some_go_alone: AtomicBool,
    hasher: RandomState,
}

/// How much of what a server sends at a time a read is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// A connection broke under it that it had to itself.
    All,
    /// The value had so many bytes.
    Of(usize),
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

    pub(crate) fn takes_ifeq(&self) -> bool {
        !self.ifeq_is_refused.load(Ordering::Relaxed)
    }

    pub(crate) fn note_ifeq_refused(&self) {
        self.ifeq_is_refused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn takes_nx_get(&self) -> bool {
        !self.nx_get_is_refused.load(Ordering::Relaxed)
    }

    pub(crate) fn note_nx_get_refused(&self) {
        self.nx_get_is_refused.store(true, Ordering::Relaxed);
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

    /// A connection broke under the read of this key, and under no other.
    pub(crate) fn note_breaks(&self, key: &[u8]) {
        self.note_alone(key, Some(Share::All));
    }

    /// This key was read alone, and has a value of this length.
    pub(crate) fn note_read_alone(&self, key: &[u8], length: usize) {
        self.note_alone(key, (length >= LARGE).then_some(Share::Of(length)));
    }

    /// A connection broke under so many keys, whose values are read well by fewer.
    pub(crate) fn note_too_many(&self, keys: usize) {
        let mut too_many = self.too_many.lock().unwrap_or_else(PoisonError::into_inner);
        *too_many = Some((keys, Instant::now() + SUSPICION));
    }

    /// Whether so many keys are not to be read together.
    pub(crate) fn are_too_many(&self, keys: usize) -> bool {
        let mut too_many = self.too_many.lock().unwrap_or_else(PoisonError::into_inner);
        if too_many.is_some_and(|(_, until)| until <= Instant::now()) {
            *too_many = None;
        }
        too_many.is_some_and(|(least, _)| keys >= least)
    }

    fn note_alone(&self, key: &[u8], share: Option<Share>) {
        let (key, now) = (self.hasher.hash_one(key), Instant::now());
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        match (share, alone.get_mut(&key)) {
            (None, _) => _ = alone.remove(&key),
            // It goes with others again at the time that was set.
            (Some(share @ Share::Of(_)), Some((known @ Share::Of(_), _))) => *known = share,
            (Some(share), known) => {
                if known.is_none() && alone.len() >= MOST_ALONE {
                    alone.retain(|_, (_, until)| *until > now);
                    let any = alone.keys().next().copied();
                    any.filter(|_| alone.len() >= MOST_ALONE)
                        .and_then(|any| alone.remove(&any));
                }
                alone.insert(key, (share, now + SUSPICION));
            }
        }
        self.some_go_alone
            .store(!alone.is_empty(), Ordering::Relaxed);
    }

    /// `None` if this key is read with others.
    pub(crate) fn share_of(&self, key: &[u8]) -> Option<Share> {
        if !self.some_go_alone.load(Ordering::Relaxed) {
            return None;
        }
        let key = self.hasher.hash_one(key);
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let (share, until) = alone.get(&key).copied()?;
        if until > Instant::now() {
            return Some(share);
        }
        alone.remove(&key);
        self.some_go_alone
            .store(!alone.is_empty(), Ordering::Relaxed);
        None
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

    #[test]
    fn what_is_read_alone_is_what_broke_a_connection_or_is_large() {
        let learned = Learned::default();
        learned.note_breaks(b"breaks");
        learned.note_read_alone(b"large", 2_000);
        learned.note_read_alone(b"small", 10);
        assert_eq!(learned.share_of(b"breaks"), Some(Share::All));
        assert_eq!(learned.share_of(b"large"), Some(Share::Of(2_000)));
        assert_eq!(learned.share_of(b"small"), None);
        learned.note_read_alone(b"breaks", 10);
        learned.note_read_alone(b"large", 10);
        assert!(!learned.some_go_alone.load(Ordering::Relaxed));
    }

    #[test]
    fn fewer_keys_than_were_too_many_go_together() {
        let learned = Learned::default();
        assert!(!learned.are_too_many(usize::MAX));
        learned.note_too_many(100);
        assert!(learned.are_too_many(100) && !learned.are_too_many(99));
    }

    #[test]
    fn no_more_keys_are_remembered_than_there_is_room_for() {
        let learned = Learned::default();
        for number in 0..2 * MOST_ALONE {
            learned.note_breaks(&number.to_le_bytes());
        }
        let alone = learned.alone.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(alone.len(), MOST_ALONE);
    }
}
