//! A composition that is a layer: what it answers is counted as the layer's answer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use hitbox_backend::{
    Attempt, Backend, BackendResult, Begun, CacheKeyFormat, Capabilities, CompositionLayer,
    Compressor, Condition, Conditional, DeleteStatus, Fencing, Format, Invalidations, Leftovers,
    ReadAttempt, ReadOutcome, Rejection, WriteAttempt, coherence::Announces, tags::SharedTags,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, CompressorId, FormatId, Raw, clock::Moment,
};

use super::{
    composed::Composed,
    world::{Cause, World},
};

pub(super) struct NestedLayer {
    layer: CompositionLayer,
    composed: Arc<dyn Composed>,
    world: Arc<World>,
}

impl NestedLayer {
    pub(super) fn new(
        layer: CompositionLayer,
        composed: Arc<dyn Composed>,
        world: &Arc<World>,
    ) -> Self {
        Self {
            layer,
            composed,
            world: Arc::clone(world),
        }
    }

    fn count<T>(&self, key: &CacheKey, cause: Cause, answer: &BackendResult<T>) {
        let key = self.world.number_of(key);
        let failed = answer.is_err();
        self.world.count(key, cause, self.layer, failed);
    }

    fn count_all<'k, T>(
        &self,
        keys: impl IntoIterator<Item = &'k CacheKey>,
        cause: Cause,
        answers: &[BackendResult<T>],
    ) {
        for (key, answer) in keys.into_iter().zip(answers) {
            self.count(key, cause, answer);
        }
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the composition overrides"
)]
#[async_trait]
impl Backend for NestedLayer {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.read_with(key, &mut BoxContext::default()).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        // As it begins: whoever drives it along later is not whom it is for.
        let cause = Cause::Read(self.world.current_call());
        let answer = self.composed.read_with(key, context).await;
        self.count(key, cause, &answer);
        answer
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        match self.composed.try_read(key, context, moment) {
            Attempt::Ready(answer) => {
                let cause = Cause::Read(self.world.current_call());
                self.count(key, cause, &answer);
                Attempt::Ready(answer)
            }
            // To be counted when it has ended, it is begun anew.
            Attempt::Pending(_) | Attempt::WouldBlock(()) => Attempt::WouldBlock(()),
        }
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let cause = Cause::Write(value.created());
        let answer = self.composed.write(key, value).await;
        self.count(key, cause, &answer);
        answer
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        let cause = Cause::Write(value.created());
        match self.composed.try_write(key, value) {
            Attempt::Ready(answer) => {
                self.count(key, cause, &answer);
                Attempt::Ready(answer)
            }
            Attempt::Pending(rest) => Attempt::Pending(Box::pin(async move {
                let answer = rest.await;
                self.count(key, cause, &answer);
                answer
            })),
            Attempt::WouldBlock(value) => Attempt::WouldBlock(value),
        }
    }

    fn try_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.composed.try_refill(key, value)
    }

    fn is_non_blocking(&self) -> bool {
        self.composed.is_non_blocking()
    }

    /// Not counted, like any refill: it is nobody's answer.
    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.composed.refill(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let cause = Cause::Remove(self.world.current_call());
        let answer = self.composed.remove(key).await;
        self.count(key, cause, &answer);
        answer
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let mut contexts = vec![BoxContext::default(); keys.len()];
        self.read_many_with(keys, &mut contexts).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let cause = Cause::Read(self.world.current_call());
        let answers = self.composed.read_many_with(keys, contexts).await;
        self.count_all(keys, cause, &answers);
        answers
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let written = |(key, value): &(CacheKey, CacheValue<Raw>)| (key.clone(), value.created());
        let written: Vec<_> = entries.iter().map(written).collect();
        let answers = self.composed.write_many(entries).await;
        for ((key, stamp), answer) in written.iter().zip(&answers) {
            self.count(key, Cause::Write(*stamp), answer);
        }
        answers
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.composed.refill_many(entries).await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let cause = Cause::Remove(self.world.current_call());
        let answers = self.composed.remove_many(keys).await;
        self.count_all(keys, cause, &answers);
        answers
    }

    fn fencing(&self) -> Fencing {
        self.composed.fencing()
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        self.composed.begin_load(key).await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        let cause = Cause::Write(value.created());
        let answer = self.composed.write_if(key, value, condition).await;
        self.count(key, cause, &answer);
        answer
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let written = entries.iter();
        let written = written.map(|(key, value, _)| (key.clone(), value.created()));
        let written: Vec<_> = written.collect();
        let answers = self.composed.write_many_if(entries).await;
        for ((key, stamp), answer) in written.iter().zip(&answers) {
            self.count(key, Cause::Write(*stamp), answer);
        }
        answers
    }

    fn invalidations(&self, key: &CacheKey) -> Invalidations {
        self.composed.invalidations(key)
    }

    async fn expire(&self, key: &CacheKey) -> BackendResult<()> {
        self.composed.expire(key).await
    }

    async fn close(&self, within: Duration) -> Leftovers {
        self.composed.close(within).await
    }

    fn announces(&self) -> Option<Announces> {
        self.composed.announces()
    }

    fn shared_tags(&self) -> Option<SharedTags> {
        self.composed.shared_tags()
    }

    fn label(&self) -> BackendLabel {
        self.composed.label()
    }

    fn value_format(&self) -> &dyn Format {
        self.composed.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.composed.key_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.composed.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        self.composed.capabilities()
    }

    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        self.composed.find_format(id)
    }

    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        self.composed.find_compressor(id)
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.composed.reject(key, rejection);
    }
}
