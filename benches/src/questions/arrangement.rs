//! Backends in process, composed in the ways that questions ask for.

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, CacheBackend, OffloadManager};
use hitbox_core::{CacheContext, CacheKey};
use hitbox_moka::MokaBackend;
use hitbox_quick_cache::QuickCacheBackend;
use tokio::runtime::Runtime;

use crate::{
    Failure, Runner,
    bodies::{self, Body, Size},
    floor::{RawMoka, raw_moka},
    keys::{self, Order},
};

/// moka with room for so many entries.
pub(crate) fn moka(entries: u64) -> Result<MokaBackend, Failure> {
    Ok(MokaBackend::builder().max_entries(entries).build()?)
}

/// `quick_cache` with room for so many entries.
pub(crate) fn quick_cache(entries: u64) -> Result<QuickCacheBackend, Failure> {
    Ok(QuickCacheBackend::builder().max_entries(entries).build()?)
}

/// moka with the namespace of the layer behind it.
#[cfg(any(feature = "redis", feature = "dynamodb"))]
pub(super) fn moka_over(entries: u64, l2: &impl Backend) -> Result<MokaBackend, Failure> {
    let builder = MokaBackend::builder().max_entries(entries);
    Ok(builder.key_format(l2.key_format().clone()).build()?)
}

/// A background that runs what it is given on this runtime.
pub(super) fn background(runtime: &Runtime) -> Result<OffloadManager, Failure> {
    let builder = OffloadManager::builder().runtime(runtime.handle().clone());
    Ok(builder.build()?)
}

/// Writes a body of this size, its own, under each of the keys 0 up to `count`.
pub(super) fn fill<T: Body>(
    runtime: &Runtime,
    cache: &impl Backend,
    count: usize,
    size: Size,
) -> Result<(), Failure> {
    let expiry = bodies::expiry();
    runtime.block_on(async {
        for (id, index) in (0..).zip(0..count) {
            let body = Arc::new(T::new(id, size));
            let value = bodies::value(&body, expiry);
            cache.set(&keys::key(index), value).await?;
        }
        Ok(())
    })
}

/// The same for a floor.
pub(super) fn fill_raw<T: Body>(
    runtime: &Runtime,
    cache: &RawMoka,
    count: usize,
    size: Size,
) -> Result<(), Failure> {
    runtime.block_on(async {
        for (id, index) in (0..).zip(0..count) {
            let encoded = bodies::encoded(&T::new(id, size))?;
            cache.insert(keys::text(index), encoded).await;
        }
        Ok(())
    })
}

/// One typed read, which is to hit.
#[inline]
pub(super) async fn hit<T: Body>(cache: &impl Backend, key: &CacheKey) -> Result<(), Failure> {
    let mut context = CacheContext::default().boxed();
    let found = cache.get_with::<T>(key, &mut context).await?;
    std::hint::black_box(&found.ok_or("a miss")?);
    Ok(())
}

/// Typed reads of these keys in this order, all of them hits.
pub(super) fn hits<T: Body>(
    runtime: &Rc<Runtime>,
    cache: impl Backend + 'static,
    keys: Vec<CacheKey>,
    mut order: Order,
) -> Runner {
    Runner::repeating(runtime, async move || {
        hit::<T>(&cache, &keys[order.advance()]).await
    })
}

/// Typed reads of hot keys, which are written first.
pub(super) fn typed_hits<T: Body>(
    runtime: &Rc<Runtime>,
    cache: impl Backend + 'static,
    size: Size,
) -> Result<Runner, Failure> {
    fill::<T>(runtime, &cache, keys::HOT, size)?;
    let (keys, order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
    Ok(hits::<T>(runtime, cache, keys, order))
}

/// The same reads of a floor.
pub(super) fn hits_of_raw(
    runtime: &Rc<Runtime>,
    cache: RawMoka,
    keys: Vec<Arc<str>>,
    mut order: Order,
) -> Runner {
    Runner::repeating(runtime, async move || {
        let found = cache.get(&keys[order.advance()]).await;
        std::hint::black_box(&found.ok_or("a miss")?);
        Ok(())
    })
}

/// F: raw reads of hot keys, all of them hits.
pub(super) fn raw_hits<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = raw_moka(10_000);
    fill_raw::<T>(runtime, &cache, keys::HOT, size)?;
    let (keys, order) = (keys::texts(keys::HOT), Order::even(keys::HOT));
    Ok(hits_of_raw(runtime, cache, keys, order))
}
