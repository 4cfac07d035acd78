use std::{fmt, sync::Arc};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw};

use super::{ChaosHandle, entries::Entries, late::Put, state::Shared, target::Target};
use crate::{
    Backend, BackendResult, Begun, Condition, Conditional, DeleteStatus, ReadOutcome,
    backend::without_condition,
    wrapper::{always_wait, forward_properties},
};

/// A backend that goes wrong as it was told to. See the [module](super).
///
/// It takes the place of the backend within: label, formats and capabilities are those.
pub struct ChaosBackend<B> {
    pub(super) inner: B,
    pub(super) shared: Arc<Shared>,
}

impl<B: Backend> ChaosBackend<B> {
    pub(super) fn new(inner: B, shared: Shared) -> Self {
        Self {
            inner,
            shared: Arc::new(shared),
        }
    }

    /// Controls this backend, wherever it has gone.
    #[must_use]
    pub fn handle(&self) -> ChaosHandle {
        ChaosHandle::new(Arc::clone(&self.shared))
    }

    /// The backend within, which works always. What is late or damaged is so only through the
    /// chaos.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The backend within. What is late never comes then.
    pub fn into_inner(self) -> B {
        self.inner
    }

    /// Carries out all late writes and removes now, the oldest first. Dropped before its end, it
    /// leaves the rest to the next call.
    pub async fn carry_out_late(&self) {
        self.shared.state().late.all_are_due();
        self.carry_out_due().await;
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the inner backend overrides"
)]
#[async_trait]
impl<B: Backend> Backend for ChaosBackend<B> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.read_with(key, &mut BoxContext::default()).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let drawn = self.shared.draw(Target::Writes, key);
        self.put_drawn(key, Put::Write, value, drawn)
            .await
            .map(drop)
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let drawn = self.shared.draw(Target::Removes, key);
        self.remove_drawn(key, drawn).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let drawn = self.shared.draw(Target::Reads, key);
        self.read_drawn(key, context, drawn).await
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let drawn = self.shared.draw(Target::Writes, key);
        self.put_drawn(key, Put::Refill, value, drawn)
            .await
            .map(drop)
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.read_bulk(keys, &mut []).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        self.read_bulk(keys, contexts).await
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        without_condition(self.put_bulk(Entries::Written(entries)).await)
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        without_condition(self.put_bulk(Entries::Refilled(entries)).await)
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.remove_bulk(keys).await
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        self.inner.begin_load(key).await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        let drawn = self.shared.draw(Target::Writes, key);
        self.put_drawn(key, Put::If(condition), value, drawn).await
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        self.put_bulk(Entries::Conditional(entries)).await
    }

    always_wait!();
    forward_properties!(inner);
}

impl<B: Backend> fmt::Debug for ChaosBackend<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosBackend")
            .field("inner", &self.inner.label())
            .field("handle", &self.handle())
            .finish()
    }
}
