//! What a load keeps from being forgotten, and what makes values stale.

use std::sync::Arc;

use hitbox_core::{CacheKey, Stamp};

use super::records::Fences;
use crate::Invalidations;

/// A key that is not forgotten until this is dropped.
pub(in crate::composition) struct Pin {
    fences: Arc<Fences>,
    key: CacheKey,
}

impl Pin {
    pub(in crate::composition) fn new(fences: &Arc<Fences>, key: &CacheKey) -> Self {
        {
            let mut shard = fences.shard(key);
            fences.account(|delta| shard.pin(key, delta));
        }
        Self {
            fences: Arc::clone(fences),
            key: key.clone(),
        }
    }

    pub(in crate::composition) fn invalidations(&self) -> Invalidations {
        self.fences.invalidations(&self.key)
    }

    pub(in crate::composition) fn is_of(&self, fences: &Arc<Fences>) -> bool {
        Arc::ptr_eq(&self.fences, fences)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut shard = self.fences.shard(&self.key);
        self.fences.account(|delta| shard.unpin(&self.key, delta));
    }
}

impl Fences {
    /// The newest invalidations of the key that are known, or may have been.
    pub(in crate::composition) fn invalidations(&self, key: &CacheKey) -> Invalidations {
        self.shard(key).invalidations(key)
    }

    /// Makes the values of the key stale that have been created by now.
    pub(in crate::composition) fn expire(&self, key: &CacheKey) {
        let stamp = Stamp::now();
        let ends = self.next_end();
        let mut shard = self.shard(key);
        self.account(|delta| shard.expire(key, stamp, ends, delta));
    }
}
