//! What calls load by: closures, as the methods of the cache make them.

use std::hash::Hash;

use futures::{FutureExt, future::BoxFuture};
use hitbox_backend::Cacheable;

use crate::{Batch, Loaded, call_tags::CallTags, error::SharedError, load::BoxLoader};

/// A loader, as [`GetOrLoad`](crate::GetOrLoad) calls it once it has to.
pub trait Load<V>: Send + 'static {
    /// Begins to load.
    fn load(self) -> BoxFuture<'static, Result<Loaded<V>, SharedError>>;
}

impl<V, F> Load<V> for F
where
    F: FnOnce() -> BoxFuture<'static, Result<Loaded<V>, SharedError>> + Send + 'static,
{
    fn load(self) -> BoxFuture<'static, Result<Loaded<V>, SharedError>> {
        self()
    }
}

/// A loader of many keys, as [`GetManyOrLoad`](crate::GetManyOrLoad) calls it once it has to.
pub trait LoadMany<I, V>: Send + 'static {
    /// Begins to load.
    fn load(self, missing: Batch<I, V>) -> BoxFuture<'static, Result<Batch<I, V>, SharedError>>;
}

impl<I, V, F> LoadMany<I, V> for F
where
    F: FnOnce(Batch<I, V>) -> BoxFuture<'static, Result<Batch<I, V>, SharedError>> + Send + 'static,
{
    fn load(self, missing: Batch<I, V>) -> BoxFuture<'static, Result<Batch<I, V>, SharedError>> {
        self(missing)
    }
}

/// The loader of a call that names these tags, for whoever calls it.
pub(super) fn boxed<V: Cacheable>(tags: CallTags, loader: impl Load<V>) -> BoxLoader<V> {
    BoxLoader::OfOne(if tags.are_named() {
        Box::new(move || {
            let loading = loader.load();
            loading.map(move |loaded| Ok(tags.on(loaded?))).boxed()
        })
    } else {
        // Who waits for the load of somebody else keeps his loader meanwhile, and nothing with it.
        Box::new(|| loader.load())
    })
}

/// Begins to load many for a call that names these tags.
pub(super) fn load_many<I, V>(
    tags: CallTags,
    loader: impl LoadMany<I, V>,
    missing: Batch<I, V>,
) -> BoxFuture<'static, Result<Batch<I, V>, SharedError>>
where
    I: Hash + Eq + Clone + Send + 'static,
    V: Cacheable,
{
    let loading = loader.load(missing);
    if !tags.are_named() {
        return loading;
    }
    loading.map(move |batch| Ok(batch?.with_tags(tags))).boxed()
}
