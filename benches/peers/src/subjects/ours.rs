//! The hitbox of this checkout. A hit in process returns the object that was stored, shared.

use std::{any::Any, rc::Rc, sync::Arc, time::Duration};

use hitbox::{Cache, Key};
use hitbox_backend::{
    Backend, CacheBackend, Compose, CompositionPolicy, OffloadManager, ParallelReadPolicy,
    RefillPolicy,
};
use hitbox_benches::{
    Failure, Runner,
    bodies::{self, Size, Text},
    keys,
    questions::concurrent::in_tasks,
};
use hitbox_core::{CacheContext, CacheKey, DisabledOffload};
use hitbox_moka::MokaBackend;
use hitbox_quick_cache::QuickCacheBackend;
use hitbox_redis::RedisBackend;
use tokio::runtime::Runtime;

use super::{
    ENTRIES, body,
    loading::{Emptied, Loading},
    over_hot,
};

fn moka() -> Result<MokaBackend, Failure> {
    Ok(MokaBackend::builder().max_entries(ENTRIES).build()?)
}

fn quick_cache() -> Result<QuickCacheBackend, Failure> {
    let builder = QuickCacheBackend::builder().max_entries(ENTRIES);
    Ok(builder.build()?)
}

/// moka with the namespace of the layer behind it.
fn moka_over(l2: &RedisBackend) -> Result<MokaBackend, Failure> {
    let builder = MokaBackend::builder().max_entries(ENTRIES);
    Ok(builder.key_format(l2.key_format().clone()).build()?)
}

fn fill(
    runtime: &Runtime,
    cache: &impl Backend,
    keys: &[CacheKey],
    size: Size,
) -> Result<(), Failure> {
    runtime.block_on(async {
        for (index, key) in keys.iter().enumerate() {
            let value = bodies::value(&Arc::new(body(index, size)), bodies::expiry());
            cache.set(key, value).await?;
        }
        Ok(())
    })
}

fn hits_of(
    runtime: &Rc<Runtime>,
    cache: impl Backend + 'static,
    size: Size,
) -> Result<Runner, Failure> {
    let keys = keys::keys(keys::HOT);
    fill(runtime, &cache, &keys, size)?;
    Ok(over_hot(runtime, keys, async move |key: &CacheKey| {
        let mut context = CacheContext::default().boxed();
        let found = cache.get_with::<Text>(key, &mut context).await?;
        std::hint::black_box(&found.ok_or("a miss")?);
        Ok(())
    }))
}

pub(crate) fn hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    hits_of(runtime, moka()?, size)
}

pub(crate) fn composed_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    hits_of(runtime, moka()?.compose(moka()?, DisabledOffload), size)
}

pub(crate) fn quick_cache_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    hits_of(runtime, quick_cache()?, size)
}

pub(crate) fn quick_cache_over_moka_hits(
    runtime: &Rc<Runtime>,
    size: Size,
) -> Result<Runner, Failure> {
    hits_of(
        runtime,
        quick_cache()?.compose(moka()?, DisabledOffload),
        size,
    )
}

/// So many entries, one after another.
fn fill_with(
    runtime: &Runtime,
    cache: impl Backend + 'static,
    entries: usize,
    size: Size,
) -> Result<Box<dyn Any>, Failure> {
    runtime.block_on(async {
        for index in 0..entries {
            let value = bodies::value(&Arc::new(body(index, size).clone()), bodies::expiry());
            cache.set(&keys::key(index), value).await?;
        }
        Ok::<_, Failure>(())
    })?;
    Ok(Box::new(cache))
}

/// moka with so many entries.
pub(crate) fn filled(
    runtime: &Runtime,
    entries: usize,
    size: Size,
) -> Result<Box<dyn Any>, Failure> {
    let builder = MokaBackend::builder().max_entries(2 * entries as u64);
    fill_with(runtime, builder.build()?, entries, size)
}

