//! What holds for one server holds for a master that sentinels name.

use std::time::Duration;

use crate::{
    sentinel::{sentinel_of, through},
    server::{Observer, PATIENT, key, start, until, value},
};
use futures::future::join_all;
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_redis::RedisBackend;
use test_servers::redis::{RedisOptions, RedisSentinels, RedisServer};
use tokio::time::{sleep, timeout};

const MANY: usize = 64;

fn patient(sentinel: &RedisServer) -> RedisBackend {
    through(sentinel).deadline(PATIENT).build().unwrap()
}

/// The connection to the old master stays open, and nobody but its READONLY says that it is the master no
/// longer.
#[tokio::test]
async fn a_demoted_master_is_left_for_the_new_one() {
    let (old, new) = (start().await, start().await);
    let sentinel = sentinel_of(&old).await;
    let cache = patient(&sentinel);
    cache.write(&key("k"), value("before")).await.unwrap();

    let mut of_old = Observer::connect(&old.url()).await;
    let port = new.port().to_string();
    let new_address: [&[u8]; 2] = [b"127.0.0.1", port.as_bytes()];
    let () = of_old
        .ask(&[&[&b"REPLICAOF"[..]], &new_address[..]].concat())
        .await;
    // One that has just been opened is not replaced again.
    sleep(Duration::from_millis(250)).await;
    let error = cache.write(&key("k"), value("lost")).await.unwrap_err();
    assert!(error.is_retryable() && error.is_definite(), "{error}");

    let name = RedisSentinels::NAME.as_bytes();
    let mut of_sentinel = Observer::connect(&sentinel.url()).await;
    let () = of_sentinel.ask(&[b"SENTINEL", b"REMOVE", name]).await;
    let monitor: [&[u8]; 3] = [b"SENTINEL", b"MONITOR", name];
    let quorum: [&[u8]; 1] = [b"1"];
    let monitor = [&monitor[..], &new_address, &quorum].concat();
    let () = of_sentinel.ask(&monitor).await;
    let writes_go_on = until(async || cache.write(&key("k"), value("after")).await.is_ok());
    // Long before all sentinels are asked anyway, which is every 30 seconds.
    let limit = Duration::from_secs(15);
    timeout(limit, writes_go_on).await.unwrap();
    let mut of_new = Observer::connect(&new.url()).await;
    assert!(of_new.calls("set").await > 0);
}

/// A server in cluster mode that has all slots refuses MGET.
#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_master_in_cluster_mode_is_read_key_by_key() {
    let node = test_servers::redis::RedisCluster::start_one(None)
        .await
        .unwrap();
    let sentinel = sentinel_of(&node).await;
    let cache = patient(&sentinel);
    let keys: Vec<_> = (0..MANY).map(|number| key(&number.to_string())).collect();
    for key in &keys {
        cache.write(key, value("live")).await.unwrap();
    }
    for _ in 0..3 {
        for found in cache.read_many(&keys).await {
            assert!(found.unwrap().is_some());
        }
        for found in join_all(keys.iter().map(|key| cache.read(key))).await {
            assert!(found.unwrap().is_some());
        }
    }
}

/// The user may not ask ROLE either.
#[tokio::test]
async fn a_forbidden_key_fails_no_other() {
    let server = start().await;
    let sentinel = sentinel_of(&server).await;
    let all = patient(&sentinel);
    let mut keys: Vec<_> = (0..MANY).map(|number| key(&number.to_string())).collect();
    for key in &keys {
        all.write(key, value("live")).await.unwrap();
    }
    keys[7] = key("forbidden");
    let mut observer = Observer::connect(&server.url()).await;
    let rules = "ACL SETUSER user on >pass ~?:* ~??:* +get +mget +ping";
    let rules: Vec<_> = rules.split(' ').map(str::as_bytes).collect();
    let () = observer.ask(&rules).await;
    let settings = through(&sentinel).username("user").password("pass");
    let cache = settings.deadline(PATIENT).connect().await.unwrap();
    for _ in 0..5 {
        let together = join_all(keys.iter().map(|key| cache.read(key))).await;
        for found in [together, cache.read_many(&keys).await] {
            for (number, found) in found.into_iter().enumerate() {
                let kind = found.map(|found| found.is_some()).map_err(|e| e.kind());
                let denied = Err(BackendErrorKind::Denied);
                assert_eq!(
                    kind,
                    if number == 7 { denied } else { Ok(true) },
                    "{number}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_value_that_is_too_long_is_sent_once() {
    let options = RedisOptions::new().setting("proto-max-bulk-len", "1mb");
    let server = RedisServer::start(options).await.unwrap();
    let sentinel = sentinel_of(&server).await;
    let cache = patient(&sentinel);
    for _ in 0..5 {
        let long = value(vec![7; 3 << 20]);
        let error = cache.write(&key("k"), long).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::TooLarge, "{error}");
    }
    cache.write(&key("k"), value("short")).await.unwrap();
    assert_eq!(cache.statistics().connections_opened, 2, "it is remembered");
}
