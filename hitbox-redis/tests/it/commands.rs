//! What the server is asked to do for each operation, by its own count.

use crate::server;
use crate::server::{Observer, backend, key, payload, start, value};
use chrono::{TimeDelta, Utc};
use hitbox_backend::{Backend, DeleteStatus};
use hitbox_core::{CacheKey, CacheValue, Stamp};

const COUNTED: [&str; 8] = [
    "get", "mget", "set", "unlink", "del", "expire", "pexpire", "pttl",
];

async fn counts(observer: &mut Observer) -> Vec<(&'static str, u64)> {
    let mut counts = Vec::new();
    for command in COUNTED {
        match observer.calls(command).await {
            0 => {}
            calls => counts.push((command, calls)),
        }
    }
    counts
}

fn keys(count: usize) -> Vec<CacheKey> {
    (0..count).map(|index| key(&format!("{index}"))).collect()
}

#[tokio::test]
async fn single_operations_are_single_commands() {
    let server = start().await;
    let cache = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    for key in keys(10) {
        assert_eq!(cache.read(&key).await.unwrap(), None);
        cache.write(&key, value("live")).await.unwrap();
        assert!(cache.read(&key).await.unwrap().is_some());
    }
    assert_eq!(counts(&mut observer).await, [("get", 20), ("set", 10)]);
    for key in keys(10) {
        assert_eq!(cache.remove(&key).await.unwrap(), DeleteStatus::Deleted(1));
    }
    let expected = [("get", 20), ("set", 10), ("unlink", 10)];
    assert_eq!(counts(&mut observer).await, expected);
}

#[tokio::test]
async fn a_hundred_keys_are_one_mget_one_pipeline_of_set_and_one_of_unlink() {
    let server = start().await;
    let cache = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let keys = keys(100);
    let entries = keys.iter().cloned().map(|key| (key, value("live")));
    for written in cache.write_many(entries.collect()).await {
        written.unwrap();
    }
    for read in cache.read_many(&keys).await {
        assert!(read.unwrap().is_some());
    }
    for removed in cache.remove_many(&keys).await {
        assert_eq!(removed.unwrap(), DeleteStatus::Deleted(1));
    }
    let expected = [("mget", 1), ("set", 100), ("unlink", 100)];
    assert_eq!(counts(&mut observer).await, expected);
    assert!(cache.read_many(&[]).await.is_empty());
    assert!(cache.write_many(Vec::new()).await.is_empty());
    assert!(cache.remove_many(&[]).await.is_empty());
    assert_eq!(counts(&mut observer).await, expected);
}

#[tokio::test]
async fn an_expired_value_is_one_unlink() {
    let server = start().await;
    let cache = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let key = key("short-lived");
    cache.write(&key, value("old")).await.unwrap();
    let past = Utc::now() - TimeDelta::seconds(1);
    let expired = CacheValue::loaded(value("new").into_inner(), Stamp::now()).expires_at(past);
    cache.write(&key, expired).await.unwrap();
    assert_eq!(cache.read(&key).await.unwrap(), None);
    let expected = [("get", 1), ("set", 1), ("unlink", 1)];
    assert_eq!(counts(&mut observer).await, expected);
}

#[tokio::test]
async fn expiry_is_exact_to_the_millisecond_and_replaced_with_the_value() {
    let server = start().await;
    let cache = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let key = key("expiring");
    for expire in [
        Some(Utc::now() + TimeDelta::milliseconds(60_789)),
        Some(Utc::now() + TimeDelta::milliseconds(10_123)),
        None,
    ] {
        let value = CacheValue::from_parts(value("x").into_inner(), expire, None, Stamp::now());
        cache.write(&key, value.clone()).await.unwrap();
        let kept: i64 = observer.ask(&[b"PEXPIRETIME", b"expiring:v1"]).await;
        assert_eq!(kept, expire.map_or(-1, |expire| expire.timestamp_millis()));
        assert_eq!(cache.read(&key).await.unwrap(), Some(value));
    }
}

/// There is no package of 6.2: a user who has nothing that is younger stands for it.
#[tokio::test]
async fn the_commands_of_redis_6_2_are_enough() {
    let server = start().await;
    let mut observer = Observer::connect(&server.url()).await;
    let rules = "on >pass ~* -@all +auth +select +time +ping +get +mget +set +unlink";
    let mut user: Vec<&[u8]> = vec![b"ACL", b"SETUSER", b"old"];
    user.extend(rules.split(' ').map(str::as_bytes));
    let () = observer.ask(&user).await;
    let settings = server::builder(&server).username("old").password("pass");
    let cache = settings.database(3).connect().await.unwrap();
    let keys = keys(10);
    let entries = keys.iter().cloned().map(|key| (key, value("live")));
    for written in cache.write_many(entries.collect()).await {
        written.unwrap();
    }
    for key in &keys {
        assert!(cache.read(key).await.unwrap().is_some());
    }
    for found in cache.read_many(&keys).await {
        assert!(found.unwrap().is_some());
    }
    for removed in cache.remove_many(&keys).await {
        assert_eq!(removed.unwrap(), DeleteStatus::Deleted(1));
    }
    let denied: String = observer.ask(&[b"INFO", b"commandstats"]).await;
    let denied: Vec<_> = denied
        .lines()
        .filter(|line| !line.contains("rejected_calls=0"))
        .filter_map(|line| line.split_once(':')?.0.strip_prefix("cmdstat_"))
        .collect();
    // They may be refused: a name that shows in lists of clients, and a look for others who announce.
    let is_courtesy = |command: &&str| command.starts_with("client|") || *command == "exists";
    assert!(denied.iter().all(is_courtesy), "{denied:?}");
}

#[tokio::test]
async fn a_namespace_keeps_applications_apart() {
    let server = start().await;
    let shop = server::builder(&server).namespace("shop").build().unwrap();
    let bank = server::builder(&server).namespace("bank").build().unwrap();
    let mut observer = Observer::connect(&server.url()).await;
    let key = key("user");
    shop.write(&key, value("of the shop")).await.unwrap();
    assert_eq!(bank.read(&key).await.unwrap(), None);
    let found = payload(shop.read(&key).await.unwrap());
    assert_eq!(found.as_deref(), Some(&b"of the shop"[..]));
    let stored: Vec<String> = observer.ask(&[b"KEYS", b"*"]).await;
    assert_eq!(stored, ["shop::user:v1"]);
}
