//! A backend that holds bytes of anybody's choosing.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use hitbox_backend::{
    Backend, BackendResult, CacheBackend, Cacheable, Capabilities, DeleteStatus, Format,
    ReadOutcome, Rejection, Rejections, stored_form,
};
use hitbox_core::{BackendLabel, CacheContext, CacheKey, CacheStatus, CacheValue, Raw};

/// Answers every read with the same contents, as an adapter to a byte store does.
pub(crate) struct Shelf {
    contents: Contents,
    format: &'static dyn Format,
    largest_decoded: usize,
    rejections: Rejections,
    key: CacheKey,
}

pub(crate) enum Contents {
    /// A payload, from behind the checksum.
    Payload(CacheValue<Raw>),
    /// A stored form.
    Stored(Bytes),
}

impl Shelf {
    pub(crate) fn new(
        contents: Contents,
        format: &'static dyn Format,
        largest_decoded: usize,
    ) -> Self {
        Self {
            contents,
            format,
            largest_decoded,
            rejections: Rejections::default(),
            key: CacheKey::from_pair("key", "1"),
        }
    }

    /// What a typed read finds.
    ///
    /// # Panics
    ///
    /// If it fails where a miss is due.
    pub(crate) fn get<T: Cacheable>(&self) -> Option<CacheValue<Arc<T>>> {
        let mut context = CacheContext::default().boxed();
        let outcome = self.get_in(&mut context);
        let found = outcome.unwrap_or_else(|error| panic!("an error, not a miss: {error}"));
        let hit = context.status() != CacheStatus::Miss;
        assert_eq!(hit, found.is_some(), "the status is {:?}", context.status());
        found
    }

    fn get_in<T: Cacheable>(
        &self,
        context: &mut hitbox_core::BoxContext,
    ) -> BackendResult<Option<CacheValue<Arc<T>>>> {
        CacheBackend::get_with::<T>(self, &self.key, context)
            .now_or_never()
            .unwrap_or_else(|| panic!("a read without I/O has waited"))
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.rejections.total()
    }
}

#[async_trait]
impl Backend for Shelf {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let value = match &self.contents {
            Contents::Payload(value) => Ok(value.clone()),
            Contents::Stored(stored) => {
                stored_form::decode(stored).map(|value| value.map(Raw::from))
            }
        };
        Ok(match value {
            Ok(value) => Some(value).filter(|value| !value.is_expired()),
            Err(rejection) => {
                self.reject(key, rejection);
                None
            }
        })
    }

    async fn write(&self, _key: &CacheKey, _value: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }

    async fn remove(&self, _key: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("shelf")
    }

    fn value_format(&self) -> &dyn Format {
        self.format
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
