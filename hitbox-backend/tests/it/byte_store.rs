//! A backend that keeps stored forms, as adapters to byte stores do, so that every read decodes.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Backend, BackendResult, Capabilities, Compressor, DeleteStatus, Format, ReadOutcome, Rejection,
    StoreSettings,
    byte_store::{Codec, Prepared},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};

/// Holds one entry, whatever the key.
pub(crate) struct ByteStore {
    stored: Mutex<Option<Bytes>>,
    codec: Codec,
}

#[allow(dead_code, reason = "each test file uses some of these")]
impl ByteStore {
    pub(crate) fn new(format: &'static dyn Format) -> Self {
        Self::with(StoreSettings::new().value_format(format))
    }

    pub(crate) fn with_largest_decoded(format: &'static dyn Format, bytes: usize) -> Self {
        Self::with(
            StoreSettings::new()
                .value_format(format)
                .largest_decoded(bytes),
        )
    }

    pub(crate) fn with(settings: StoreSettings) -> Self {
        Self {
            stored: Mutex::new(None),
            codec: Codec::new(settings, "bytes", Capabilities::default()).unwrap(),
        }
    }

    pub(crate) fn put(&self, stored: Bytes) {
        *self.stored.lock().unwrap() = Some(stored);
    }

    pub(crate) fn stored(&self) -> Option<Bytes> {
        self.stored.lock().unwrap().clone()
    }

    pub(crate) fn rejected(&self, rejection: Rejection) -> u64 {
        self.codec.rejections().count(rejection)
    }

    pub(crate) fn rejected_in_all(&self) -> u64 {
        self.codec.rejections().total()
    }
}

#[async_trait]
impl Backend for ByteStore {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let stored = self.stored();
        Ok(stored.and_then(|stored| self.codec.accept(key, stored)))
    }

    async fn write(&self, _key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let (stored, outcome) = match self.codec.prepare(&value) {
            Prepared::Put { stored, .. } => (Some(stored), Ok(())),
            Prepared::Clear { outcome } => (None, outcome),
        };
        *self.stored.lock().unwrap() = stored;
        outcome
    }

    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.stored.lock().unwrap().take();
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        self.codec.label().clone()
    }

    fn value_format(&self) -> &dyn Format {
        self.codec.value_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.codec.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        self.codec.capabilities().clone()
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.codec.reject(key, rejection);
    }
}
