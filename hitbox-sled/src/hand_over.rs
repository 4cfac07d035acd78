//! What is done in place, and what is handed over to the blocking pool, since it takes longer.

use std::sync::Arc;

use hitbox_backend::{BackendResult, Operation, ReadOutcome};
use hitbox_core::{CacheKey, CacheValue, Raw, clock::Moment};

use crate::{inner::Inner, offload, store::Found};

/// Values longer than this are read and checked off the async threads. Handing over may cost more
/// than that from what the system holds in memory.
pub(crate) const INLINE_READ: u64 = 128 << 10;

/// Values longer than this, with their keys, are written off the async threads: most of them have a
/// file of their own, and making one waits for the disk.
pub(crate) const INLINE_WRITE: usize = 3 << 10;

/// Bulk operations on more keys than this are done off the async threads.
pub(crate) const INLINE_KEYS: usize = 32;

/// How far a read has got in place.
pub(crate) enum InPlace {
    Done(ReadOutcome),
    /// What is stored is too long to be read here.
    Found(Found),
}

pub(crate) fn live(value: CacheValue<Raw>) -> Option<CacheValue<Raw>> {
    (!value.is_expired()).then_some(value)
}

impl Inner {
    pub(crate) async fn off_thread<T: Send + 'static>(
        self: &Arc<Self>,
        operation: Operation,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> BackendResult<T> {
        let inner = Arc::clone(self);
        offload::run(move || work(&inner), operation, self.codec.label()).await
    }

    /// A read as far as it is done in place.
    pub(crate) fn read_in_place(&self, key: &CacheKey, moment: &Moment) -> InPlace {
        let found = match self.find(key) {
            Ok(Some(found)) => found,
            Ok(None) => return InPlace::Done(Ok(None)),
            Err(error) => return InPlace::Done(Err(error)),
        };
        if found.length() > INLINE_READ {
            return InPlace::Found(found);
        }
        let decoded = self.decode(key, found);
        InPlace::Done(decoded.map(|value| value.filter(|value| !value.is_expired_at(moment))))
    }

    /// Reads, checks and decodes what was found under `key`, off the async threads.
    pub(crate) async fn decode_off_thread(
        self: &Arc<Self>,
        key: &CacheKey,
        found: Found,
    ) -> ReadOutcome {
        let key = key.clone();
        let decoded = self
            .off_thread(Operation::Read, move |inner| inner.decode(&key, found))
            .await?;
        Ok(decoded?.and_then(live))
    }

    /// `work` on many keys off the async threads: one outcome per key, also if the work is lost.
    pub(crate) async fn bulk<I: Send + 'static, T: Send + 'static>(
        self: &Arc<Self>,
        items: Vec<I>,
        operation: Operation,
        work: impl Fn(&Inner, I) -> BackendResult<T> + Send + 'static,
    ) -> Vec<BackendResult<T>> {
        let count = items.len();
        let all = move |inner: &Inner| items.into_iter().map(|item| work(inner, item)).collect();
        match self.off_thread(operation, all).await {
            Ok(outcomes) => outcomes,
            Err(lost) => (0..count)
                .map(|_| {
                    let lost = self.codec.error(lost.kind(), operation);
                    Err(lost.with_detail("the bulk operation was lost"))
                })
                .collect(),
        }
    }
}
