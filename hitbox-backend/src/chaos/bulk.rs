//! Bulk calls. Where no key meets a fault, the backend within gets the call as it is; otherwise its
//! keys are dealt with one after the other.

use hitbox_core::{BoxContext, CacheKey};

use super::{ChaosBackend, entries::Entries, target::Target};
use crate::{
    Backend, BackendErrorKind, BackendResult, Conditional, DeleteStatus, Operation, ReadOutcome,
    note_outcome, outcome::is_made,
};

impl<B: Backend> ChaosBackend<B> {
    pub(super) async fn read_bulk(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let bulk = self.shared.draw_many(Target::Reads, keys.iter());
        let mut scratch = BoxContext::default();
        if bulk.is_undisturbed() {
            self.carry_out_due().await;
            let mut outcomes = self.inner.read_many_with(keys, contexts).await;
            for (index, (key, outcome)) in keys.iter().zip(&mut outcomes).enumerate() {
                let context = contexts.get_mut(index).unwrap_or(&mut scratch);
                let found = std::mem::replace(outcome, Ok(None));
                *outcome = self.as_stored(key, context, found);
            }
            self.end_calls(keys).await;
            return outcomes;
        }
        let mut outcomes = Vec::with_capacity(keys.len());
        for (index, (key, drawn)) in keys.iter().zip(bulk.drawn).enumerate() {
            let context = contexts.get_mut(index).unwrap_or(&mut scratch);
            outcomes.push(self.read_drawn(key, context, drawn).await);
        }
        if bulk.breaks_off {
            outcomes = self.broken_off(keys.len(), Operation::Read);
            for (context, outcome) in contexts.iter_mut().zip(&outcomes) {
                note_outcome(context, outcome, || self.label());
            }
        }
        outcomes
    }

    pub(super) async fn put_bulk(&self, entries: Entries) -> Vec<BackendResult<Conditional>> {
        let keys = entries.keys();
        let bulk = self.shared.draw_many(Target::Writes, keys.iter());
        if bulk.is_undisturbed() {
            self.carry_out_due().await;
            let outcomes = entries.put_whole(&self.inner).await;
            self.note_whole(&keys, &outcomes);
            self.end_calls(&keys).await;
            return outcomes;
        }
        let mut outcomes = Vec::with_capacity(keys.len());
        for ((key, value, put), drawn) in entries.singles().into_iter().zip(bulk.drawn) {
            outcomes.push(self.put_drawn(&key, put, value, drawn).await);
        }
        if bulk.breaks_off {
            outcomes = self.broken_off(keys.len(), Operation::Write);
        }
        outcomes
    }

    pub(super) async fn remove_bulk(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let bulk = self.shared.draw_many(Target::Removes, keys.iter());
        if bulk.is_undisturbed() {
            self.carry_out_due().await;
            let outcomes = self.inner.remove_many(keys).await;
            self.note_whole(keys, &outcomes);
            self.end_calls(keys).await;
            return outcomes;
        }
        let mut outcomes = Vec::with_capacity(keys.len());
        for (key, drawn) in keys.iter().zip(bulk.drawn) {
            outcomes.push(self.remove_drawn(key, drawn).await);
        }
        if bulk.breaks_off {
            outcomes = self.broken_off(keys.len(), Operation::Remove);
        }
        outcomes
    }

    /// Nothing is damaged any more where a write or remove has succeeded.
    fn note_whole<T>(&self, keys: &[CacheKey], outcomes: &[BackendResult<T>]) {
        for (key, _outcome) in keys
            .iter()
            .zip(outcomes)
            .filter(|(_, outcome)| is_made(outcome))
        {
            self.shared.note_stored(key, None);
        }
    }

    async fn end_calls(&self, keys: &[CacheKey]) {
        for key in keys {
            self.end_call(key).await;
        }
    }

    fn broken_off<T>(&self, keys: usize, operation: Operation) -> Vec<BackendResult<T>> {
        (0..keys)
            .map(|_key| Err(self.error(BackendErrorKind::Unavailable, operation)))
            .collect()
    }
}
