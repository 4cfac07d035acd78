//! What the store takes on disk, and the bound on it.

use std::{
    fs,
    sync::{PoisonError, atomic::Ordering},
};

use chrono::{DateTime, Utc};

use super::Store;

/// What may be on disk for each byte of `max_bytes`, and besides.
const FACTOR: u64 = 3;
const BESIDES: u64 = 64 << 20;

/// How far below the bound room is made, for what sled writes until it is.
const RESERVE: u64 = 16 << 20;

/// How much of what is not needed may wait to be deleted, as a share of `max_bytes` and at least.
/// What is deleted soon has never been written to the disk.
const UNNEEDED_SHARE: u64 = 8;
const LEAST_UNNEEDED: u64 = 8 << 20;

/// The log grows so little in this many writes that they need not look at it.
const WATCHED_EVERY: u64 = 64;

/// The most that a store with this `max_bytes` takes on disk.
pub(crate) const fn most_on_disk(max_bytes: u64) -> u64 {
    max_bytes.saturating_mul(FACTOR).saturating_add(BESIDES)
}

impl Store {
    /// Writes everything to disk.
    pub(crate) fn flush(&self) -> sled::Result<()> {
        self.check_in_use()?;
        self.files.sync()?;
        self.changing(|| self.db.flush())?;
        self.collect();
        Ok(())
    }

    /// Deletes the files that no slot names any more.
    pub(crate) fn collect(&self) {
        self.files.delete_retired(self.files.take_retired());
    }

    /// What is on disk of the store, older files of sled's included.
    pub(crate) fn size_on_disk(&self) -> sled::Result<u64> {
        Ok(self.db.size_on_disk()?.saturating_add(self.files.on_disk()))
    }

    /// After a short write: has the store's thread make room if sled's log has grown too long.
    pub(super) fn watch_disk(&self) {
        let writes = self.inline_writes.fetch_add(1, Ordering::Relaxed);
        if writes.is_multiple_of(WATCHED_EVERY) && !self.has_room() {
            self.signal.ask_for_room();
        }
    }

    /// Deletes what is not needed, and then evicts, until the bound on what is on disk is kept.
    ///
    /// sled's log rarely gets shorter, but what is evicted makes room in it: it stops growing.
    pub(crate) fn make_room(&self, now: DateTime<Utc>) -> sled::Result<()> {
        let unneeded = (self.max_bytes / UNNEEDED_SHARE).max(LEAST_UNNEEDED);
        if self.has_room() && self.files.retired_bytes() <= unneeded {
            return Ok(());
        }
        let _one_at_a_time = self
            .making_room
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.collect();
        while !self.has_room() && self.gauges.bytes() > 0 {
            let live = self.gauges.bytes();
            self.evict_down_to(live - live.div_ceil(8), now)?;
            self.collect();
            if self.log_length() > self.limit() {
                // No eviction changes that before more is written.
                break;
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.log_length().saturating_add(self.files.on_disk()) <= self.limit()
    }

    const fn limit(&self) -> u64 {
        most_on_disk(self.max_bytes) - RESERVE
    }

    /// Zero if the system does not say: then the bound on live bytes has to do.
    fn log_length(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |log| log.len())
    }
}
