//! A backend as the composition sees it that it is a layer of.

use futures::FutureExt;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw, clock::Moment};

use super::CompositionLayer;
use crate::{
    Backend, BackendResult, DeleteStatus, Operation, ReadOutcome, Reading, Writing, log::Health,
};

/// The backend of a layer. All operations of the composition go through here, and what comes of them is
/// noted for the log, whatever the policies make of it.
pub(super) struct Member<B> {
    pub(super) backend: B,
    health: Health,
}

impl<B: Backend> Member<B> {
    pub(super) fn new(layer: CompositionLayer, backend: B) -> Self {
        Self {
            health: Health::new(layer, backend.label()),
            backend,
        }
    }

    pub(super) fn writes_at_once(&self) -> bool {
        self.backend.writes_at_once()
    }

    /// [`Backend::begin_read`]. One that is begun leaves it to the caller to note what comes of it.
    #[inline]
    pub(super) fn begin_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &'a mut BoxContext,
        moment: &Moment,
    ) -> Reading<'a> {
        let reading = self.backend.begin_read(key, context, moment);
        match &reading {
            Reading::Answered(outcome) => self.health.note(Operation::Read, key, outcome),
            Reading::Begun(_) | Reading::NotBegun => {}
        }
        reading
    }

    /// Reads without waiting as far as that goes.
    pub(super) async fn read(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        match self.begin_read(key, context, &Moment::default()) {
            Reading::Answered(outcome) => return outcome,
            Reading::Begun(rest) => {
                let outcome = rest.await;
                self.health.note(Operation::Read, key, &outcome);
                return outcome;
            }
            Reading::NotBegun => {}
        }
        self.read_with(key, context).await
    }

    pub(super) async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let outcome = self.backend.read_with(key, context).await;
        self.health.note(Operation::Read, key, &outcome);
        outcome
    }

    pub(super) fn begin_write<'a>(
        &'a self,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> Writing<'a> {
        let note = |outcome: &_| self.health.note(Operation::Write, key, outcome);
        noted(self.backend.begin_write(key, value), note)
    }

    pub(super) fn begin_refill<'a>(
        &'a self,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> Writing<'a> {
        let note = |outcome: &_| self.health.note_refill(key, outcome);
        noted(self.backend.begin_refill(key, value), note)
    }

    /// Writes without waiting as far as that goes.
    pub(super) async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let value = match self.begin_write(key, value) {
            Writing::Answered(outcome) => return outcome,
            Writing::Begun(rest) => return rest.await,
            Writing::NotBegun(value) => value,
        };
        let outcome = self.backend.write(key, value).await;
        self.health.note(Operation::Write, key, &outcome);
        outcome
    }

    /// Refills without waiting as far as that goes.
    pub(super) async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let value = match self.begin_refill(key, value) {
            Writing::Answered(outcome) => return outcome,
            Writing::Begun(rest) => return rest.await,
            Writing::NotBegun(value) => value,
        };
        let outcome = self.backend.refill(key, value).await;
        self.health.note_refill(key, &outcome);
        outcome
    }

    pub(super) async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let outcome = self.backend.remove(key).await;
        self.health.note(Operation::Remove, key, &outcome);
        outcome
    }

    pub(super) async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let outcomes = self.backend.read_many_with(keys, contexts).await;
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note(Operation::Read, key, outcome);
        }
        outcomes
    }

    pub(super) async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let keys = keys_of(&entries);
        let outcomes = self.backend.write_many(entries).await;
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note(Operation::Write, key, outcome);
        }
        outcomes
    }

    pub(super) async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let keys = keys_of(&entries);
        let outcomes = self.backend.refill_many(entries).await;
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note_refill(key, outcome);
        }
        outcomes
    }

    pub(super) async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let outcomes = self.backend.remove_many(keys).await;
        for (key, outcome) in keys.iter().zip(&outcomes) {
            self.health.note(Operation::Remove, key, outcome);
        }
        outcomes
    }
}

/// For the log: the entries themselves are given away.
fn keys_of(entries: &[(CacheKey, CacheValue<Raw>)]) -> Vec<CacheKey> {
    entries.iter().map(|(key, _)| key.clone()).collect()
}

fn noted<'a>(writing: Writing<'a>, note: impl Fn(&BackendResult<()>) + Send + 'a) -> Writing<'a> {
    match writing {
        Writing::Answered(outcome) => {
            note(&outcome);
            Writing::Answered(outcome)
        }
        Writing::Begun(rest) => Writing::Begun(rest.inspect(note).boxed()),
        Writing::NotBegun(value) => Writing::NotBegun(value),
    }
}
