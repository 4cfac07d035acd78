mod maintenance;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use hitbox_backend::{
    Attempt, Backend, BackendResult, CacheKeyFormat, Capabilities, Compressor, DeleteStatus,
    Format, Leftovers, Operation, ReadAttempt, ReadOutcome, Rejection, note_outcome,
    note_outcome_at,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, Raw,
    clock::{self, Moment},
};

use crate::{
    hand_over::{INLINE_KEYS, INLINE_WRITE, InPlace, live},
    inner::Inner,
    statistics::Statistics,
};

/// A cache on local disk.
///
/// Made by [`SledBackend::builder`]. Clones share one open directory, which is closed when the last
/// is dropped.
///
/// Expired entries are never returned. A thread of the backend's own deletes them, in the order of
/// their expiry; one whose key was rewritten meanwhile with a later expiry stays.
///
/// If the disk fails while something is written (it is full, say), every operation from then on
/// fails with [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable), and the directory cannot be opened
/// again by this process: sled does not recover from it.
///
/// *Cancel safety*: a future dropped at any await leaves a key with its old value or the new one.
/// Work that has been handed to the blocking pool is completed all the same, but does not undo what
/// began after it: a write or a remove whose key has been changed meanwhile is left out.
#[derive(Clone)]
pub struct SledBackend {
    inner: Arc<Inner>,
}

impl SledBackend {
    /// What is stored and what has happened since the backend was opened. Does no I/O.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let rejections = self.inner.codec.rejections();
        self.inner.store.gauges().snapshot(rejections)
    }

    /// Where sled's former files are, if they were damaged when this backend was opened: they have
    /// been set aside, and the cache started empty.
    ///
    /// They are kept for whoever wants to look into it, until the next time files are set aside.
    #[must_use]
    pub fn recovered_from(&self) -> Option<&Path> {
        self.inner.set_aside.as_deref()
    }
}

#[async_trait]
impl Backend for SledBackend {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        match self.inner.read_in_place(key, &Moment::default()) {
            InPlace::Done(outcome) => outcome,
            InPlace::Found(found) => self.inner.decode_off_thread(key, found).await,
        }
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        // The disk may take longer than what another layer has just answered lives on.
        if moment.has_been_read() {
            return Attempt::WouldBlock(());
        }
        match self.inner.read_in_place(key, moment) {
            InPlace::Done(outcome) => {
                note_outcome_at(context, &outcome, || self.label(), moment);
                Attempt::Ready(outcome)
            }
            InPlace::Found(found) => {
                let mut context = context.clone();
                Attempt::Pending(Box::pin(async move {
                    let outcome = self.inner.decode_off_thread(key, found).await;
                    note_outcome(&mut context, &outcome, || self.label());
                    (outcome, context)
                }))
            }
        }
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let now = clock::now();
        // An object takes encoding, which may take long.
        let length = value.data().payload().map_or(usize::MAX, Bytes::len);
        if key.as_text().len().saturating_add(length) <= INLINE_WRITE {
            return self.inner.write(key, &value, now, None);
        }
        let begun = self.inner.begin(key);
        let key = key.clone();
        self.inner
            .off_thread(Operation::Write, move |inner| {
                inner.write(&key, &value, now, Some(&begun))
            })
            .await?
    }

    /// Flushes. The directory is free when the last clone has been dropped.
    async fn close(&self, _within: Duration) -> Leftovers {
        match self.flush().await {
            Ok(()) => Leftovers::default(),
            Err(error) => Leftovers::failure(error),
        }
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner
            .remove(key, Operation::Remove, clock::now(), None)
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        if keys.len() <= INLINE_KEYS {
            let mut outcomes = Vec::with_capacity(keys.len());
            for key in keys {
                outcomes.push(match self.inner.read_in_place(key, &Moment::default()) {
                    InPlace::Done(outcome) => outcome,
                    InPlace::Found(found) => self.inner.decode_off_thread(key, found).await,
                });
            }
            return outcomes;
        }
        let mut outcomes = self
            .inner
            .bulk(keys.to_vec(), Operation::Read, |inner, key| {
                match inner.find(&key)? {
                    Some(found) => inner.decode(&key, found),
                    None => Ok(None),
                }
            })
            .await;
        for outcome in outcomes.iter_mut().flatten() {
            *outcome = outcome.take().and_then(live);
        }
        outcomes
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        if entries.len() <= INLINE_KEYS {
            let mut outcomes = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                outcomes.push(self.write(&key, value).await);
            }
            return outcomes;
        }
        let now = clock::now();
        let begin = |(key, value)| (self.inner.begin(&key), key, value);
        let begun = entries.into_iter().map(begin).collect();
        self.inner
            .bulk(
                begun,
                Operation::Write,
                move |inner, (begun, key, value)| inner.write(&key, &value, now, Some(&begun)),
            )
            .await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let now = clock::now();
        if keys.len() <= INLINE_KEYS {
            let remove = |key| self.inner.remove(key, Operation::Remove, now, None);
            return keys.iter().map(remove).collect();
        }
        let begin = |key: &CacheKey| (self.inner.begin(key), key.clone());
        let begun = keys.iter().map(begin).collect();
        self.inner
            .bulk(begun, Operation::Remove, move |inner, (begun, key)| {
                inner.remove(&key, Operation::Remove, now, Some(&begun))
            })
            .await
    }

    fn label(&self) -> BackendLabel {
        self.inner.codec.label().clone()
    }

    fn value_format(&self) -> &dyn Format {
        self.inner.codec.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.inner.codec.key_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.inner.codec.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.codec.capabilities().clone()
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.inner.codec.reject(key, rejection);
    }
}

impl From<Inner> for SledBackend {
    fn from(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

/// Shows where it lives and how much it holds, nothing of the content.
impl fmt::Debug for SledBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledBackend")
            .field("label", self.inner.codec.label())
            .field("path", &self.inner.directory.path())
            .field("statistics", &self.statistics())
            .finish()
    }
}

#[cfg(test)]
mod tests;
