//! A reply that the server does not send to its end, or that has none, is no other call's trouble.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod server;

use futures::future::join_all;
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_core::CacheKey;
use hitbox_redis::RedisBackend;
#[cfg(feature = "cluster")]
use server::{Observer, PATIENT};
use server::{key, patient, payload, value};
use test_servers::redis::{RedisOptions, RedisServer};

/// More than go by themselves.
const MANY: usize = 64;

/// More than the server sends.
const TOO_LARGE: usize = 3 << 20;

/// The one of [`keys`] that has a value like that.
const LARGE: usize = 20;

fn keys() -> Vec<CacheKey> {
    (0..MANY).map(|number| key(&number.to_string())).collect()
}

/// A server that hangs up on whoever has more than a mebibyte of replies to come.
async fn that_sends_a_mebibyte() -> RedisServer {
    let options = RedisOptions::new().setting("client-output-buffer-limit", "normal 1mb 1mb 1");
    RedisServer::start(options).await.unwrap()
}

async fn fill(cache: &RedisBackend, keys: &[CacheKey], length: usize) {
    let entries = keys.iter().map(|key| (key.clone(), vec![7; length]));
    for (key, bytes) in entries {
        cache.write(&key, value(bytes)).await.unwrap();
    }
}

/// Small values, and one that is too large.
async fn fill_with_one_too_large(cache: &RedisBackend, keys: &[CacheKey]) {
    fill(cache, keys, 10).await;
    fill(cache, &keys[LARGE..=LARGE], TOO_LARGE).await;
}

#[track_caller]
fn assert_only_the_large_one_fails(found: Vec<hitbox_backend::ReadOutcome>) {
    for (number, found) in found.into_iter().enumerate() {
        match found {
            Ok(found) => assert!(found.is_some() && number != LARGE, "{number}"),
            Err(error) => {
                assert_eq!(number, LARGE, "{error}");
                assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn in_bulk_a_value_that_the_server_does_not_send_is_the_only_one_that_fails() {
    let server = that_sends_a_mebibyte().await;
    let (cache, keys) = (patient(&server), keys());
    fill_with_one_too_large(&cache, &keys).await;
    for _ in 0..5 {
        assert_only_the_large_one_fails(cache.read_many(&keys).await);
    }
}

#[tokio::test]
async fn a_value_that_the_server_does_not_send_fails_no_other_task() {
    let server = that_sends_a_mebibyte().await;
    for tasks in [MANY, 21] {
        let (cache, keys) = (patient(&server), keys());
        fill_with_one_too_large(&cache, &keys).await;
        for _ in 0..10 {
            let reads = keys[..tasks].iter().map(|key| cache.read(key));
            assert_only_the_large_one_fails(join_all(reads).await);
        }
    }
}

/// It is known by then.
#[tokio::test]
async fn a_value_that_the_server_did_not_send_disturbs_no_write() {
    let server = that_sends_a_mebibyte().await;
    let (cache, keys) = (patient(&server), keys());
    fill_with_one_too_large(&cache, &keys).await;
    cache.read(&keys[LARGE]).await.unwrap_err();
    for round in 0..5 {
        let writing = keys[..LARGE].iter().map(|key| cache.write(key, value("x")));
        let reads = async {
            let one = cache.read(&keys[LARGE]).await;
            let many = cache.read_many(&keys).await;
            (one, many)
        };
        let (written, (one, many)) = tokio::join!(join_all(writing), reads);
        for written in written {
            written.unwrap();
        }
        one.unwrap_err();
        assert_only_the_large_one_fails(many);
        // Whatever was in the way of it before is not in the way of a smaller one.
        if round == 4 {
            cache.write(&keys[LARGE], value("small")).await.unwrap();
            let found = payload(cache.read(&keys[LARGE]).await.unwrap());
            assert_eq!(found.unwrap(), "small");
        }
    }
}

#[tokio::test]
async fn values_that_the_server_sends_one_by_one_only() {
    let server = that_sends_a_mebibyte().await;
    let (cache, keys) = (patient(&server), keys());
    fill(&cache, &keys, 100_000).await;
    for bulk in [true, false] {
        let cache = patient(&server);
        let mut opened = 0;
        for round in 0..4 {
            let found = match bulk {
                true => cache.read_many(&keys).await,
                false => join_all(keys.iter().map(|key| cache.read(key))).await,
            };
            for found in found {
                assert_eq!(payload(found.unwrap()).unwrap().len(), 100_000);
            }
            let now = cache.statistics().connections_opened;
            assert!(round == 0 || now == opened, "it is remembered");
            opened = now;
        }
    }
}

#[tokio::test]
async fn many_values_that_are_too_much_together() {
    let server = that_sends_a_mebibyte().await;
    let filled = patient(&server);
    let mut keys: Vec<_> = (0..3_000).map(|number| key(&number.to_string())).collect();
    for part in keys.chunks(500) {
        let entries = part.iter().map(|key| (key.clone(), value(vec![7; 900])));
        for written in filled.write_many(entries.collect()).await {
            written.unwrap();
        }
    }
    let cache = patient(&server);
    for _ in 0..3 {
        for found in cache.read_many(&keys).await {
            assert_eq!(payload(found.unwrap()).unwrap().len(), 900);
        }
        assert_eq!(cache.statistics().connections_opened, 4);
    }
    // And one that is too much by itself.
    fill(&filled, &keys[2_000..=2_000], TOO_LARGE).await;
    keys.swap(LARGE, 2_000);
    for _ in 0..3 {
        assert_only_the_large_one_fails(cache.read_many(&keys).await);
    }
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_value_that_a_node_does_not_send_fails_no_other() {
    let cluster = test_servers::redis::RedisCluster::start().await.unwrap();
    for url in cluster.urls() {
        let limit = b"normal 1mb 1mb 1";
        let mut node = Observer::connect(&url).await;
        let command: [&[u8]; 4] = [b"CONFIG", b"SET", b"client-output-buffer-limit", limit];
        let () = node.ask(&command).await;
    }
    let settings = RedisBackend::builder().cluster_nodes(cluster.urls());
    let (cache, keys) = (settings.deadline(PATIENT).build().unwrap(), keys());
    fill_with_one_too_large(&cache, &keys).await;
    for _ in 0..5 {
        assert_only_the_large_one_fails(cache.read_many(&keys).await);
        let reads = keys.iter().map(|key| cache.read(key));
        assert_only_the_large_one_fails(join_all(reads).await);
    }
}
