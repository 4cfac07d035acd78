//! The layer that never holds anything.

use std::sync::Arc;

use async_trait::async_trait;
use hitbox_core::{BackendLabel, BoxContext, CacheKey, CacheValue, Raw, clock::Moment};

use crate::{
    Attempt, Backend, BackendResult, CacheKeyFormat, Capabilities, Compressor, DeleteStatus,
    Format, ReadAttempt, ReadOutcome, WriteAttempt,
};

/// Takes every change, and holds nothing. In every other respect it is like the backend that it stands beside: a
/// composition encodes as its second layer says.
pub(super) struct Nothing<B> {
    backend: Arc<B>,
}

impl<B> Nothing<B> {
    pub(super) const fn beside(backend: Arc<B>) -> Self {
        Self { backend }
    }
}

#[async_trait]
impl<B: Backend> Backend for Nothing<B> {
    async fn read(&self, _key: &CacheKey) -> ReadOutcome {
        Ok(None)
    }

    fn try_read<'a>(
        &'a self,
        _key: &'a CacheKey,
        _context: &mut BoxContext,
        _moment: &Moment,
    ) -> ReadAttempt<'a> {
        Attempt::Ready(Ok(None))
    }

    async fn write(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }

    fn try_write<'a>(&'a self, _key: &'a CacheKey, _value: CacheValue<Raw>) -> WriteAttempt<'a> {
        Attempt::Ready(Ok(()))
    }

    fn is_non_blocking(&self) -> bool {
        true
    }

    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        self.backend.label()
    }

    fn value_format(&self) -> &dyn Format {
        self.backend.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.backend.key_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.backend.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.backend.capabilities();
        // Or it would be asked for leases in the place of the backend.
        capabilities.gives_leases = false;
        capabilities
    }
}
