//! What the server refuses of one key, or of one user, is no other key's trouble.

use crate::server::{Observer, PATIENT, builder, key, patient, payload, start, value};
use futures::future::join_all;
use hitbox_backend::{Backend, BackendError, BackendErrorKind, DeleteStatus};
use hitbox_core::CacheKey;
use hitbox_redis::RedisBackend;
use test_servers::redis::{RedisOptions, RedisServer};

/// More than go by themselves.
const MANY: usize = 64;

fn keys() -> Vec<CacheKey> {
    (0..MANY).map(|number| key(&number.to_string())).collect()
}

async fn fill(cache: &RedisBackend, keys: &[CacheKey]) {
    for key in keys {
        cache.write(key, value("live")).await.unwrap();
    }
}

/// A backend of a user with these rules.
async fn as_user(server: &RedisServer, rules: &[&str]) -> RedisBackend {
    let mut observer = Observer::connect(&server.url()).await;
    let mut command: Vec<&[u8]> = vec![b"ACL", b"SETUSER", b"user", b"on", b">pass"];
    command.extend(rules.iter().map(|rule| rule.as_bytes()));
    let () = observer.ask(&command).await;
    let settings = builder(server)
        .username("user")
        .password("pass")
        .deadline(PATIENT);
    settings.connect().await.unwrap()
}

#[tokio::test]
async fn a_user_without_mget_reads_key_by_key() {
    let server = start().await;
    let keys = keys();
    fill(&patient(&server), &keys).await;
    let cache = as_user(&server, &["~*", "+get", "+ping"]).await;
    for _ in 0..2 {
        for found in cache.read_many(&keys).await {
            assert!(found.unwrap().is_some());
        }
        for found in join_all(keys.iter().map(|key| cache.read(key))).await {
            assert!(found.unwrap().is_some());
        }
    }
    let mut observer = Observer::connect(&server.url()).await;
    let statistics: String = observer.ask(&[b"INFO", b"commandstats"]).await;
    let mget = statistics
        .lines()
        .find(|line| line.contains("cmdstat_mget"));
    assert!(mget.unwrap().contains("rejected_calls=1"), "{mget:?}");
}

#[tokio::test]
async fn one_forbidden_key_is_one_error() {
    let server = start().await;
    let all = patient(&server);
    let keys: Vec<_> = ["allowed-1", "forbidden", "allowed-2"].map(key).into();
    fill(&all, &keys).await;
    let rules = ["~allowed*", "+get", "+mget", "+set", "+unlink", "+ping"];
    let cache = as_user(&server, &rules).await;
    for _ in 0..2 {
        let denied: Vec<_> = cache
            .read_many(&keys)
            .await
            .into_iter()
            .map(|found| found.map(|found| found.is_some()).map_err(|e| e.kind()))
            .collect();
        let denied_one = Err(BackendErrorKind::Denied);
        assert_eq!(denied, [Ok(true), denied_one, Ok(true)]);
    }
    let entries = keys.iter().map(|key| (key.clone(), value("new")));
    let written: Vec<_> = cache
        .write_many(entries.collect())
        .await
        .iter()
        .map(Result::is_ok)
        .collect();
    assert_eq!(written, [true, false, true]);
    let removed = cache.remove_many(&keys).await;
    let removed: Vec<_> = removed.iter().map(Result::is_ok).collect();
    assert_eq!(removed, [true, false, true]);
}

#[tokio::test]
async fn a_forbidden_key_fails_no_other_task() {
    let server = start().await;
    let mut keys = keys();
    fill(&patient(&server), &keys).await;
    let rules = [
        "~*",
        "-@all",
        "resetkeys",
        "~?:*",
        "~??:*",
        "+get",
        "+mget",
        "+ping",
    ];
    let cache = as_user(&server, &rules).await;
    for number in (10..MANY).step_by(7) {
        keys[number] = key("forbidden");
    }
    for round in 0..10 {
        let found = join_all(keys.iter().map(|key| cache.read(key))).await;
        for (number, found) in found.into_iter().enumerate() {
            let forbidden = number >= 10 && (number - 10) % 7 == 0;
            match found {
                Ok(found) => assert!(found.is_some() && !forbidden, "{round} {number}"),
                Err(error) => assert!(forbidden, "{round} {number}: {error}"),
            }
        }
    }
}

