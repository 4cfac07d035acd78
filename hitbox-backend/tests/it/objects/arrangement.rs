//! Objects that count how often they are encoded, and such as cannot be.

use std::{cell::Cell, future::Future, sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendResult, BincodeFormat, CacheBackend, CacheKey, CacheValue, Cacheable, Stamp,
    conformance::MemoryBackend,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};

use crate::{byte_store::ByteStore, composition::wants::arrangement::key};

thread_local! {
    static ENCODED: Cell<usize> = const { Cell::new(0) };
}

/// Counts on the thread of its test.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Counted {
    pub(super) id: u64,
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        ENCODED.with(|encoded| encoded.set(encoded.get() + 1));
        let mut fields = serializer.serialize_struct("Counted", 1)?;
        fields.serialize_field("id", &self.id)?;
        fields.end()
    }
}

/// How often objects are encoded meanwhile.
pub(super) async fn encodes<T>(work: impl Future<Output = T>) -> (T, usize) {
    // The first write of a type in a process looks at it more than once.
    let first = CacheValue::loaded(Arc::new(Counted { id: 0 }), Stamp::now());
    byte_store().set(&key(), first).await.unwrap();
    let before = ENCODED.get();
    let outcome = work.await;
    (outcome, ENCODED.get() - before)
}

/// No format has bytes for it.
#[derive(Debug, PartialEq)]
pub(super) struct NotStorable(pub(super) u64);

impl Serialize for NotStorable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("not to be stored"))
    }
}

impl<'de> Deserialize<'de> for NotStorable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

pub(super) fn memory() -> Arc<MemoryBackend> {
    Arc::new(MemoryBackend::new())
}

pub(super) fn byte_store() -> Arc<ByteStore> {
    Arc::new(ByteStore::new(&BincodeFormat))
}

pub(super) fn value<T>(object: T) -> CacheValue<Arc<T>> {
    CacheValue::loaded(Arc::new(object), Stamp::now()).ttl(Duration::from_secs(3600))
}

pub(super) async fn get<T: Cacheable>(cache: &impl Backend) -> Option<Arc<T>> {
    let found = cache.get::<T>(&key()).await.unwrap();
    found.map(CacheValue::into_inner)
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
    One,
    Many,
}

impl Setting {
    pub(super) const BOTH: [Self; 2] = [Self::One, Self::Many];

    pub(super) async fn set<T: Cacheable>(
        self,
        cache: &impl Backend,
        value: CacheValue<Arc<T>>,
    ) -> BackendResult<()> {
        match self {
            Self::One => cache.set(&key(), value).await,
            Self::Many => cache.set_many(vec![(key(), value)]).await.pop().unwrap(),
        }
    }
}

/// Whether a layer has the object without bytes.
pub(super) async fn has_object_alone<T: Cacheable>(
    layer: &impl Backend,
    key: &CacheKey,
    object: &Arc<T>,
) -> bool {
    let kept = layer.read(key).await.unwrap().unwrap().into_inner();
    let has_bytes = kept.encoded().is_some();
    let kept = kept.into_object::<T>();
    !has_bytes && kept.is_ok_and(|kept| Arc::ptr_eq(&kept, object))
}
