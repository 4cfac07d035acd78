//! What caches are built over.

use std::{sync::Arc, time::Duration};

use hitbox::redis::RedisBackend;
use hitbox::{Backend, BackendExt, Compose, moka::MokaBackend, quick_cache::QuickCacheBackend};
use hitbox_backend::{
    DisabledOffload, RetryConfig,
    chaos::{ChaosBackend, ChaosHandle},
    conformance::MemoryBackend,
};
use test_servers::redis::SharedRedis;

pub(crate) type Over = Arc<dyn Backend>;

pub(crate) fn moka() -> MokaBackend {
    MokaBackend::builder().max_entries(100_000).build().unwrap()
}

pub(crate) fn of_moka() -> Over {
    Arc::new(moka())
}

pub(crate) fn of_quick_cache() -> Over {
    let backend = QuickCacheBackend::builder().max_entries(100_000);
    Arc::new(backend.build().unwrap())
}

pub(crate) fn of_moka_over_memory() -> Over {
    Arc::new(moka().compose(MemoryBackend::new(), DisabledOffload))
}

pub(crate) fn of_a_nest() -> Over {
    let inner = moka().compose(MemoryBackend::new(), DisabledOffload);
    Arc::new(MemoryBackend::new().compose(inner, DisabledOffload))
}

pub(crate) fn of_wrappers() -> Over {
    let composed = moka().compose(MemoryBackend::new(), DisabledOffload);
    let wrapped = composed
        .retry(RetryConfig::default())
        .unwrap()
        .deadline(Duration::from_secs(3_600))
        .unwrap();
    Arc::new(wrapped)
}

/// Two of them over one server see what the other stores.
pub(crate) fn of_moka_over_redis(redis: &SharedRedis) -> Over {
    let l2 = RedisBackend::builder()
        .url(redis.url())
        .namespace(redis.namespace())
        .build();
    Arc::new(moka().compose(l2.unwrap(), DisabledOffload))
}

/// moka over a layer that can be made to fail and to hang.
pub(crate) fn moka_over_chaos() -> (Over, ChaosHandle) {
    let l2 = ChaosBackend::builder(MemoryBackend::new()).build().unwrap();
    let chaos = l2.handle();
    (Arc::new(moka().compose(l2, DisabledOffload)), chaos)
}

/// Each test once for each kind of backend.
macro_rules! on_every_backend {
    ($($test:ident),+ $(,)?) => {
        on_every_backend!(@ moka, of_moka, $($test),+);
        on_every_backend!(@ quick_cache, of_quick_cache, $($test),+);
        on_every_backend!(@ moka_over_memory, of_moka_over_memory, $($test),+);
        on_every_backend!(@ nested, of_a_nest, $($test),+);
        on_every_backend!(@ wrapped, of_wrappers, $($test),+);
    };
    (@ $kind:ident, $over:ident, $($test:ident),+) => {
        mod $kind {
            $(
                #[tokio::test(start_paused = true)]
                async fn $test() {
                    super::$test(crate::backends::$over()).await;
                }
            )+
        }
    };
}

/// Each test once over a Redis server. Its clock is not paused: a deadline of the client would pass while the server
/// works.
macro_rules! on_redis {
    ($($test:ident),+ $(,)?) => {
        mod moka_over_redis {
            $(
                #[tokio::test]
                async fn $test() {
                    let redis = test_servers::redis::SharedRedis::open().await.unwrap();
                    super::$test(crate::backends::of_moka_over_redis(&redis)).await;
                }
            )+
        }
    };
}

pub(crate) use on_every_backend;
pub(crate) use on_redis;
