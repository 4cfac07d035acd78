use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use hitbox_backend::{
    Attempt, Backend, BackendError, BackendResult, Begun, CacheKeyFormat, Capabilities,
    CompositionLayer, Condition, Conditional, DeleteStatus, Fencing, Format, Invalidations,
    Leftovers, Operation, ReadAttempt, ReadOutcome, Rejection, WriteAttempt,
    coherence::Announces,
    compression::Compressor,
    conformance::{Faults, FaultyBackend},
    tags::SharedTags,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, CompressorId, FormatId, Raw, clock::Moment,
};

/// A layer as the composition under test gets it: with scripted faults, a journal of the bulk
/// operations it was asked for, and errors that say which layer they come from even when both are
/// of one kind.
pub(super) struct WatchedLayer<B> {
    faulty: FaultyBackend<B>,
    side: CompositionLayer,
    bulk: BulkForm,
    journal: Journal,
}

/// How a layer carries out a bulk operation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum BulkForm {
    /// As the adapter does it, whatever the script of faults says.
    #[default]
    Whole,
    /// One key after the other, so that a script can make some of them fail.
    KeyByKey,
}

/// A bulk operation that a layer was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BulkCall {
    pub(super) operation: Operation,
    pub(super) keys: Vec<CacheKey>,
}

/// The bulk operations of a layer, in order. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Journal(Arc<Mutex<Vec<BulkCall>>>);

impl Journal {
    /// What has been noted since the last call of this.
    pub(super) fn take(&self) -> Vec<BulkCall> {
        mem::take(&mut *self.calls())
    }

    fn note(&self, operation: Operation, keys: Vec<CacheKey>) {
        self.calls().push(BulkCall { operation, keys });
    }

    fn calls(&self) -> MutexGuard<'_, Vec<BulkCall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Backend> WatchedLayer<B> {
    pub(super) fn new(
        backend: B,
        side: CompositionLayer,
        bulk: BulkForm,
    ) -> (Self, Faults, Journal) {
        let (faulty, faults) = FaultyBackend::new(backend);
        let journal = Journal::default();
        let layer = Self {
            faulty,
            side,
            bulk,
            journal: journal.clone(),
        };
        (layer, faults, journal)
    }

    fn signed<T>(&self, outcome: BackendResult<T>) -> BackendResult<T> {
        outcome.map_err(|error| sign(error, self.side))
    }

    fn signed_attempt<'a>(&'a self, attempt: WriteAttempt<'a>) -> WriteAttempt<'a> {
        match attempt {
            Attempt::Ready(outcome) => Attempt::Ready(self.signed(outcome)),
            Attempt::Pending(rest) => {
                Attempt::Pending(Box::pin(async move { self.signed(rest.await) }))
            }
            Attempt::WouldBlock(value) => Attempt::WouldBlock(value),
        }
    }

    fn all_signed<T>(&self, outcomes: Vec<BackendResult<T>>) -> Vec<BackendResult<T>> {
        outcomes.into_iter().map(|one| self.signed(one)).collect()
    }
}

fn sign(error: BackendError, side: CompositionLayer) -> BackendError {
    let detail = format!("{}, {error}", signature(side));
    error.with_detail(detail)
}

/// What the text of an error holds that comes from this layer.
pub(super) const fn signature(side: CompositionLayer) -> &'static str {
    match side {
        CompositionLayer::L1 => "seen in L1",
        CompositionLayer::L2 => "seen in L2",
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the inner backend overrides"
)]
#[async_trait]
impl<B: Backend> Backend for WatchedLayer<B> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.signed(self.faulty.read(key).await)
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.signed(self.faulty.write(key, value).await)
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.signed(self.faulty.refill(key, value).await)
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.signed(self.faulty.remove(key).await)
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        self.signed(self.faulty.read_with(key, context).await)
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        match self.faulty.try_read(key, context, moment) {
            Attempt::Ready(outcome) => Attempt::Ready(self.signed(outcome)),
            Attempt::Pending(_) | Attempt::WouldBlock(()) => Attempt::WouldBlock(()),
        }
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.signed_attempt(self.faulty.try_write(key, value))
    }

    fn try_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.signed_attempt(self.faulty.try_refill(key, value))
    }

    fn is_non_blocking(&self) -> bool {
        self.faulty.is_non_blocking()
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.read_many_with(keys, &mut []).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        self.journal.note(Operation::Read, keys.to_vec());
        let outcomes = match self.bulk {
            BulkForm::Whole => self.faulty.get_ref().read_many_with(keys, contexts).await,
            BulkForm::KeyByKey => self.faulty.read_many_with(keys, contexts).await,
        };
        self.all_signed(outcomes)
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let keys = entries.iter().map(|(key, _)| key.clone()).collect();
        self.journal.note(Operation::Write, keys);
        let outcomes = match self.bulk {
            BulkForm::Whole => self.faulty.get_ref().write_many(entries).await,
            BulkForm::KeyByKey => self.faulty.write_many(entries).await,
        };
        self.all_signed(outcomes)
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let keys = entries.iter().map(|(key, _)| key.clone()).collect();
        self.journal.note(Operation::Write, keys);
        let outcomes = match self.bulk {
            BulkForm::Whole => self.faulty.get_ref().refill_many(entries).await,
            BulkForm::KeyByKey => self.faulty.refill_many(entries).await,
        };
        self.all_signed(outcomes)
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.journal.note(Operation::Remove, keys.to_vec());
        let outcomes = match self.bulk {
            BulkForm::Whole => self.faulty.get_ref().remove_many(keys).await,
            BulkForm::KeyByKey => self.faulty.remove_many(keys).await,
        };
        self.all_signed(outcomes)
    }

    fn fencing(&self) -> Fencing {
        self.faulty.fencing()
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        self.signed(self.faulty.begin_load(key).await)
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        self.signed(self.faulty.write_if(key, value, condition).await)
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let keys = entries.iter().map(|(key, ..)| key.clone()).collect();
        self.journal.note(Operation::Write, keys);
        let outcomes = match self.bulk {
            BulkForm::Whole => self.faulty.get_ref().write_many_if(entries).await,
            BulkForm::KeyByKey => self.faulty.write_many_if(entries).await,
        };
        self.all_signed(outcomes)
    }

    fn invalidations(&self, key: &CacheKey) -> Invalidations {
        self.faulty.invalidations(key)
    }

    async fn expire(&self, key: &CacheKey) -> BackendResult<()> {
        self.signed(self.faulty.expire(key).await)
    }

    async fn close(&self, within: Duration) -> Leftovers {
        self.faulty.close(within).await
    }

    fn announces(&self) -> Option<Announces> {
        self.faulty.announces()
    }

    fn shared_tags(&self) -> Option<SharedTags> {
        self.faulty.shared_tags()
    }

    fn label(&self) -> BackendLabel {
        self.faulty.label()
    }

    fn value_format(&self) -> &dyn Format {
        self.faulty.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.faulty.key_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.faulty.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        self.faulty.capabilities()
    }

    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        self.faulty.find_format(id)
    }

    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        self.faulty.find_compressor(id)
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.faulty.reject(key, rejection);
    }
}
