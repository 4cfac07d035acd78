//! The contract of `Backend`, on a real server.

use std::{sync::Arc, time::Duration};

use crate::server;
use hitbox_backend::{Backend, compression::GzipCompressor, conformance::Subject};
use hitbox_core::CacheKey;
use hitbox_redis::{RedisBackend, RedisBackendBuilder};
use test_servers::redis::SharedRedis;

/// The suite over backends with these settings; another connection puts bytes under their keys.
async fn assert_conforms(url: &str, settings: RedisBackendBuilder) {
    // The suite does everything at once; on a machine that has other things to do, too, that takes
    // its time.
    let settings = settings.deadline(Duration::from_secs(30));
    let backend = settings.clone().build().unwrap();
    let other = server::connection(url).await;
    let key_format = backend.key_format().clone();
    Subject::new(Arc::new(backend))
        .corrupt_with(move |key: CacheKey, bytes| {
            let mut set = redis::cmd("SET");
            set.arg(&*key_format.encode(&key)).arg(bytes);
            let mut other = other.clone();
            async move { set.exec_async(&mut other).await.unwrap() }
        })
        .reopen_with(move || {
            let backend = settings.clone().build().unwrap();
            async { Arc::new(backend) as Arc<dyn Backend> }
        })
        .assert_conforms()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let redis = SharedRedis::open().await.unwrap();
    let settings = RedisBackend::builder()
        .url(redis.url())
        .namespace(redis.namespace())
        .largest_value(1 << 20);
    assert_conforms(redis.url(), settings).await;
}

#[tokio::test]
async fn conforms_on_one_thread_with_compression_and_small_values() {
    let redis = SharedRedis::open().await.unwrap();
    let settings = RedisBackend::builder()
        .url(redis.url())
        .namespace(redis.namespace())
        .compressor(GzipCompressor::default())
        .largest_value(100_000);
    assert_conforms(redis.url(), settings).await;
}
