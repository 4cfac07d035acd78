//! The published hitbox 0.2. A hit is decoded, by JSON unless another format is asked for.

use std::{
    any::Any,
    future::{Ready, ready},
    rc::Rc,
    sync::Arc,
};

use hitbox_benches::{
    Failure, Runner,
    bodies::{self, Size, Text},
    keys,
    questions::concurrent::in_tasks,
};
use peer_hitbox_backend::{
    BackendError, CacheBackend, Compose,
    composition::{CompositionPolicy, policy::ParallelReadPolicy},
    format::{BincodeFormat, JsonFormat},
};
use peer_hitbox_core::{
    CacheContext, CacheKey, CachePolicy, CacheValue, CacheableResponse, DisabledOffload,
    EntityPolicyConfig, KeyPart, Predicate, ResponseCachePolicy,
};
use peer_hitbox_moka::MokaBackend;
use peer_hitbox_redis::{ConnectionMode, RedisBackend};
use tokio::runtime::Runtime;

use super::{ENTRIES, body, over_hot};

/// What its typed calls are told the type by: they take the type of a response, of which they read and
/// write the part that is cached.
struct Response(Text);

impl CacheableResponse for Response {
    type Cached = Text;
    type Subject = Self;
    type IntoCachedFuture = Ready<CachePolicy<Text, Self>>;
    type FromCachedFuture = Ready<Self>;

    // For middleware, of which there is none here.
    async fn cache_policy<P>(
        self,
        _predicates: P,
        _config: &EntityPolicyConfig,
    ) -> ResponseCachePolicy<Self>
    where
        P: Predicate<Subject = Self> + Send + Sync,
    {
        CachePolicy::NonCacheable(self)
    }

    fn into_cached(self) -> Self::IntoCachedFuture {
        ready(CachePolicy::Cacheable(self.0))
    }

    fn from_cached(cached: Text) -> Self::FromCachedFuture {
        ready(Self(cached))
    }
}

async fn read(cache: &impl CacheBackend, key: &CacheKey) -> Result<(), Failure> {
    let mut context = CacheContext::default().boxed();
    let found = cache.get::<Response>(key, &mut context).await;
    std::hint::black_box(&found.map_err(failure)?.ok_or("a miss")?);
    Ok(())
}

async fn write(
    cache: &impl CacheBackend,
    key: &CacheKey,
    value: &CacheValue<Text>,
) -> Result<(), Failure> {
    let mut context = CacheContext::default().boxed();
    let written = cache.set::<Response>(key, value, &mut context).await;
    written.map_err(failure)
}

/// Its errors cannot be shared between threads, as a `Failure` can.
fn failure(error: BackendError) -> Failure {
    error.to_string().into()
}

fn json() -> MokaBackend<JsonFormat> {
    MokaBackend::builder().max_entries(ENTRIES).build()
}

fn bincode() -> MokaBackend<BincodeFormat> {
    let builder = MokaBackend::builder().max_entries(ENTRIES);
    builder.value_format(BincodeFormat).build()
}

/// A key of the same parts as the other subjects'.
fn key(prefix: &str, index: usize) -> CacheKey {
    let id = format!("{index:016}");
    CacheKey::new(prefix, 1, vec![KeyPart::new("id", Some(id))])
}

fn hot_keys() -> Vec<CacheKey> {
    (0..keys::HOT).map(|index| key("users", index)).collect()
}

fn value(index: usize, size: Size) -> CacheValue<Text> {
    CacheValue::new(body(index, size), bodies::expiry(), None)
}

fn fill(
    runtime: &Runtime,
    cache: &impl CacheBackend,
    keys: &[CacheKey],
    size: Size,
) -> Result<(), Failure> {
    runtime.block_on(async {
        for (index, key) in keys.iter().enumerate() {
            write(cache, key, &value(index, size)).await?;
        }
        Ok(())
    })
}

fn hits_of(
    runtime: &Rc<Runtime>,
    cache: impl CacheBackend + 'static,
    size: Size,
) -> Result<Runner, Failure> {
    let keys = hot_keys();
    fill(runtime, &cache, &keys, size)?;
    Ok(over_hot(runtime, keys, async move |key: &CacheKey| {
        read(&cache, key).await
    }))
}

/// Its moka, with so many entries: bytes by bincode.
pub(crate) fn filled(
    runtime: &Runtime,
    entries: usize,
    size: Size,
) -> Result<Box<dyn Any>, Failure> {
    let builder = MokaBackend::builder().max_entries(2 * entries as u64);
    let cache = builder.value_format(BincodeFormat).build();
    runtime.block_on(async {
        for index in 0..entries {
            write(&cache, &key("users", index), &value(index, size)).await?;
        }
        Ok::<_, Failure>(())
    })?;
    Ok(Box::new(cache))
}

fn sets_of(runtime: &Rc<Runtime>, cache: impl CacheBackend + 'static, size: Size) -> Runner {
    let value = value(0, size);
    over_hot(runtime, hot_keys(), async move |key: &CacheKey| {
        write(&cache, key, &value).await
    })
}

pub(crate) fn hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    hits_of(runtime, bincode(), size)
}

pub(crate) fn json_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    hits_of(runtime, json(), size)
}

pub(crate) fn composed_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    hits_of(runtime, bincode().compose(bincode(), DisabledOffload), size)
}

pub(crate) fn composed_json_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    hits_of(runtime, json().compose(json(), DisabledOffload), size)
}

/// Both layers are read, and hit.
pub(crate) fn parallel_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
    let cache = bincode().compose_with(bincode(), DisabledOffload, policy);
    hits_of(runtime, cache, size)
}

pub(crate) fn sets(runtime: &Rc<Runtime>, size: Size) -> Runner {
    sets_of(runtime, bincode().compose(bincode(), DisabledOffload), size)
}

pub(crate) fn json_sets(runtime: &Rc<Runtime>, size: Size) -> Runner {
    sets_of(runtime, json().compose(json(), DisabledOffload), size)
}

/// Reads that moka misses and Redis answers. Nothing is copied to moka, as is the default.
pub(crate) fn redis_reads(
    runtime: &Rc<Runtime>,
    url: &str,
    prefix: &str,
    keys: usize,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let builder = RedisBackend::builder().connection(ConnectionMode::single(url));
    let redis = builder.value_format(BincodeFormat).build()?;
    let keys: Vec<_> = (0..keys).map(|index| key(prefix, index)).collect();
    fill(runtime, &redis, &keys, size)?;
    let shared = Arc::new((bincode().compose(redis, DisabledOffload), keys));
    Ok(in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, keys) = &*shared;
            read(cache, &keys[index % keys.len()]).await
        }
    }))
}

/// Writes to moka and to Redis, by the default policy.
pub(crate) fn redis_sets(
    runtime: &Rc<Runtime>,
    url: &str,
    prefix: &str,
    keys: usize,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let builder = RedisBackend::builder().connection(ConnectionMode::single(url));
    let redis = builder.value_format(BincodeFormat).build()?;
    let keys: Vec<_> = (0..keys).map(|index| key(prefix, index)).collect();
    let cache = bincode().compose(redis, DisabledOffload);
    let shared = Arc::new((cache, keys, value(0, size)));
    Ok(in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, keys, value) = &*shared;
            write(cache, &keys[index % keys.len()], value).await
        }
    }))
}