/// `quick_cache` with so many entries.
pub(crate) fn filled_quick_cache(
    runtime: &Runtime,
    entries: usize,
    size: Size,
) -> Result<Box<dyn Any>, Failure> {
    let builder = QuickCacheBackend::builder().max_entries(2 * entries as u64);
    fill_with(runtime, builder.build()?, entries, size)
}

/// Both layers are read, and hit.
pub(crate) fn parallel_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
    let cache = moka()?.compose_with(moka()?, DisabledOffload, policy);
    hits_of(runtime, cache, size)
}

pub(crate) fn sets(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = moka()?.compose(moka()?, DisabledOffload);
    let (body, expiry) = (Arc::new(body(0, size)), bodies::expiry());
    let keys = keys::keys(keys::HOT);
    Ok(over_hot(runtime, keys, async move |key: &CacheKey| {
        cache.set(key, bodies::value(&body, expiry)).await?;
        Ok(())
    }))
}

/// Reads that moka misses and Redis answers. Nothing is copied to moka.
pub(crate) fn redis_reads(
    runtime: &Rc<Runtime>,
    url: &str,
    namespace: &str,
    keys: usize,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let redis = RedisBackend::builder()
        .url(url)
        .namespace(namespace)
        .build()?;
    let keys = keys::keys(keys);
    fill(runtime, &redis, &keys, size)?;
    let background = OffloadManager::builder().runtime(runtime.handle().clone());
    let policy = CompositionPolicy::new().refill(RefillPolicy::Never);
    let cache = moka_over(&redis)?.compose_with(redis, background.build()?, policy);
    let shared = Arc::new((cache, keys));
    Ok(in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, keys) = &*shared;
            let mut context = CacheContext::default().boxed();
            let key = &keys[index % keys.len()];
            let found = cache.get_with::<Text>(key, &mut context).await?;
            std::hint::black_box(&found.ok_or("a miss")?);
            Ok(())
        }
    }))
}

/// Writes to moka and to Redis, by the default policy.
pub(crate) fn redis_sets(
    runtime: &Rc<Runtime>,
    url: &str,
    namespace: &str,
    keys: usize,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let redis = RedisBackend::builder()
        .url(url)
        .namespace(namespace)
        .build()?;
    let background = OffloadManager::builder().runtime(runtime.handle().clone());
    let cache = moka_over(&redis)?.compose(redis, background.build()?);
    let (body, expiry) = (Arc::new(body(0, size)), bodies::expiry());
    let shared = Arc::new((cache, keys::keys(keys), body));
    Ok(in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, keys, body) = &*shared;
            let key = &keys[index % keys.len()];
            cache.set(key, bodies::value(body, expiry)).await?;
            Ok(())
        }
    }))
}

/// `get_or_load` over moka.
#[derive(Clone)]
pub(crate) struct OverMoka {
    cache: Cache,
    moka: MokaBackend,
}

impl Loading for OverMoka {
    type Key = Key<Text>;

    fn open(_: &Runtime) -> Result<Self, Failure> {
        let moka = moka()?;
        let builder = Cache::builder(moka.clone()).ttl(Duration::from_secs(3_600));
        Ok(Self {
            cache: builder.build()?,
            moka,
        })
    }

    fn key(index: usize) -> Key<Text> {
        Key::untyped(keys::key(index))
    }

    async fn get(
        &self,
        key: &Key<Text>,
        load: impl Future<Output = Text> + Send + 'static,
    ) -> Result<(), Failure> {
        let value = self.cache.get_or_load(key, move || load).await?;
        std::hint::black_box(&value);
        Ok(())
    }

    async fn settle(&self) {
        self.cache.drain().await;
    }
}

impl Emptied for OverMoka {
    async fn empty(&self) -> Result<(), Failure> {
        self.moka.clear();
        self.moka.run_pending_tasks();
        Ok(())
    }
}
