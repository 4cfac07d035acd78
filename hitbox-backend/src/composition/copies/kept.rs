//! What is kept in L1, and what is dropped from it.

use futures::FutureExt;
use hitbox_core::{
    BoxContext, CacheKey, CacheValue, Raw, Stamp,
    clock::{Moment, Tick},
};

use super::shared::{Shared, hash};
use crate::{Attempt, Backend, BackendResult, object::with_bytes};

/// L1, and the keys as it has them.
pub(in crate::composition) struct Copies<'a, B> {
    pub(in crate::composition) shared: &'a Shared,
    pub(in crate::composition) l1: &'a B,
    pub(in crate::composition) key: &'a CacheKey,
    /// As L1 has it.
    pub(in crate::composition) own: &'a CacheKey,
}

impl<B: Backend> Copies<'_, B> {
    /// Keeps what has been written here, if no news have come of the key since that began.
    pub(in crate::composition) fn write(&self, value: CacheValue<Raw>) -> BackendResult<()> {
        let mut slot = self.shared.hearing.slot(hash(self.key));
        // Readers may have it from now on, as if L2 had answered with it.
        slot.note_answer(value.created(), value.seen(), Tick::now());
        self.insert(slot.keeps(value.created(), value.seen()), value)
    }

    /// Keeps a copy of what L2 has answered, if no news have come of the key since it was asked, and no other answer since.
    pub(in crate::composition) fn refill(&self, value: CacheValue<Raw>) -> BackendResult<()> {
        let value = with_bytes(self.l1, value)?;
        let slot = self.shared.hearing.slot(hash(self.key));
        self.insert(slot.keeps(value.created(), value.seen()), value)
    }

    /// Under the slot of the key.
    fn insert(&self, keep: bool, value: CacheValue<Raw>) -> BackendResult<()> {
        let version = value.created();
        if keep && let Attempt::Ready(outcome) = self.l1.try_write(self.own, value) {
            return outcome;
        }
        self.shared.counts.refused.add(1);
        self.drop_other_than(Some(version));
        Ok(())
    }

    /// Drops a copy of another version than a reader is about to be handed: he must not be answered with that afterwards.
    pub(in crate::composition) fn drop_other(&self, version: Stamp) {
        let _slot = self.shared.hearing.slot(hash(self.key));
        self.drop_other_than(Some(version));
    }

    /// Applies the news that the key has been changed, to `version` if that was done here.
    pub(in crate::composition) fn hear(&self, version: Option<Stamp>) {
        let mut slot = self.shared.hearing.slot(hash(self.key));
        slot.note_news(Tick::now());
        self.drop_other_than(version);
    }

    /// Under the slot of the key.
    fn drop_other_than(&self, version: Option<Stamp>) {
        let attempt = self
            .l1
            .try_read(self.own, &mut BoxContext::default(), &Moment::default());
        let is_other = match attempt {
            Attempt::Ready(Ok(None)) => false,
            Attempt::Ready(Ok(Some(copy))) => Some(copy.created()) != version,
            Attempt::Ready(Err(_)) | Attempt::Pending(_) | Attempt::WouldBlock(()) => true,
        };
        if is_other && self.l1.remove(self.own).now_or_never().is_none() {
            // It has not been removed at once, and may be served for the bound after it was seen, but no longer.
            self.shared.hearing.note_gap(Tick::now());
        }
    }
}
