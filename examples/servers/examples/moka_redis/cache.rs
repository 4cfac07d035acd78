//! What the cache is made of, and what is kept in it.

use std::time::Duration;

use hitbox::{
    BackendResult, Cache, Compose, CompositionPolicy, Keyspace, OffloadManager, StoreSettings,
    backend::{
        CompositionBackend, SequentialReadPolicy, StrictWritePolicy,
        coherence::{Coherence, InSilence},
    },
    moka::MokaBackend,
    redis::{RedisBackend, RedisBackplane},
};

use crate::{arguments::Lives, primes::Report};

/// Reports by their limit. The version is that of `Report`: raised when it changes, it leaves old entries behind.
pub(crate) const REPORTS: Keyspace<usize, Report> = Keyspace::new("primes", 1);

/// What users have noted of reports, by the limit.
pub(crate) const NOTES: Keyspace<usize, String> = Keyspace::new("notes", 1);

/// Moka in front of Redis.
pub(crate) type Layers = CompositionBackend<
    MokaBackend,
    RedisBackend,
    OffloadManager,
    SequentialReadPolicy,
    StrictWritePolicy,
>;

/// What one instance of the service has changed, the others serve from moka as it was before: for no longer than this.
const BOUND: Duration = Duration::from_millis(250);

/// Without Redis they do not hear of changes: then they serve what they have for so long, as stale.
const WITHOUT_REDIS: Duration = Duration::from_secs(30);

/// What the keys begin with: others may use the same server.
const NAMESPACE: &str = "moka_redis";

/// Waits for nothing: whether Redis can be reached turns out when it is first asked.
pub(crate) fn layers(redis: String, offload: OffloadManager) -> BackendResult<Layers> {
    // Of both layers.
    let settings = StoreSettings::new().namespace(NAMESPACE);
    let moka = MokaBackend::builder()
        .max_bytes(64 << 20)
        .settings(settings.clone())
        .build()?;
    // Where instances tell each other what they change.
    let plane = RedisBackplane::builder().url(redis.clone());
    let plane = plane.namespace(NAMESPACE).build()?;
    let redis = RedisBackend::builder()
        .url(redis)
        .settings(settings)
        .announce(&plane)
        .build()?;
    let policy = CompositionPolicy::new()
        // Moka first, and Redis only for what moka does not have.
        .read(SequentialReadPolicy::new())
        // A change is made if Redis has it: then the other instances hear of it.
        .write(StrictWritePolicy::new());
    let coherence = Coherence::within(BOUND).in_silence(InSilence::Stale(WITHOUT_REDIS));
    moka.compose_with(redis, offload, policy)
        .coherent(plane, coherence)
}

pub(crate) fn cache(layers: Layers, lives: Lives) -> BackendResult<Cache> {
    let Lives { fresh, keep } = lives;
    Cache::builder(layers)
        .ttl(fresh)
        .stale_while_revalidate(keep.saturating_sub(fresh))
        .build()
}
