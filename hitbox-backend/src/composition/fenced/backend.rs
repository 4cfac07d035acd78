//! A fenced backend is a backend.

use async_trait::async_trait;
use futures::FutureExt;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, CompressorId, FormatId, Raw, clock::Moment,
};

use super::Fenced;
use crate::{
    Attempt, Backend, CacheKeyFormat, Capabilities, Compressor, Fencing, Format, Invalidations,
    ReadAttempt, ReadOutcome, Rejection, WriteAttempt, coherence::Announces,
    forward::forward_changes, tags::SharedTags,
};

impl<B: Backend + 'static> Fenced<B> {
    /// The backend within, for a read that begins now, if all that it holds is trusted.
    #[inline]
    fn trusted(&self) -> Option<&B> {
        self.cache.trusts_all().then(|| self.get_ref())
    }
}

/// What happens after a value was seen must also be stamped after it.
#[inline]
fn observe(outcome: &ReadOutcome) {
    if let Ok(Some(value)) = outcome {
        value.created().observe();
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the composition overrides"
)]
#[async_trait]
impl<B: Backend + 'static> Backend for Fenced<B> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.read_with(key, &mut BoxContext::default()).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let Some(backend) = self.trusted() else {
            return self.cache.read_with(key, context).await;
        };
        let outcome = backend.read_with(key, context).await;
        observe(&outcome);
        outcome
    }

    #[inline]
    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        let Some(backend) = self.trusted() else {
            return self.cache.try_read(key, context, moment);
        };
        let attempt = backend.try_read(key, context, moment);
        match attempt {
            Attempt::Ready(outcome) => {
                observe(&outcome);
                Attempt::Ready(outcome)
            }
            Attempt::Pending(rest) => {
                Attempt::Pending(rest.inspect(|(outcome, _)| observe(outcome)).boxed())
            }
            Attempt::WouldBlock(()) => Attempt::WouldBlock(()),
        }
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let Some(backend) = self.trusted() else {
            return self.cache.read_many(keys).await;
        };
        let outcomes = backend.read_many(keys).await;
        outcomes.iter().for_each(observe);
        outcomes
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        let Some(backend) = self.trusted() else {
            return self.cache.read_many_with(keys, contexts).await;
        };
        let outcomes = backend.read_many_with(keys, contexts).await;
        outcomes.iter().for_each(observe);
        outcomes
    }

    forward_changes!(self => self.cache);

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.cache.try_write(key, value)
    }

    fn try_refill<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.cache.try_refill(key, value)
    }

    fn is_non_blocking(&self) -> bool {
        self.cache.is_non_blocking()
    }

    fn fencing(&self) -> Fencing {
        Fencing::Fenced
    }

    fn invalidations(&self, key: &CacheKey) -> Invalidations {
        self.cache.invalidations(key)
    }

    fn shared_tags(&self) -> Option<SharedTags> {
        self.get_ref().shared_tags()
    }

    fn announces(&self) -> Option<Announces> {
        self.get_ref().announces()
    }

    fn label(&self) -> BackendLabel {
        self.get_ref().label()
    }

    fn value_format(&self) -> &dyn Format {
        self.get_ref().value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.get_ref().key_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.get_ref().compressor()
    }

    fn capabilities(&self) -> Capabilities {
        self.get_ref().capabilities()
    }

    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        self.get_ref().find_format(id)
    }

    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        self.get_ref().find_compressor(id)
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.get_ref().reject(key, rejection);
    }
}
