//! What is done to a store as a whole while nothing else uses it.

use chrono::{DateTime, Utc};

use super::Store;
use crate::{
    statistics::EvictionCause,
    store::{
        files::Unclaimed,
        index,
        slot::{self, file_in},
    },
};

impl Store {
    /// Counts what is stored, deletes what cannot be read, and gives every entry its index entry
    /// and every index entry its value again. Of `unclaimed` stays what a slot names. Reads the
    /// whole store but for the content of its files, so a page that sled cannot read is found here
    /// and not by a caller.
    pub(crate) fn reconcile(
        &self,
        mut unclaimed: Unclaimed,
        now: DateTime<Utc>,
    ) -> sled::Result<()> {
        let mut entries = 0;
        let mut dropped = 0_u64;
        for entry in &self.values {
            let (tree_key, slot) = entry?;
            let is_whole = file_in(&slot).is_none_or(|file| self.files.claim(file, &mut unclaimed));
            let eviction = match slot::eviction_key_in(&slot) {
                Ok(eviction) if is_whole => eviction,
                Ok(_) | Err(_) => {
                    self.changing(|| self.values.remove(&tree_key))?;
                    self.gauges.evicted(EvictionCause::Unreadable);
                    dropped += 1;
                    continue;
                }
            };
            let index_key = eviction.index_key(&tree_key);
            if !self.index.contains_key(&index_key)? {
                self.changing(|| self.index.insert(index_key, &[]))?;
            }
            self.gauges.entry_added(slot::cost(&tree_key, &slot));
            entries += 1;
        }
        if dropped > 0 {
            tracing::info!(
                dropped,
                "entries that a crash or damage left without their values were dropped"
            );
        }
        self.files.delete_unclaimed(unclaimed);
        // Each entry has an index entry now; more of them than that point nowhere.
        if self.index.len() > entries {
            for index_key in self.index.iter().keys() {
                self.drop_if_outdated(&index_key?)?;
            }
        }
        self.evict_down_to(self.max_bytes, now)?;
        self.make_room(now)
    }

    fn drop_if_outdated(&self, index_key: &[u8]) -> sled::Result<()> {
        let belongs = match index::tree_key_in(index_key) {
            None => false,
            Some(tree_key) => self.values.get(tree_key)?.is_some_and(|slot| {
                slot::eviction_key_in(&slot)
                    .is_ok_and(|eviction| eviction.index_key(tree_key) == index_key)
            }),
        };
        if !belongs {
            self.changing(|| self.index.remove(index_key))?;
        }
        Ok(())
    }

    /// Copies every entry that is live at `now` into `target`, a fresh store over the same files.
    pub(crate) fn copy_live_to(&self, target: &Self, now: DateTime<Utc>) -> sled::Result<()> {
        for entry in &self.values {
            let (tree_key, slot) = entry?;
            let Ok(eviction) = slot::eviction_key_in(&slot) else {
                continue;
            };
            if eviction.is_expired(now) {
                continue;
            }
            if file_in(&slot).is_some() {
                target.changing(|| target.replace(&tree_key, eviction, &slot, None))?;
            } else {
                // An earlier version kept values of any length in the tree, by their whole key.
                target.put(&tree_key, eviction, &slot, now, None)?;
            }
        }
        target.flush()
    }
}
