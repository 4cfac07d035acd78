//! A composition is a backend.

use async_trait::async_trait;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, CompressorId, FormatId, Offload, Raw,
};

use super::{
    CompositionBackend, CompositionReadPolicy, CompositionWritePolicy,
    background::Background,
    layers::{First, Second},
    ledger::Origin,
    mutate::{self, WritePath},
    read::ReadPath,
};
use crate::{
    Backend, BackendResult, CacheKeyFormat, Capabilities, DeleteStatus, ReadOutcome, Rejection,
    compression::Compressor, format::Format,
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W> {
    pub(super) fn first(&self) -> First<L1, L2> {
        First(self.layers.clone())
    }

    pub(super) fn second(&self) -> Second<L1, L2> {
        Second(self.layers.clone())
    }

    pub(super) fn read_path<'p>(&'p self, background: &'p Background<'p, O>) -> ReadPath<'p, R, O> {
        ReadPath {
            policy: &self.read,
            background,
            label: &self.label,
            ledger: &self.layers.ledger,
            rules: self.layers.rules,
        }
    }

    pub(super) fn write_path<'p>(
        &'p self,
        background: &'p Background<'p, O>,
    ) -> WritePath<'p, W, O> {
        WritePath {
            policy: &self.write,
            background,
            label: &self.label,
            ledger: &self.layers.ledger,
            rules: self.layers.rules,
        }
    }
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    W: CompositionWritePolicy,
{
    async fn write_from(
        &self,
        origin: Origin,
        key: &CacheKey,
        value: CacheValue<Raw>,
    ) -> BackendResult<()>
    where
        R: Sync,
    {
        let background = Background::new(&*self.offload);
        let outcome = self
            .write_path(&background)
            .write(key, value, origin, self.first(), self.second())
            .await;
        background.hand_over(&self.layers.ledger);
        outcome
    }
}

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
        self.write_from(Origin::Load, key, value).await
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.write_from(Origin::OtherLayer, key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let ledger = &self.layers.ledger;
        mutate::remove(ledger, &self.label, key, self.first(), self.second()).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        let background = Background::new(&*self.offload);
        let outcome = self
            .read_path(&background)
            .read(key, context, self.first(), self.second())
            .await;
        background.hand_over(&self.layers.ledger);
        outcome
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        let mut contexts = vec![BoxContext::default(); keys.len()];
        self.read_in_bulk(keys, &mut contexts).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        self.read_in_bulk(keys, contexts).await
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.write_in_bulk(Origin::Load, entries).await
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.write_in_bulk(Origin::OtherLayer, entries).await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.remove_in_bulk(keys).await
    }

    fn label(&self) -> BackendLabel {
        self.label.clone()
    }

    /// L2's: the layer that others share, where the format matters to more than this process.
    fn value_format(&self) -> &dyn Format {
        self.layers.l2.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.layers.l2.key_format()
    }

    fn capabilities(&self) -> Capabilities {
        let l1 = self.layers.l1.capabilities();
        l1.combine(&self.layers.l2.capabilities())
    }

    fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
        let (l1, l2) = (&self.layers.l1, &self.layers.l2);
        l2.find_format(id).or_else(|| l1.find_format(id))
    }

    fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
        let (l1, l2) = (&self.layers.l1, &self.layers.l2);
        l2.find_compressor(id).or_else(|| l1.find_compressor(id))
    }

    /// Told to both layers: which of them held the bytes is not known here.
    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.layers.l1.reject(key, rejection);
        self.layers.l2.reject(key, rejection);
    }
}
