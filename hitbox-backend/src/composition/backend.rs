//! A composition is a backend.

use std::time::Duration;

use async_trait::async_trait;
use futures::future;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, CompressorId, FormatId, Offload, Raw,
    clock::Moment,
};

use super::{
    CompositionBackend, CompositionReadPolicy, CompositionWritePolicy,
    fences::Origin,
    layers::{First, Second},
    read::Settled,
};
use crate::{
    Attempt, Backend, BackendErrorKind, BackendResult, Begun, CacheKeyFormat, Capabilities,
    Condition, Conditional, DeleteStatus, Fencing, Invalidations, Leftovers, ReadAttempt,
    ReadOutcome, Rejection, WriteAttempt,
    backend::{BegunWrite, without_condition},
    coherence::Announces,
    compression::{Compressor, NoCompression},
    format::Format,
    object::{with_bytes, with_bytes_each},
    tags::SharedTags,
    trace_rejection,
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W> {
    pub(super) fn first(&self) -> First<L1, L2> {
        First(self.layers.clone())
    }

    pub(super) fn second(&self) -> Second<L1, L2> {
        Second(self.layers.clone())
    }
}

/// Objects that somebody else than typed access writes are encoded before a layer is touched.
impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    fn begin_write<'a>(
        &'a self,
        origin: Origin,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
    ) -> BegunWrite<'a> {
        match with_bytes(self, value) {
            Ok(value) => self.begin_single_write(origin, key, value),
            Err(error) if error.kind() == BackendErrorKind::TooLarge => {
                Attempt::Pending(Box::pin(async move {
                    self.remove_one(key).await?;
                    Err(error)
                }))
            }
            Err(error) => Attempt::Ready(Err(error)),
        }
    }

    async fn write_all(
        &self,
        origin: Origin,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<Conditional>> {
        let (entries, refused) = with_bytes_each(self, entries);
        let outcomes = self.write_entries(origin, entries).await;
        refused.settle(self, outcomes).await
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the layers override"
)]
#[async_trait]
impl<L1, L2, O, R, W> Backend for CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: CompositionWritePolicy,
{
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.read_with(key, &mut BoxContext::default()).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.begin_write(Origin::Load, key, value).finish().await
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.begin_write(Origin::Load, key, value).into()
    }

    /// Not begun: a value that is too large for one of the layers has to be removed from the other,
    /// which takes waiting, and a read that has come so far may be dropped by a composition around.
    fn try_refill<'a>(&'a self, _key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        Attempt::WouldBlock(value)
    }

    fn is_non_blocking(&self) -> bool {
        self.layers.is_non_blocking()
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.begin_write(Origin::OtherLayer, key, value)
            .finish()
            .await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.remove_one(key).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let rest = match self.begin_single_read(key, context, &Moment::default()) {
            Settled::Ready(outcome) => return outcome,
            Settled::Pending(rest) => rest,
        };
        let (outcome, noted) = rest.await;
        *context = noted;
        outcome
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        match self.begin_single_read(key, context, moment) {
            Settled::Ready(outcome) => Attempt::Ready(outcome),
            Settled::Pending(rest) => Attempt::Pending(rest),
        }
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.read_keys(keys, &mut []).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        self.read_keys(keys, contexts).await
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let keys = self.layers.shared().map(|_| {
            let keys = entries.iter().map(|(key, _)| key.clone());
            keys.collect::<Vec<_>>()
        });
        let outcomes = self.write_all(Origin::Load, entries).await;
        match keys {
            Some(keys) => self.confirmed_many(&keys, outcomes).await,
            None => without_condition(outcomes),
        }
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        without_condition(self.write_all(Origin::OtherLayer, entries).await)
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.remove_keys(keys).await
    }

    fn fencing(&self) -> Fencing {
        Fencing::Fenced
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        self.begin(key).await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        // It is held until the write has ended.
        match (with_bytes(self, value), self.shared_lease(&condition)) {
            (Ok(value), Some(leased)) => self.fill_by_lease(key, value, leased).await,
            (Ok(value), None) => self.fill(key, value).await,
            (Err(error), _) => {
                if error.kind() == BackendErrorKind::TooLarge {
                    self.remove_one(key).await?;
                }
                Err(error)
            }
        }
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let (entries, conditions): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .map(|(key, value, condition)| ((key, value), condition))
            .unzip();
        let leases = conditions
            .iter()
            .map(|condition| self.shared_lease(condition));
        if leases.clone().all(|lease| lease.is_none()) {
            return self.write_all(Origin::Fill, entries).await;
        }
        let entries = entries.into_iter().zip(leases);
        let entries = entries.map(|((key, value), lease)| (key, with_bytes(self, value), lease));
        self.fill_many_by_lease(entries.collect()).await
    }

    fn invalidations(&self, key: &CacheKey) -> Invalidations {
        self.layers.fences.invalidations(key)
    }

    async fn expire(&self, key: &CacheKey) -> BackendResult<()> {
        self.expire_in_all(key).await
    }

    async fn close(&self, within: Duration) -> Leftovers {
        let began = tokio::time::Instant::now();
        // Before the layers, which it writes to. Half of the time is theirs, whatever hangs.
        let unfinished = self.offload.close(within / 2).await;
        let rest = within.saturating_sub(began.elapsed());
        let layers = future::join(self.l1().close(rest), self.l2().close(rest));
        let (l1, l2) = layers.await;
        let mut leftovers = l1.and(l2);
        leftovers.unfinished.extend(unfinished);
        leftovers
    }

    /// L2 does. Whether what is answered is a copy, and as of when, is known of one that is coherent.
    fn announces(&self) -> Option<Announces> {
        self.layers.shared()?;
        let mut announces = self.l2().announces()?;
        announces.by_copies = true;
        Some(announces)
    }

    /// L2's, with what a coherent composition hears.
    fn shared_tags(&self) -> Option<SharedTags> {
        let hearing = self.layers.shared_with_listener()?;
        let mut shared = self.l2().shared_tags()?;
        shared.hearing = Some(hearing);
        Some(shared)
    }

    fn label(&self) -> BackendLabel {
        self.paths.label().clone()
    }

    /// L2's: the layer that others share, where the format matters to more than this process.
    fn value_format(&self) -> &dyn Format {
        self.layers.l2.backend.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.layers.l2.backend.key_format()
    }

    /// None of its own: each layer compresses what it stores.
    fn compressor(&self) -> &dyn Compressor {
        &NoCompression
    }

    fn capabilities(&self) -> Capabilities {
        let l1 = self.layers.l1.backend.capabilities();
        l1.combine(&self.layers.l2.backend.capabilities())
    }

    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        let (l1, l2) = (self.l1(), self.l2());
        l2.find_format(id).or_else(|| l1.find_format(id))
    }

    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        let (l1, l2) = (self.l1(), self.l2());
        l2.find_compressor(id).or_else(|| l1.find_compressor(id))
    }

    /// Told to neither layer: which of them held the bytes is not known here. A read that says what it wants
    /// tells the one at fault.
    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        trace_rejection(self.paths.label(), key, rejection);
    }
}
