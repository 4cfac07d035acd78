//! Bulk calls. Where no key meets a fault, the backend within gets the call as it is; otherwise its
//! keys are dealt with one after the other.

use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};

use super::{ChaosBackend, calls::written, late::Put, target::Target};
use crate::{
    Backend, BackendErrorKind, BackendResult, Condition, Conditional, DeleteStatus, Operation,
    ReadOutcome, note_outcome, outcome::is_made,
};

/// What a bulk call stores, by the way in which it does.
pub(super) enum Entries {
    Written(Vec<(CacheKey, CacheValue<Raw>)>),
    Refilled(Vec<(CacheKey, CacheValue<Raw>)>),
    Conditional(Vec<(CacheKey, CacheValue<Raw>, Condition)>),
}

impl Entries {
    fn keys(&self) -> Vec<CacheKey> {
        match self {
            Self::Written(entries) | Self::Refilled(entries) => {
                entries.iter().map(|(key, _)| key.clone()).collect()
            }
            Self::Conditional(entries) => entries.iter().map(|(key, ..)| key.clone()).collect(),
        }
    }

    /// Stores them by one call.
    async fn put_whole<B: Backend>(self, backend: &B) -> Vec<BackendResult<Conditional>> {
        let outcomes = match self {
            Self::Written(entries) => backend.write_many(entries).await,
            Self::Refilled(entries) => backend.refill_many(entries).await,
            Self::Conditional(entries) => return backend.write_many_if(entries).await,
        };
        let outcomes = outcomes.into_iter();
        outcomes.map(|outcome| outcome.map(written)).collect()
    }

    fn singles(self) -> Vec<(CacheKey, CacheValue<Raw>, Put)> {
        let all = |entries: Vec<(CacheKey, CacheValue<Raw>)>, put: Put| {
            let entries = entries.into_iter();
            let singles = entries.map(|(key, value)| (key, value, put.clone()));
            singles.collect()
        };
        match self {
            Self::Written(entries) => all(entries, Put::Write),
            Self::Refilled(entries) => all(entries, Put::Refill),
            Self::Conditional(entries) => entries
                .into_iter()
                .map(|(key, value, condition)| (key, value, Put::If(condition)))
                .collect(),
        }
    }
}

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
