//! A backend that keeps stored forms, as adapters to byte stores do, so that every read decodes.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Capabilities, Compressor, DeleteStatus,
    Format, Operation, ReadOutcome, Rejection, Rejections, compression::NoCompression, stored_form,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};

/// Holds one entry, whatever the key, and counts what it has rejected.
pub(crate) struct ByteStore {
    stored: Mutex<Option<Bytes>>,
    format: &'static dyn Format,
    compressor: &'static dyn Compressor,
    largest_decoded: usize,
    rejections: Rejections,
}

#[allow(dead_code, reason = "each test file uses some of these")]
impl ByteStore {
    pub(crate) fn new(format: &'static dyn Format) -> Self {
        Self {
            stored: Mutex::new(None),
            format,
            compressor: &NoCompression,
            largest_decoded: Capabilities::DEFAULT_LARGEST_DECODED,
            rejections: Rejections::default(),
        }
    }

    pub(crate) fn with_compressor(mut self, compressor: &'static dyn Compressor) -> Self {
        self.compressor = compressor;
        self
    }

    pub(crate) fn with_largest_decoded(mut self, bytes: usize) -> Self {
        self.largest_decoded = bytes;
        self
    }

    pub(crate) fn put(&self, stored: Bytes) {
        *self.stored.lock().unwrap() = Some(stored);
    }

    pub(crate) fn stored(&self) -> Option<Bytes> {
        self.stored.lock().unwrap().clone()
    }

    pub(crate) fn rejected(&self, rejection: Rejection) -> u64 {
        self.rejections.count(rejection)
    }

    pub(crate) fn rejected_in_all(&self) -> u64 {
        self.rejections.total()
    }
}

#[async_trait]
impl Backend for ByteStore {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let Some(stored) = self.stored() else {
            return Ok(None);
        };
        match stored_form::decode(&stored) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_expired())),
            Err(rejection) => {
                self.reject(key, rejection);
                Ok(None)
            }
        }
    }

    async fn write(&self, _key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let stored = stored_form::encode(&value, self.compressor).map_err(|error| {
            BackendError::new(BackendErrorKind::Internal, Operation::Write, self.label())
                .with_source(error)
        })?;
        self.put(stored);
        Ok(())
    }

    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.stored.lock().unwrap().take();
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("bytes")
    }

    fn value_format(&self) -> &dyn Format {
        self.format
    }

    fn compressor(&self) -> &dyn Compressor {
        self.compressor
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.largest_decoded = self.largest_decoded;
        capabilities
    }

    fn reject(&self, _key: &CacheKey, rejection: Rejection) {
        self.rejections.record(rejection);
    }
}
