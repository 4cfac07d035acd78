//! The two trees, values and index, kept in step.
//!
//! Every entry of the value tree has exactly one entry in the index, which says when it is to
//! leave. Changes of one key are serialized by a lock, chosen by the key's hash; nothing else
//! changes the trees while the directory is open. sled's transactions would do the same with one
//! lock for the whole database, readers included.
//!
//! sled's log keeps the order of writes, and after a crash what is left of it is a prefix. The
//! index entry goes in before the value and comes out after it, so a crash can leave an index entry
//! without its value (recognised and dropped) but no value without its index entry.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, Utc};
use hitbox_backend::{Rejection, stored_form::Header};
use sled::{Db, IVec, Tree};

use crate::{
    index::{self, Departure, PREFIX_LENGTH},
    statistics::{EvictionCause, Gauges},
};

const VALUES: &str = "values";
const INDEX: &str = "index";

/// Writers of different keys rarely meet on one of this many locks.
const STRIPES: usize = 64;

/// How many index entries a sweep takes at a time: a few milliseconds of work.
pub(crate) const SWEEP_BATCH: usize = 256;

pub(crate) struct Store {
    values: Tree,
    index: Tree,
    db: Db,
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
    max_bytes: u64,
    gauges: Gauges,
    given_up: AtomicBool,
}

impl Store {
    /// The store in `db`, with its counters at zero: [`reconcile`](Self::reconcile) comes next.
    pub(crate) fn new(db: Db, max_bytes: u64) -> sled::Result<Self> {
        Ok(Self {
            values: db.open_tree(VALUES)?,
            index: db.open_tree(INDEX)?,
            db,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
            max_bytes,
            gauges: Gauges::default(),
            given_up: AtomicBool::new(false),
        })
    }

    pub(crate) fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    pub(crate) const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// What an entry counts towards the bound.
    pub(crate) fn cost(stored_key: &[u8], stored_length: usize) -> u64 {
        let cost = stored_length + 2 * stored_key.len() + PREFIX_LENGTH;
        u64::try_from(cost).unwrap_or(u64::MAX)
    }

    pub(crate) fn get(&self, key: &[u8]) -> sled::Result<Option<IVec>> {
        self.check_in_use()?;
        self.values.get(key)
    }

    /// Stores `stored`, which is to leave at `departure`, and then evicts until the bound is kept.
    pub(crate) fn put(
        &self,
        key: &[u8],
        departure: Departure,
        stored: &[u8],
        now: DateTime<Utc>,
    ) -> sled::Result<()> {
        self.changing(|| self.replace(key, departure, stored))?;
        self.evict_to_bound(now)
    }

    fn replace(&self, key: &[u8], departure: Departure, stored: &[u8]) -> sled::Result<()> {
        let _serialized = self.lock(key);
        let index_key = departure.index_key(key);
        self.index.insert(index_key.as_slice(), &[])?;
        let replaced = self.values.insert(key, stored)?;
        self.gauges.entry_added(Self::cost(key, stored.len()));
        if let Some(replaced) = replaced {
            self.gauges.entry_removed(Self::cost(key, replaced.len()));
            self.remove_index_entry(key, &replaced, Some(&index_key))?;
        }
        Ok(())
    }

    /// Removes the entry, and returns when it was to leave, if it was readable.
    pub(crate) fn remove(&self, key: &[u8]) -> sled::Result<Option<Departure>> {
        self.changing(|| {
            let _serialized = self.lock(key);
            let Some(removed) = self.values.remove(key)? else {
                return Ok(None);
            };
            self.gauges.entry_removed(Self::cost(key, removed.len()));
            self.remove_index_entry(key, &removed, None)
        })
    }

    /// Deletes expired entries, up to [`SWEEP_BATCH`] index entries at a time, until none is left
    /// or `go_on` says no. Returns how many entries it deleted.
    pub(crate) fn sweep(
        &self,
        now: DateTime<Utc>,
        mut go_on: impl FnMut() -> bool,
    ) -> sled::Result<u64> {
        self.check_in_use()?;
        let mut deleted = 0;
        while go_on() {
            let due = self.index.range(..index::first_live_at(now).as_slice());
            let batch: Vec<IVec> = due.keys().take(SWEEP_BATCH).collect::<sled::Result<_>>()?;
            for index_key in &batch {
                deleted +=
                    u64::from(self.changing(|| self.evict(index_key, EvictionCause::Expired))?);
            }
            if batch.len() < SWEEP_BATCH {
                break;
            }
        }
        Ok(deleted)
    }

    /// Removes every entry whose stored key begins with `prefix`. Entries written meanwhile may
    /// stay. Returns how many it removed.
    pub(crate) fn clear(&self, prefix: &[u8]) -> sled::Result<u64> {
        self.check_in_use()?;
        let mut removed = 0;
        for key in self.values.scan_prefix(prefix).keys() {
            removed += u64::from(self.remove(&key?)?.is_some());
        }
        Ok(removed)
    }

    pub(crate) fn flush(&self) -> sled::Result<()> {
        self.changing(|| self.db.flush().map(drop))
    }

    pub(crate) fn size_on_disk(&self) -> sled::Result<u64> {
        self.db.size_on_disk()
    }

