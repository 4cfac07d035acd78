//! The two trees, values and index, and the files of long values, kept in step.
//!
//! Every entry of the value tree has exactly one entry in the index, which says when it is to
//! leave. Changes of one key are serialized by a lock, chosen by the key's hash; nothing else
//! changes the trees while the directory is open. sled's transactions would do the same with one
//! lock for the whole database, readers included. A change that was handed over to another thread
//! does not undo one that began after it and was made first ([`stripes`]).
//!
//! sled's log keeps the order of writes, and after a crash what is left of it is a prefix. The
//! index entry goes in before the value and comes out after it, so a crash can leave an index entry
//! without its value (recognised and dropped) but no value without its index entry. A file is
//! written before the slot that names it, so a crash can leave a file that no slot names (deleted at
//! open). It loses its name when the slot is replaced or removed, which sled may not have written yet:
//! so a crash can leave a slot without its file (dropped at open), but no long value comes back.

pub(crate) mod files;
pub(crate) mod index;
pub(crate) mod slot;

mod disk;
mod reconcile;
mod stripes;

pub(crate) use disk::most_on_disk;
pub(crate) use stripes::Begun;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sled::{Db, IVec, Tree};

use crate::{
    signal::Signal,
    statistics::{EvictionCause, Gauges},
    store::{files::Files, index::EvictionKey, slot::FileRef, stripes::Stripes},
};

const VALUES: &str = "values";
const INDEX: &str = "index";

/// How many index entries a sweep takes at a time: a few milliseconds of work.
pub(crate) const SWEEP_BATCH: usize = 256;

pub(crate) struct Store {
    values: Tree,
    index: Tree,
    db: Db,
    /// The file that sled's log is in.
    log: PathBuf,
    files: Arc<Files>,
    stripes: Arc<Stripes>,
    max_bytes: u64,
    gauges: Gauges,
    given_up: AtomicBool,
    making_room: Mutex<()>,
    inline_writes: AtomicU64,
    signal: Arc<Signal>,
}

/// What is stored under a key.
pub(crate) enum Found {
    Inline(IVec),
    InFile(FileRef),
}

impl Found {
    /// How long the stored form is, or a little less.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Inline(stored) => stored.len() as u64,
            Self::InFile(file) => file.length,
        }
    }
}

impl From<IVec> for Found {
    fn from(slot: IVec) -> Self {
        match slot::file_in(&slot) {
            Some(file) => Self::InFile(file),
            None => Self::Inline(slot),
        }
    }
}

impl Store {
    /// The store in `db`, which is in the directory `data`, and `files`, with its counters at zero:
    /// [`reconcile`](Self::reconcile) comes next.
    pub(crate) fn new(
        db: Db,
        data: &Path,
        files: Arc<Files>,
        max_bytes: u64,
    ) -> sled::Result<Self> {
        Ok(Self {
            values: db.open_tree(VALUES)?,
            index: db.open_tree(INDEX)?,
            db,
            log: data.join("db"),
            files,
            stripes: Arc::default(),
            max_bytes,
            gauges: Gauges::default(),
            given_up: AtomicBool::new(false),
            making_room: Mutex::default(),
            inline_writes: AtomicU64::new(0),
            signal: Arc::default(),
        })
    }

    pub(crate) fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    pub(crate) const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(crate) fn files(&self) -> Arc<Files> {
        Arc::clone(&self.files)
    }

    pub(crate) fn signal(&self) -> Arc<Signal> {
        Arc::clone(&self.signal)
    }

    /// What is stored under `key`, to be [loaded](Self::load).
    pub(crate) fn find(&self, key: &[u8]) -> sled::Result<Option<Found>> {
        self.check_in_use()?;
        let slot = self.values.get(slot::tree_key(key))?;
        Ok(slot.map(Found::from))
    }

