//! What the cache is made of, and what is kept in it.

use std::time::Duration;

use hitbox::{
    BackendResult, Cache, Compose, CompositionPolicy, Keyspace, OffloadManager, StoreSettings,
    backend::{CompositionBackend, RaceWritePolicy, SequentialReadPolicy},
    moka::MokaBackend,
    redis::RedisBackend,
};

use crate::{arguments::Lives, primes::Report};

/// Reports by their limit. The version is that of `Report`: raised when it changes, it leaves old entries behind.
pub(crate) const REPORTS: Keyspace<usize, Report> = Keyspace::new("primes", 1);

/// Moka in front of Redis.
pub(crate) type Layers = CompositionBackend<
    MokaBackend,
    RedisBackend,
    OffloadManager,
    SequentialReadPolicy,
    RaceWritePolicy,
>;

/// What one instance of the service has removed, the others still have in moka: for this long.
const LIFE_IN_MOKA: Duration = Duration::from_secs(30);

/// What the keys begin with: others may use the same server.
const NAMESPACE: &str = "moka_redis";

/// Does no I/O: whether Redis can be reached turns out when it is first asked.
pub(crate) fn layers(redis: String, offload: OffloadManager) -> BackendResult<Layers> {
    // Of both layers.
    let settings = StoreSettings::new().namespace(NAMESPACE);
    let moka = MokaBackend::builder()
        .max_bytes(64 << 20)
        .settings(settings.clone())
        .build()?;
    let redis = RedisBackend::builder()
        .url(redis)
        .settings(settings)
        .build()?;
    let policy = CompositionPolicy::new()
        // Moka first, and Redis only for what moka does not have.
        .read(SequentialReadPolicy::new())
        // What is made is in moka at once, and in Redis when Redis can.
        .write(RaceWritePolicy::new())
        .l1_ttl(LIFE_IN_MOKA);
    Ok(moka.compose_with(redis, offload, policy))
}

pub(crate) fn cache(layers: Layers, lives: Lives) -> BackendResult<Cache> {
    let Lives { fresh, keep } = lives;
    Cache::builder(layers)
        .ttl(fresh)
        .stale_while_revalidate(keep.saturating_sub(fresh))
        .build()
}