/// A managed server with one shard is a cluster, and is often given as if it were none.
#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_cluster_of_one_node_that_is_named_by_url() {
    let node = test_servers::redis::RedisCluster::start_one(None)
        .await
        .unwrap();
    let (cache, keys) = (patient(&node), keys());
    fill(&cache, &keys).await;
    for _ in 0..3 {
        for found in cache.read_many(&keys).await {
            assert!(found.unwrap().is_some());
        }
        for found in join_all(keys.iter().map(|key| cache.read(key))).await {
            assert!(found.unwrap().is_some());
        }
    }
    for removed in cache.remove_many(&keys).await {
        removed.unwrap();
    }
    let mut observer = Observer::connect(&node.url()).await;
    let statistics: String = observer.ask(&[b"INFO", b"commandstats"]).await;
    let mget = statistics
        .lines()
        .find(|line| line.contains("cmdstat_mget"));
    assert!(
        mget.unwrap().contains("rejected_calls=1"),
        "remembered: {mget:?}"
    );
}

/// As after the loss of a shard, or while slots are handed out.
#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_cluster_that_serves_half_of_the_slots_and_is_named_by_url() {
    let node = test_servers::redis::RedisCluster::start_one(None)
        .await
        .unwrap();
    let mut observer = Observer::connect(&node.url()).await;
    let half = [
        &[
            &b"CONFIG"[..],
            b"SET",
            b"cluster-require-full-coverage",
            b"no",
        ][..],
        &[b"CLUSTER", b"DELSLOTSRANGE", b"8192", b"16383"],
    ];
    for command in half {
        let () = observer.ask(command).await;
    }
    let (writer, mut keys) = (patient(&node), keys());
    let mut served = Vec::new();
    for key in &keys {
        served.push(writer.write(key, value("live")).await.is_ok());
    }
    assert!(served.contains(&true) && served.contains(&false));
    for first_is_served in [true, false] {
        let first = served.iter().position(|served| *served == first_is_served);
        keys.swap(0, first.unwrap());
        served.swap(0, first.unwrap());
        let cache = patient(&node);
        for _ in 0..3 {
            let in_bulk = cache.read_many(&keys).await;
            let by_tasks = join_all(keys.iter().map(|key| cache.read(key))).await;
            let found = in_bulk.iter().zip(&by_tasks).zip(&served);
            for (number, ((one, two), served)) in found.enumerate() {
                for found in [one, two] {
                    assert_eq!(found.is_ok(), *served, "{number}: {found:?}");
                }
            }
            let entries = keys.iter().map(|key| (key.clone(), value("live")));
            let written = cache.write_many(entries.collect()).await;
            let written: Vec<_> = written.iter().map(Result::is_ok).collect();
            assert_eq!(written, served);
        }
    }
}

const MIB: usize = 1 << 20;

async fn that_takes_a_mebibyte() -> RedisServer {
    let options = RedisOptions::new().setting("proto-max-bulk-len", "1mb");
    RedisServer::start(options).await.unwrap()
}

/// Reads all the time, and counts the failures.
async fn reads_beside<T>(cache: &RedisBackend, work: impl Future<Output = T>) -> (T, usize) {
    let keys = keys();
    let mut failed = 0;
    let reading = async {
        loop {
            let found = join_all(keys.iter().map(|key| cache.read(key))).await;
            failed += found.iter().filter(|found| found.is_err()).count();
        }
    };
    let done = tokio::select! {
        () = reading => unreachable!("it has no end"),
        done = work => done,
    };
    (done, failed)
}

#[tokio::test]
async fn a_value_that_is_too_long_for_the_server() {
    let server = that_takes_a_mebibyte().await;
    let cache = patient(&server);
    fill(&cache, &keys()).await;
    for round in 0..10 {
        cache.write(&key("k"), value("before")).await.unwrap();
        let large = key("k");
        let write = cache.write(&large, value(vec![7; 3 * MIB + round]));
        let (outcome, failed) = reads_beside(&cache, write).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::TooLarge, "{round}: {error}");
        assert_eq!(failed, 0, "{round}: other reads are repeated");
        assert_eq!(cache.read(&key("k")).await.unwrap(), None);
    }
    assert_eq!(cache.statistics().connections_opened, 2, "it is remembered");
    cache.write(&key("k"), value("short")).await.unwrap();
}

#[tokio::test]
async fn in_bulk_a_value_that_is_too_long_is_the_only_one_refused() {
    let server = that_takes_a_mebibyte().await;
    let cache = patient(&server);
    for _ in 0..2 {
        let entries = [10, 3 * MIB, 10].into_iter().enumerate();
        let entries = entries.map(|(at, length)| (key(&at.to_string()), value(vec![7; length])));
        let outcomes = cache.write_many(entries.collect()).await;
        let kinds: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| outcome.map_err(|error| error.kind()))
            .collect();
        let too_large = Err(BackendErrorKind::TooLarge);
        assert_eq!(kinds, [Ok(()), too_large, Ok(())]);
    }
    assert_eq!(cache.statistics().connections_opened, 2);
}

