//! Backends in process, composed in the ways that questions ask for.

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, CacheBackend, OffloadManager};
use hitbox_core::{CacheContext, CacheKey};
use hitbox_moka::MokaBackend;
use tokio::runtime::Runtime;

use crate::{
    Failure, Runner,
    bodies::{self, Body, Size},
    floor::{RawMoka, raw_moka},
    keys::{self, Order},
};

/// moka with room for so many entries.
pub(super) fn moka(entries: u64) -> Result<MokaBackend, Failure> {
    Ok(MokaBackend::builder().max_entries(entries).build()?)
}

/// A background that runs what it is given on this runtime.
pub(super) fn background(runtime: &Runtime) -> Result<OffloadManager, Failure> {
    let builder = OffloadManager::builder().runtime(runtime.handle().clone());
    Ok(builder.build()?)
}

/// Writes a body of this size under each key.
pub(super) fn fill<T: Body>(
    runtime: &Runtime,
    cache: &impl Backend,
    keys: &[CacheKey],
    size: Size,
) -> Result<(), Failure> {
    let expiry = bodies::expiry();
    runtime.block_on(async {
        for (id, key) in (0..).zip(keys) {
            let body = Arc::new(T::new(id, size));
            cache.set(key, bodies::value(&body, expiry)).await?;
        }
        Ok(())
    })
}

/// The same for a floor.
pub(super) fn fill_raw<T: Body>(
    runtime: &Runtime,
    cache: &RawMoka,
    keys: &[Arc<str>],
    size: Size,
) -> Result<(), Failure> {
    runtime.block_on(async {
        for (id, key) in (0..).zip(keys) {
            let encoded = bodies::encoded(&T::new(id, size))?;
            cache.insert(Arc::clone(key), encoded).await;
        }
        Ok(())
    })
}

/// Typed reads of hot keys, all of them hits.
pub(super) fn typed_hits<T: Body>(
    runtime: &Rc<Runtime>,
    cache: impl Backend + 'static,
    size: Size,
) -> Result<Runner, Failure> {
    fill::<T>(runtime, &cache, &keys::keys(keys::HOT), size)?;
    let keys = keys::keys(keys::HOT);
    let mut order = Order::even(keys::HOT);
    Ok(Runner::repeating(runtime, async move || {
        let mut context = CacheContext::default().boxed();
        let found = cache.get::<T>(&keys[order.advance()], &mut context).await?;
        std::hint::black_box(&found.ok_or("a miss")?);
        Ok(())
    }))
}

/// F: raw reads of hot keys, all of them hits.
pub(super) fn raw_hits<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = raw_moka(10_000);
    fill_raw::<T>(runtime, &cache, &keys::texts(keys::HOT), size)?;
    let keys = keys::texts(keys::HOT);
    let mut order = Order::even(keys::HOT);
    Ok(Runner::repeating(runtime, async move || {
        let found = cache.get(&keys[order.advance()]).await;
        std::hint::black_box(&found.ok_or("a miss")?);
        Ok(())
    }))
}
