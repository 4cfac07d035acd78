//! `Backend` for references, boxes and shared pointers.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, CompressorId, FormatId, Raw, clock::Moment,
};

use crate::{
    Backend, BackendResult, Begun, CacheKeyFormat, Capabilities, Condition, Conditional,
    DeleteStatus, Fencing, Invalidations, Leftovers, ReadAttempt, ReadOutcome, Rejection,
    WriteAttempt, compression::Compressor, format::Format,
};

macro_rules! forward_backend {
    ($pointer:ty) => {
        #[deny(
            clippy::missing_trait_methods,
            reason = "a default body would bypass what the inner backend overrides"
        )]
        #[async_trait]
        impl<B: Backend + ?Sized> Backend for $pointer {
            async fn read(&self, key: &CacheKey) -> ReadOutcome {
                (**self).read(key).await
            }
            async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
                (**self).write(key, value).await
            }
            async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
                (**self).remove(key).await
            }
            async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
                (**self).read_with(key, context).await
            }
            fn try_read<'a>(
                &'a self,
                key: &'a CacheKey,
                context: &mut BoxContext,
                moment: &Moment,
            ) -> ReadAttempt<'a> {
                (**self).try_read(key, context, moment)
            }
            fn try_write<'a>(
                &'a self,
                key: &'a CacheKey,
                value: CacheValue<Raw>,
            ) -> WriteAttempt<'a> {
                (**self).try_write(key, value)
            }
            fn try_refill<'a>(
                &'a self,
                key: &'a CacheKey,
                value: CacheValue<Raw>,
            ) -> WriteAttempt<'a> {
                (**self).try_refill(key, value)
            }
            fn is_non_blocking(&self) -> bool {
                (**self).is_non_blocking()
            }
            async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
                (**self).refill(key, value).await
            }
            async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
                (**self).read_many(keys).await
            }
            async fn read_many_with(
                &self,
                keys: &[CacheKey],
                contexts: &mut [BoxContext],
            ) -> Vec<ReadOutcome> {
                (**self).read_many_with(keys, contexts).await
            }
            async fn write_many(
                &self,
                entries: Vec<(CacheKey, CacheValue<Raw>)>,
            ) -> Vec<BackendResult<()>> {
                (**self).write_many(entries).await
            }
            async fn refill_many(
                &self,
                entries: Vec<(CacheKey, CacheValue<Raw>)>,
            ) -> Vec<BackendResult<()>> {
                (**self).refill_many(entries).await
            }
            async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
                (**self).remove_many(keys).await
            }
            fn fencing(&self) -> Fencing {
                (**self).fencing()
            }
            async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
                (**self).begin_load(key).await
            }
            async fn write_if(
                &self,
                key: &CacheKey,
                value: CacheValue<Raw>,
                condition: Condition,
            ) -> BackendResult<Conditional> {
                (**self).write_if(key, value, condition).await
            }
            async fn write_many_if(
                &self,
                entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
            ) -> Vec<BackendResult<Conditional>> {
                (**self).write_many_if(entries).await
            }
            fn invalidations(&self, key: &CacheKey) -> Invalidations {
                (**self).invalidations(key)
            }
            async fn expire(&self, key: &CacheKey) -> BackendResult<()> {
                (**self).expire(key).await
            }
            async fn close(&self, within: Duration) -> Leftovers {
                (**self).close(within).await
            }
            fn label(&self) -> BackendLabel {
                (**self).label()
            }
            fn value_format(&self) -> &dyn Format {
                (**self).value_format()
            }
            fn key_format(&self) -> &CacheKeyFormat {
                (**self).key_format()
            }
            fn compressor(&self) -> &dyn Compressor {
                (**self).compressor()
            }
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
            fn find_format(&self, id: FormatId) -> Option<&dyn Format> {
                (**self).find_format(id)
            }
            fn find_compressor(&self, id: CompressorId) -> Option<&dyn Compressor> {
                (**self).find_compressor(id)
            }
            fn reject(&self, key: &CacheKey, rejection: Rejection) {
                (**self).reject(key, rejection);
            }
        }
    };
}

forward_backend!(&B);
forward_backend!(Box<B>);
forward_backend!(Arc<B>);
