//! cached: its store in process with a lifetime and a bound, where a hit returns a clone of what was
//! stored (here an `Arc`), and its store in Redis, where a hit is decoded.

use std::{any::Any, rc::Rc, sync::Arc, time::Duration};

use cached::{
    AsyncRedisCache, ConcurrentCached, ConcurrentCachedAsync, ShardedLruTtlCache, macros::cached,
};
use futures::{FutureExt, future::BoxFuture};
use hitbox_benches::{
    Failure, Runner,
    bodies::{Size, Text},
    keys,
    questions::concurrent::in_tasks,
};
use tokio::runtime::Runtime;

use super::{
    ENTRIES, body,
    loading::{Emptied, Loading},
    over_hot,
};

const LIFE: Duration = Duration::from_secs(3_600);

pub(crate) fn hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = ShardedLruTtlCache::new(usize::try_from(ENTRIES)?, LIFE);
    let keys = keys::texts(keys::HOT);
    for (index, key) in keys.iter().enumerate() {
        cache.set(Arc::clone(key), Arc::new(body(index, size)));
    }
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        std::hint::black_box(&cache.get(key).ok_or("a miss")?);
        Ok(())
    }))
}

/// The store in process, with so many entries.
pub(crate) fn filled(_: &Runtime, entries: usize, size: Size) -> Result<Box<dyn Any>, Failure> {
    let cache = ShardedLruTtlCache::new(2 * entries, LIFE);
    for index in 0..entries {
        cache.set(keys::text(index), Arc::new(body(index, size).clone()));
    }
    Ok(Box::new(cache))
}

pub(crate) fn redis_reads(
    runtime: &Rc<Runtime>,
    url: &str,
    names: Vec<String>,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let builder = AsyncRedisCache::<String, Text>::builder("cached:")
        .ttl(LIFE)
        .connection_string(url);
    let cache = runtime.block_on(builder.build())?;
    for (index, name) in names.iter().enumerate() {
        runtime.block_on(cache.async_cache_set(name.clone(), body(index, size)))?;
    }
    let shared = Arc::new((cache, names));
    Ok(in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, names) = &*shared;
            let found = cache.async_cache_get(&names[index % names.len()]).await?;
            std::hint::black_box(&found.ok_or("a miss")?);
            Ok(())
        }
    }))
}

/// `async_cache_get_or_set_with` of the store in process, by which each who misses loads.
#[derive(Clone)]
pub(crate) struct GetOrSet(Arc<ShardedLruTtlCache<Arc<str>, Arc<Text>>>);

impl Loading for GetOrSet {
    type Key = Arc<str>;

    fn open(_: &Runtime) -> Result<Self, Failure> {
        let cache = ShardedLruTtlCache::new(usize::try_from(ENTRIES)?, LIFE);
        Ok(Self(Arc::new(cache)))
    }

    fn key(index: usize) -> Arc<str> {
        keys::text(index)
    }

    async fn get(
        &self,
        key: &Arc<str>,
        load: impl Future<Output = Text> + Send + 'static,
    ) -> Result<(), Failure> {
        let load = || async { Arc::new(load.await) };
        let value = self.0.async_cache_get_or_set_with(Arc::clone(key), load);
        std::hint::black_box(&value.await?);
        Ok(())
    }
}

impl Emptied for GetOrSet {
    async fn empty(&self) -> Result<(), Failure> {
        ConcurrentCached::cache_clear(&*self.0)?;
        Ok(())
    }
}

/// A function with the attribute by which one loads for all: its store is a static, and is not emptied.
#[derive(Clone)]
pub(crate) struct ByKey;

#[cached(
    max_size = 10_000,
    key = "Arc<str>",
    convert = "{ Arc::clone(&_key) }",
    sync_writes = "by_key"
)]
async fn loaded(_key: Arc<str>, load: BoxFuture<'static, Text>) -> Arc<Text> {
    Arc::new(load.await)
}

impl Loading for ByKey {
    type Key = Arc<str>;

    fn open(_: &Runtime) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn key(index: usize) -> Arc<str> {
        keys::text(index)
    }

    async fn get(
        &self,
        key: &Arc<str>,
        load: impl Future<Output = Text> + Send + 'static,
    ) -> Result<(), Failure> {
        std::hint::black_box(&loaded(Arc::clone(key), load.boxed()).await);
        Ok(())
    }
}
