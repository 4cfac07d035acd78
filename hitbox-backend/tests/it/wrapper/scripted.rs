//! A backend that answers as it is told, and notes what it was asked and when.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, DeleteStatus, Operation, ReadOutcome,
    conformance::MemoryBackend,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw, Stamp};
use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Works,
    Fails(BackendErrorKind),
    /// Fails, and says that it did nothing.
    Refuses(BackendErrorKind),
}

/// The operations on one key each, bulk ones taken apart, in the order of the calls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) keys: Vec<String>,
    pub(crate) at: Instant,
}

#[derive(Clone, Default)]
pub(crate) struct Scripted {
    inner: Arc<MemoryBackend>,
    /// One for each key asked, front first; when there is none left, everything works.
    answers: Arc<Mutex<VecDeque<Answer>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Scripted {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let scripted = Self::default();
        scripted.answer(answers);
        scripted
    }

    /// Adds to what it has been told.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The methods called so far, with the keys they were given.
    pub(crate) fn asked(&self) -> Vec<(&'static str, String)> {
        let shown = |call: Call| (call.method, call.keys.join(" "));
        self.calls().into_iter().map(shown).collect()
    }

    pub(crate) async fn stored(&self, key: &CacheKey) -> Option<u8> {
        let found = self.inner.read(key).await.unwrap()?;
        Some(found.data().payload().unwrap()[0])
    }

    fn note<'k>(&self, method: &'static str, keys: impl IntoIterator<Item = &'k CacheKey>) {
        self.calls.lock().unwrap().push(Call {
            method,
            keys: keys.into_iter().map(name).collect(),
            at: Instant::now(),
        });
    }

    fn next(&self, operation: Operation) -> BackendResult<()> {
        let fail = |kind| BackendError::new(kind, operation, self.label());
        match self.answers.lock().unwrap().pop_front() {
            None | Some(Answer::Works) => Ok(()),
            Some(Answer::Fails(kind)) => Err(fail(kind)),
            Some(Answer::Refuses(kind)) => Err(fail(kind).without_effect()),
        }
    }

    async fn store(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.next(Operation::Write)?;
        self.inner.write(key, value).await
    }

    async fn store_all(&self, entries: Vec<(CacheKey, CacheValue<Raw>)>) -> Vec<BackendResult<()>> {
        let mut outcomes = Vec::new();
        for (key, value) in entries {
            outcomes.push(self.store(&key, value).await);
        }
        outcomes
    }
}

#[async_trait]
impl Backend for Scripted {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.note("read", [key]);
        self.next(Operation::Read)?;
        self.inner.read(key).await
    }
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.note("write", [key]);
        self.store(key, value).await
    }
    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.note("refill", [key]);
        self.store(key, value).await
    }
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.note("remove", [key]);
        self.next(Operation::Remove)?;
        self.inner.remove(key).await
    }
    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.note("read_many", keys);
        let mut outcomes = Vec::new();
        for key in keys {
            outcomes.push(match self.next(Operation::Read) {
                Ok(()) => self.inner.read(key).await,
                Err(error) => Err(error),
            });
        }
        outcomes
    }
    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.note("write_many", entries.iter().map(|(key, _)| key));
        self.store_all(entries).await
    }
    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.note("refill_many", entries.iter().map(|(key, _)| key));
        self.store_all(entries).await
    }
    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.note("remove_many", keys);
        let mut outcomes = Vec::new();
        for key in keys {
            outcomes.push(match self.next(Operation::Remove) {
                Ok(()) => self.inner.remove(key).await,
                Err(error) => Err(error),
            });
        }
        outcomes
    }
    fn label(&self) -> BackendLabel {
        "scripted".into()
    }
}

pub(crate) fn key(name: &str) -> CacheKey {
    CacheKey::from_pair("id", name)
}

fn name(key: &CacheKey) -> String {
    let text = key.as_text();
    text.rsplit('=').next().unwrap_or(text).to_owned()
}

pub(crate) fn value(payload: u8) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![payload]), Stamp::now())
}