/// As some do, and as what is in front of them may do: then a value breaks two connections, and no more.
#[tokio::test]
async fn a_value_that_is_too_long_for_a_server_that_hangs_up_without_a_word() {
    let options = RedisOptions::new().setting("client-query-buffer-limit", "1mb");
    let server = RedisServer::start(options).await.unwrap();
    let cache = patient(&server);
    let mut kinds = Vec::new();
    for _ in 0..10 {
        let large = value(vec![7; 3 * MIB]);
        let error = cache.write(&key("k"), large).await.unwrap_err();
        assert!(error.repeated().is_none());
        kinds.push(error.kind());
    }
    assert_eq!(kinds[..2], [BackendErrorKind::Unavailable; 2]);
    assert_eq!(kinds[2..], [BackendErrorKind::TooLarge; 8]);
    assert!(cache.statistics().connections_opened <= 3);
    let found = payload(cache.read(&key("k")).await.unwrap());
    assert_eq!(found, None);
}

/// A key of two mebibytes.
fn long_key() -> CacheKey {
    CacheKey::from_pair("id", "k".repeat(2 * MIB))
}

#[track_caller]
fn assert_too_large<T>(outcome: Result<T, BackendError>) {
    let error = outcome.map(drop).unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge, "{error}");
}

#[tokio::test]
async fn a_key_that_is_too_long_for_the_server() {
    let server = that_takes_a_mebibyte().await;
    let filled = patient(&server);
    fill(&filled, &keys()).await;
    let long = long_key();
    for first in ["read", "write", "remove"] {
        let cache = patient(&server);
        for _ in 0..3 {
            let call = async {
                match first {
                    "read" => cache.read(&long).await.map(drop),
                    "write" => cache.write(&long, value("x")).await,
                    _ => cache.remove(&long).await.map(drop),
                }
            };
            let (outcome, failed) = reads_beside(&cache, call).await;
            assert_too_large(outcome);
            assert_eq!(failed, 0, "{first}: other reads are repeated");
        }
        cache.ping().await.unwrap();
        let opened = cache.statistics().connections_opened;
        assert_eq!(opened, 2, "{first}: it is remembered");
    }
}

#[tokio::test]
async fn in_bulk_a_key_that_is_too_long_is_the_only_one_refused() {
    let server = that_takes_a_mebibyte().await;
    let keys = [key("1"), long_key(), key("2")];
    for _ in 0..2 {
        let cache = patient(&server);
        for _ in 0..2 {
            let entries = keys.iter().map(|key| (key.clone(), value("live")));
            let mut written = cache.write_many(entries.collect()).await;
            assert_too_large(written.remove(1));
            written.into_iter().for_each(Result::unwrap);
            let mut found = cache.read_many(&keys).await;
            assert_too_large(found.remove(1));
            for found in found {
                assert!(found.unwrap().is_some());
            }
            let mut removed = cache.remove_many(&keys).await;
            assert_too_large(removed.remove(1));
            for removed in removed {
                assert_eq!(removed.unwrap(), DeleteStatus::Deleted(1));
            }
        }
        assert_eq!(cache.statistics().connections_opened, 2);
    }
}

/// As the reads of tasks at a time go together.
#[tokio::test]
async fn a_key_that_is_too_long_fails_no_other_task() {
    let server = that_takes_a_mebibyte().await;
    let mut keys = keys();
    fill(&patient(&server), &keys).await;
    for number in [20, 21, 40] {
        keys[number] = long_key();
    }
    let cache = patient(&server);
    for _ in 0..3 {
        let found = join_all(keys.iter().map(|key| cache.read(key))).await;
        for (number, found) in found.into_iter().enumerate() {
            match [20, 21, 40].contains(&number) {
                true => assert_too_large(found),
                false => assert!(found.unwrap().is_some(), "{number}"),
            }
        }
    }
    assert_eq!(cache.statistics().connections_opened, 2);
}

#[tokio::test]
async fn a_long_key_that_the_server_takes() {
    let server = start().await;
    let cache = patient(&server);
    let keys = [key("1"), long_key(), key("2")];
    fill(&cache, &keys).await;
    for found in cache.read_many(&keys).await {
        assert!(found.unwrap().is_some());
    }
    assert_eq!(cache.statistics().connections_opened, 1);
}
