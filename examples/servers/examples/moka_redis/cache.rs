//! What the cache is made of.

use std::time::Duration;

use hitbox_backend::{
    BackendResult, Compose, CompositionBackend, CompositionPolicy, OffloadManager, RaceWritePolicy,
    SequentialReadPolicy, StoreSettings,
};
use hitbox_moka::MokaBackend;
use hitbox_redis::RedisBackend;

pub(crate) type Cache = CompositionBackend<
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
pub(crate) fn open(redis: String, offload: OffloadManager) -> BackendResult<Cache> {
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
        // Moka has a value at once; no request waits for Redis to have it too.
        .write(RaceWritePolicy::new())
        .l1_ttl(LIFE_IN_MOKA);
    Ok(moka.compose_with(redis, offload, policy))
}
