//! A store whose changes are announced in this process.

use std::sync::Arc;

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw, Stamp};

use super::plane::LocalBackplane;
use crate::{
    Backend, BackendResult, Begun, Condition, Conditional, DeleteStatus, ReadOutcome,
    coherence::{Announces, Backplane, Origin},
    tags::SharedTags,
    wrapper::{always_wait, forward_all_but_announces},
};

/// A backend whose changes are announced to a [`LocalBackplane`] before they are acknowledged. Made by
/// [`LocalBackplane::announcing`].
///
/// A change that fails, or is dropped, is announced, too: it may have taken effect.
#[derive(Clone, Debug)]
pub struct Announcing<B> {
    inner: B,
    plane: LocalBackplane,
    origin: Origin,
}

/// What is announced when this is dropped.
struct Announcement<'a> {
    plane: &'a LocalBackplane,
    origin: Origin,
    changed: Vec<(CacheKey, Stamp)>,
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        for (key, stamp) in self.changed.drain(..) {
            self.plane.announce(key, self.origin, stamp);
        }
    }
}

impl LocalBackplane {
    /// `store`, whose changes are announced here before they are acknowledged.
    #[must_use]
    pub fn announcing<B>(&self, store: B) -> Announcing<B> {
        Announcing::new(store, self.clone())
    }
}

impl<B> Announcing<B> {
    fn new(inner: B, plane: LocalBackplane) -> Self {
        Self {
            inner,
            plane,
            origin: Origin::random(),
        }
    }

    /// The backend within.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }

    fn announcement(&self, changed: Vec<(CacheKey, Stamp)>) -> Announcement<'_> {
        Announcement {
            plane: &self.plane,
            origin: self.origin,
            changed,
        }
    }
}

fn of_entries(entries: &[(CacheKey, CacheValue<Raw>)]) -> Vec<(CacheKey, Stamp)> {
    let changed = entries.iter();
    changed
        .map(|(key, value)| (key.clone(), value.created()))
        .collect()
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a default body would bypass what the inner backend overrides"
)]
#[async_trait]
impl<B: Backend> Backend for Announcing<B> {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let _at_the_end = self.announcement(vec![(key.clone(), value.created())]);
        self.inner.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let _at_the_end = self.announcement(vec![(key.clone(), Stamp::now())]);
        self.inner.remove(key).await
    }

    async fn read_with(&self, key: &CacheKey, context: &mut BoxContext) -> ReadOutcome {
        self.inner.read_with(key, context).await
    }

    async fn refill(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let _at_the_end = self.announcement(vec![(key.clone(), value.created())]);
        self.inner.refill(key, value).await
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.inner.read_many(keys).await
    }

    async fn read_many_with(
        &self,
        keys: &[CacheKey],
        contexts: &mut [BoxContext],
    ) -> Vec<ReadOutcome> {
        self.inner.read_many_with(keys, contexts).await
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let _at_the_end = self.announcement(of_entries(&entries));
        self.inner.write_many(entries).await
    }

    async fn refill_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let _at_the_end = self.announcement(of_entries(&entries));
        self.inner.refill_many(entries).await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let removed = keys.iter().map(|key| (key.clone(), Stamp::now()));
        let _at_the_end = self.announcement(removed.collect());
        self.inner.remove_many(keys).await
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        self.inner.begin_load(key).await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        let _at_the_end = self.announcement(vec![(key.clone(), value.created())]);
        self.inner.write_if(key, value, condition).await
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        let written = entries.iter();
        let written = written.map(|(key, value, _)| (key.clone(), value.created()));
        let _at_the_end = self.announcement(written.collect());
        self.inner.write_many_if(entries).await
    }

    fn announces(&self) -> Option<Announces> {
        Some(Announces::new(self.plane.id(), self.origin))
    }

    fn shared_tags(&self) -> Option<SharedTags> {
        Some(SharedTags {
            store: Arc::new(self.plane.clone()),
            hearing: None,
        })
    }

    always_wait!();
    forward_all_but_announces!(inner);
}