    /// The stored form that was found under `key`, or what is there by now.
    pub(crate) fn load(&self, key: &[u8], found: Found) -> sled::Result<Option<Bytes>> {
        let file = match found {
            // Shares sled's buffer: the payload is not copied.
            Found::Inline(stored) => return Ok(Some(Bytes::from_owner(stored))),
            Found::InFile(file) => file,
        };
        match self.files.read(file, key) {
            // Overwritten or removed since it was found. Nothing can be under the lock.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let _unchanged = self.stripes.lock(&slot::tree_key(key));
                match self.find(key)? {
                    None => Ok(None),
                    Some(Found::Inline(stored)) => Ok(Some(Bytes::from_owner(stored))),
                    Some(Found::InFile(file)) => Ok(Some(self.files.read(file, key)?)),
                }
            }
            outcome => Ok(Some(outcome?)),
        }
    }

    /// Begins a [put](Self::put) or a [remove](Self::remove) that is handed over to another thread.
    pub(crate) fn begin(&self, key: &[u8]) -> Begun {
        self.stripes.begin(&slot::tree_key(key))
    }

    /// Stores `stored`, which is to leave in the order of `eviction`, and then evicts until the
    /// bound is kept. Stores nothing if a change of the key that began later has been made.
    pub(crate) fn put(
        &self,
        key: &[u8],
        eviction: EvictionKey,
        stored: &[u8],
        now: DateTime<Utc>,
        begun: Option<&Begun>,
    ) -> sled::Result<()> {
        self.check_in_use()?;
        let tree_key = slot::tree_key(key);
        if slot::is_inline(key, stored.len()) {
            self.changing(|| self.replace(&tree_key, eviction, stored, begun))?;
            self.watch_disk();
        } else {
            let file = self.files.reserve(key, stored);
            self.make_room(now)?;
            self.files.write(file, key, stored)?;
            let slot = file.slot(eviction);
            if !self.changing(|| self.replace(&tree_key, eviction, &slot, begun))? {
                self.files.retire(file);
            }
        }
        self.evict_down_to(self.max_bytes, now)
    }

    /// Whether it was done, and not overtaken.
    fn replace(
        &self,
        tree_key: &[u8],
        eviction: EvictionKey,
        slot: &[u8],
        begun: Option<&Begun>,
    ) -> sled::Result<bool> {
        let Some(turn) = self.stripes.turn(tree_key, begun) else {
            return Ok(false);
        };
        let index_key = eviction.index_key(tree_key);
        self.index.insert(index_key.as_slice(), &[])?;
        let replaced = self.values.insert(tree_key, slot)?;
        self.gauges.entry_added(slot::cost(tree_key, slot));
        if let Some(replaced) = replaced {
            self.entry_gone(tree_key, &replaced);
            self.remove_index_entry(tree_key, &replaced, Some(&index_key))?;
        }
        turn.made();
        Ok(true)
    }

    /// Removes the entry, and returns when it was to leave, if it was readable. Removes nothing if a
    /// change of the key that began later has been made.
    pub(crate) fn remove(
        &self,
        key: &[u8],
        begun: Option<&Begun>,
    ) -> sled::Result<Option<EvictionKey>> {
        self.remove_slot(&slot::tree_key(key), begun)
    }

    fn remove_slot(
        &self,
        tree_key: &[u8],
        begun: Option<&Begun>,
    ) -> sled::Result<Option<EvictionKey>> {
        self.changing(|| {
            let Some(turn) = self.stripes.turn(tree_key, begun) else {
                return Ok(None);
            };
            let removed = self.values.remove(tree_key)?;
            let eviction = match removed {
                None => None,
                Some(removed) => {
                    self.entry_gone(tree_key, &removed);
                    self.remove_index_entry(tree_key, &removed, None)?
                }
            };
            turn.made();
            Ok(eviction)
        })
    }

    /// To be called once `slot` stands in the tree no longer.
    fn entry_gone(&self, tree_key: &[u8], slot: &[u8]) {
        self.gauges.entry_removed(slot::cost(tree_key, slot));
        if let Some(file) = slot::file_in(slot) {
            self.files.retire(file);
        }
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
        let (tree_prefix, is_exact) = slot::tree_prefix(prefix);
        for entry in self.values.scan_prefix(tree_prefix) {
            let (tree_key, slot) = entry?;
            let belongs = is_exact
                || tree_key.starts_with(prefix)
                || match slot::file_in(&slot) {
                    Some(file) => self.has_prefix(file, prefix)?,
                    None => false,
                };
            if belongs {
                removed += u64::from(self.remove_slot(&tree_key, None)?.is_some());
            }
        }
        Ok(removed)
    }

    /// Whether the key in `file` begins with `prefix`. What is gone meanwhile does not.
    fn has_prefix(&self, file: FileRef, prefix: &[u8]) -> sled::Result<bool> {
        match self.files.has_prefix(file, prefix) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            outcome => Ok(outcome?),
        }
    }

    fn evict_down_to(&self, bound: u64, now: DateTime<Utc>) -> sled::Result<()> {
        let first_live = index::first_live_at(now);
        while self.gauges.bytes() > bound {
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
        let Some(tree_key) = index::tree_key_in(index_key) else {
            self.index.remove(index_key)?;
            return Ok(false);
        };
        let _serialized = self.stripes.lock(tree_key);
        let mut deleted = false;
        if let Some(slot) = self.values.get(tree_key)? {
            let cause = match slot::eviction_key_in(&slot) {
                Ok(eviction) if eviction.index_key(tree_key) == index_key => Some(cause),
                Ok(_) => None,
                // Nobody can be served from it, and its own expiry is not known.
                Err(_) => Some(EvictionCause::Unreadable),
            };
            if let Some(cause) = cause {
                self.values.remove(tree_key)?;
                self.entry_gone(tree_key, &slot);
                self.gauges.evicted(cause);
                deleted = true;
            }
        }
        self.index.remove(index_key)?;
        Ok(deleted)
    }

    /// Removes the index entry of a value that is no longer stored, unless its successor uses the
    /// same one. That of an unreadable value is not known: it is found outdated when its turn comes,
    /// or at the next open.
    fn remove_index_entry(
        &self,
        tree_key: &[u8],
        gone: &[u8],
        in_use: Option<&[u8]>,
    ) -> sled::Result<Option<EvictionKey>> {
        let Ok(eviction) = slot::eviction_key_in(gone) else {
            return Ok(None);
        };
        let index_key = eviction.index_key(tree_key);
        if in_use != Some(&index_key) {
            self.index.remove(index_key)?;
        }
        Ok(Some(eviction))
    }

    /// Does something that writes to sled's log, and gives up on the database if the disk fails.
    ///
    /// A failed write may leave a hole in sled's log that it waits for ever after, in a flush and
    /// when it is dropped. So nothing is asked of it from then on, and it is not
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
}

#[cfg(test)]
mod tests;
