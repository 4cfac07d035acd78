//! What is absent, and how it is read.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BincodeFormat, BoxContext, CacheBackend, CacheKey, CacheValue, Known, Raw, Stamp,
    conformance::MemoryBackend,
};

use crate::{byte_store::ByteStore, composition::wants::arrangement::Way};

pub(super) use crate::composition::wants::arrangement::{Cache, Policy, each, key};

pub(super) type Text = CacheValue<Known<String>>;

pub(super) fn nothing() -> Text {
    CacheValue::loaded(Known::Absent, Stamp::now()).ttl(Duration::from_secs(3600))
}

pub(super) fn text(text: &str) -> Text {
    CacheValue::loaded(Known::Present(Arc::new(text.to_owned())), Stamp::now())
        .ttl(Duration::from_secs(3600))
}

pub(super) async fn set(cache: &impl Backend, value: &Text) {
    cache.set_known(&key(), value.clone()).await.unwrap();
}

/// Reads alone, with a context of its own.
pub(super) async fn known(cache: &impl Backend) -> Option<Text> {
    let mut context = BoxContext::default();
    cache.get_known(&key(), &mut context).await.unwrap()
}

pub(super) async fn known_by(
    way: Way,
    cache: &Cache,
    key: &CacheKey,
    context: &mut BoxContext,
) -> Option<Text> {
    let keys = std::slice::from_ref(key);
    let mut outcomes = match way {
        Way::One => return cache.get_known(key, context).await.unwrap(),
        Way::Many => {
            let contexts = std::slice::from_mut(context);
            cache.get_many_known(keys, contexts).await
        }
        Way::ManyWithout => cache.get_many_known(keys, &mut []).await,
    };
    outcomes.pop().unwrap().unwrap()
}

pub(super) async fn raw(cache: &impl Backend) -> Option<CacheValue<Raw>> {
    cache.read(&key()).await.unwrap()
}

pub(super) fn memory() -> Arc<MemoryBackend> {
    Arc::new(MemoryBackend::new())
}

pub(super) fn byte_store() -> Arc<ByteStore> {
    Arc::new(ByteStore::new(&BincodeFormat))
}

pub(super) fn layers() -> [Arc<MemoryBackend>; 2] {
    [memory(), memory()]
}