    /// Counts what is stored, deletes what cannot be read, and gives every entry its index entry
    /// and every index entry its value again. Reads the whole store, so a page that sled cannot
    /// read is found here and not by a caller.
    pub(crate) fn reconcile(&self, now: DateTime<Utc>) -> sled::Result<()> {
        let mut entries = 0;
        for entry in &self.values {
            let (key, stored) = entry?;
            let Ok(departure) = departure_of(&stored) else {
                self.changing(|| self.values.remove(&key))?;
                self.gauges.evicted(EvictionCause::Unreadable);
                continue;
            };
            let index_key = departure.index_key(&key);
            if !self.index.contains_key(&index_key)? {
                self.changing(|| self.index.insert(index_key, &[]))?;
            }
            self.gauges.entry_added(Self::cost(&key, stored.len()));
            entries += 1;
        }
        // Each entry has an index entry now; more of them than that point nowhere.
        if self.index.len() > entries {
            for index_key in self.index.iter().keys() {
                self.drop_if_outdated(&index_key?)?;
            }
        }
        self.evict_to_bound(now)
    }

    /// Copies every entry that is live at `now` into `target`, a fresh store.
    pub(crate) fn copy_live_to(&self, target: &Self, now: DateTime<Utc>) -> sled::Result<()> {
        for entry in &self.values {
            let (key, stored) = entry?;
            if let Ok(departure) = departure_of(&stored)
                && !departure.is_due(now)
            {
                target.put(&key, departure, &stored, now)?;
            }
        }
        target.flush()
    }

    fn evict_to_bound(&self, now: DateTime<Utc>) -> sled::Result<()> {
        let first_live = index::first_live_at(now);
        while self.gauges.live_bytes() > self.max_bytes {
            let Some((index_key, _)) = self.index.first()? else {
                break;
            };
            let cause = if *index_key < first_live[..] {
                EvictionCause::Expired
            } else {
                EvictionCause::Bound
            };
            self.changing(|| self.evict(&index_key, cause))?;
        }
        Ok(())
    }

    /// Deletes the entry that `index_key` stands for, unless the key has been rewritten since:
    /// then only the outdated index entry goes. True if an entry was deleted.
    fn evict(&self, index_key: &[u8], cause: EvictionCause) -> sled::Result<bool> {
        let Some(key) = index::stored_key(index_key) else {
            self.index.remove(index_key)?;
            return Ok(false);
        };
        let _serialized = self.lock(key);
        let mut deleted = false;
        if let Some(stored) = self.values.get(key)? {
            let cause = match departure_of(&stored) {
                Ok(departure) if departure.index_key(key) == index_key => Some(cause),
                Ok(_) => None,
                // Nobody can be served from it, and its own expiry is not known.
                Err(_) => Some(EvictionCause::Unreadable),
            };
            if let Some(cause) = cause {
                self.values.remove(key)?;
                self.gauges.entry_removed(Self::cost(key, stored.len()));
                self.gauges.evicted(cause);
                deleted = true;
            }
        }
        self.index.remove(index_key)?;
        Ok(deleted)
    }

    fn drop_if_outdated(&self, index_key: &[u8]) -> sled::Result<()> {
        let belongs = match index::stored_key(index_key) {
            None => false,
            Some(key) => self.values.get(key)?.is_some_and(|stored| {
                departure_of(&stored).is_ok_and(|departure| departure.index_key(key) == index_key)
            }),
        };
        if !belongs {
            self.changing(|| self.index.remove(index_key))?;
        }
        Ok(())
    }

    /// Removes the index entry of a value that is no longer stored, unless its successor uses the
    /// same one. That of an unreadable value is not known: it is found outdated when its turn comes,
    /// or at the next open.
    fn remove_index_entry(
        &self,
        key: &[u8],
        gone: &[u8],
        in_use: Option<&[u8]>,
    ) -> sled::Result<Option<Departure>> {
        let Ok(departure) = departure_of(gone) else {
            return Ok(None);
        };
        let index_key = departure.index_key(key);
        if in_use != Some(&index_key) {
            self.index.remove(index_key)?;
        }
        Ok(Some(departure))
    }

    /// Does something that writes to sled's log, and gives up on the database if the disk fails.
    ///
    /// A failed write of a large value leaves a hole in sled's log that it waits for ever after, in
    /// a flush and when it is dropped. So nothing is asked of it from then on, and it is not
    /// dropped: its memory, its threads and its lock go with the process.
    fn changing<T>(&self, change: impl FnOnce() -> sled::Result<T>) -> sled::Result<T> {
        self.check_in_use()?;
        let outcome = change();
        if let Err(sled::Error::Io(_)) = &outcome
            && !self.given_up.swap(true, Ordering::AcqRel)
        {
            std::mem::forget(self.db.clone());
        }
        outcome
    }

    fn check_in_use(&self) -> sled::Result<()> {
        if self.given_up.load(Ordering::Acquire) {
            return Err(sled::Error::Io(io::Error::other(
                "the database is out of use since a write to disk failed; once the disk is well, \
                 restart the process",
            )));
        }
        Ok(())
    }

    fn lock(&self, key: &[u8]) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one(key);
        let stripe = usize::try_from(hash % STRIPES as u64).unwrap_or(0);
        // The lock guards no data of its own: a panic under it leaves nothing half-changed that
        // `reconcile` and the sweep do not cope with.
        self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn departure_of(stored: &[u8]) -> Result<Departure, Rejection> {
    Header::parse(stored).map(Departure::from)
}

#[cfg(test)]
mod tests;
