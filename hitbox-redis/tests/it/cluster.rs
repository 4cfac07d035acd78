//! A cluster of three nodes, whole and with one of them dead.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::server;
use crate::server::{Observer, key, value};
use futures::future::join_all;
use hitbox_backend::{Backend, BackendErrorKind, DeleteStatus, conformance::Subject};
use hitbox_core::CacheKey;
use hitbox_redis::{RedisBackend, RedisBackendBuilder};
use test_servers::{lateness::Control, redis::RedisCluster};
use tokio::time::timeout;

const KEYS: usize = 60;

fn builder(cluster: &RedisCluster) -> RedisBackendBuilder {
    RedisBackend::builder().cluster_nodes(cluster.urls())
}

fn keys() -> Vec<CacheKey> {
    (0..KEYS).map(|index| key(&format!("key{index}"))).collect()
}

fn entries() -> Vec<(CacheKey, hitbox_core::CacheValue<hitbox_core::Raw>)> {
    keys().into_iter().map(|key| (key, value("live"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let cluster = RedisCluster::start().await.unwrap();
    let settings = builder(&cluster)
        .namespace("conformance")
        .largest_value(1 << 20)
        .deadline(Duration::from_secs(30));
    let backend = settings.clone().build().unwrap();
    let key_format = backend.key_format().clone();
    let mut nodes = Vec::new();
    for url in cluster.urls() {
        nodes.push(server::connection(&url).await);
    }
    Subject::new(Arc::new(backend))
        .corrupt_with(move |key: CacheKey, bytes| {
            let mut set = redis::cmd("SET");
            set.arg(&*key_format.encode(&key)).arg(bytes);
            let mut nodes = nodes.clone();
            async move {
                // The others refuse.
                let tries = nodes.iter_mut().map(|node| set.exec_async(node));
                let taken = join_all(tries).await.into_iter().filter(Result::is_ok);
                assert_eq!(taken.count(), 1);
            }
        })
        .reopen_with(move || {
            let backend = settings.clone().build().unwrap();
            async { Arc::new(backend) as Arc<dyn Backend> }
        })
        .assert_conforms()
        .await;
}

#[tokio::test]
async fn bulk_calls_over_all_slots() {
    let cluster = RedisCluster::start().await.unwrap();
    let cache = builder(&cluster).connect().await.unwrap();
    for written in cache.write_many(entries()).await {
        written.unwrap();
    }
    for read in cache.read_many(&keys()).await {
        assert!(read.unwrap().is_some());
    }
    for removed in cache.remove_many(&keys()).await {
        assert_eq!(removed.unwrap(), DeleteStatus::Deleted(1));
    }
}

/// How long this took, but for what the machine itself was late.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let control = Control::new();
    let started = Instant::now();
    let done = control.beside(work).await;
    let took = started.elapsed().saturating_sub(control.since(started));
    (done, took)
}

/// How many succeeded, and how long it took.
async fn count<T>(outcomes: impl Future<Output = Vec<hitbox_backend::BackendResult<T>>>) -> usize {
    let (outcomes, took) = timed(outcomes).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(error.is_retryable(), "{error}");
    }
    let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    println!("{succeeded} of {KEYS} in {took:?}");
    succeeded
}

/// About two thirds of the keys.
fn assert_most(succeeded: usize) {
    assert!(
        (KEYS / 2..KEYS).contains(&succeeded),
        "{succeeded} of {KEYS}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_the_other_nodes_stay_usable_when_one_dies() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let cache = builder(&cluster).connect().await.unwrap();
    assert_eq!(count(cache.write_many(entries())).await, KEYS);
    cluster.kill_master(1);
    for _ in 0..5 {
        assert_most(count(cache.read_many(&keys())).await);
        assert_most(count(cache.write_many(entries())).await);
        let mut singles = 0;
        for key in keys() {
            let (found, took) = timed(cache.read(&key)).await;
            singles += usize::from(matches!(found, Ok(Some(_))));
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
        assert_most(singles);
    }
    assert_most(count(cache.remove_many(&keys())).await);
    // One that has never seen the cluster whole.
    let late = builder(&cluster).build().unwrap();
    assert_most(count(late.write_many(entries())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_the_other_nodes_stay_usable_while_one_hangs() {
    let cluster = RedisCluster::start().await.unwrap();
    let cache = builder(&cluster).connect().await.unwrap();
    assert_eq!(count(cache.write_many(entries())).await, KEYS);
    cluster.pause_master(1).unwrap();
    for _ in 0..8 {
        assert_most(count(cache.read_many(&keys())).await);
        assert_most(count(cache.write_many(entries())).await);
    }
    cluster.resume_master(1).unwrap();
    let healed = async { while count(cache.read_many(&keys())).await < KEYS {} };
    timeout(Duration::from_secs(10), healed).await.unwrap();
}

/// Another one may have taken over from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_silent_makes_it_ask_who_has_the_slots() {
    let cluster = RedisCluster::start().await.unwrap();
    let cache = builder(&cluster).connect().await.unwrap();
    assert_eq!(count(cache.write_many(entries())).await, KEYS);
    let mut observer = Observer::connect(&cluster.urls()[0]).await;
    let questions = async |observer: &mut Observer| {
        let commands = observer.commands().await;
        commands.get("cluster|slots").copied().unwrap_or_default()
    };
    let before = questions(&mut observer).await;
    cluster.pause_master(1).unwrap();
    assert_most(count(cache.read_many(&keys())).await);
    let asked = async { while questions(&mut observer).await == before {} };
    timeout(Duration::from_secs(10), asked).await.unwrap();
    cluster.resume_master(1).unwrap();
}

/// A key, its slot by the server's reckoning, the URL of the node that has it and of another.
async fn place(cluster: &RedisCluster) -> (CacheKey, String, [Observer; 2]) {
    let urls = cluster.urls();
    let mut observers = Vec::new();
    for url in &urls {
        observers.push(Observer::connect(url).await);
    }
    let slot: u64 = observers[0]
        .ask(&[b"CLUSTER", b"KEYSLOT", b"moving:v1"])
        .await;
    // A third of the 16,384 slots each.
    let owner = usize::try_from(slot / 5_462).unwrap();
    let target = (owner + 1) % observers.len();
    let (owner, target) = (owner.min(2), target);
    let target = observers.swap_remove(target);
    let owner = Observer::connect(&urls[owner]).await;
    (key("moving"), slot.to_string(), [owner, target])
}

#[tokio::test]
async fn a_slot_that_is_being_moved_and_has_moved_is_followed() {
    let cluster = RedisCluster::start().await.unwrap();
    let cache = builder(&cluster).connect().await.unwrap();
    let (key, slot, [mut owner, mut target]) = place(&cluster).await;
    let slot = slot.as_bytes();
    let entries = || {
        vec![
            (key.clone(), value("live")),
            (server::key("other"), value("live")),
        ]
    };
    assert_eq!(cache.read(&key).await.unwrap(), None);

    let from: String = owner.ask(&[b"CLUSTER", b"MYID"]).await;
    let to: String = target.ask(&[b"CLUSTER", b"MYID"]).await;
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let () = target
        .ask(&[b"CLUSTER", b"SETSLOT", slot, b"IMPORTING", from])
        .await;
    let () = owner
        .ask(&[b"CLUSTER", b"SETSLOT", slot, b"MIGRATING", to])
        .await;
    // The key is not at its owner, which says to ask the other.
    cache.write(&key, value("live")).await.unwrap();
    assert!(cache.read(&key).await.unwrap().is_some());
    for written in cache.write_many(entries()).await {
        written.unwrap();
    }
    let held: usize = target.ask(&[b"CLUSTER", b"COUNTKEYSINSLOT", slot]).await;
    assert_eq!(held, 1);

    let () = target
        .ask(&[b"CLUSTER", b"SETSLOT", slot, b"NODE", to])
        .await;
    let () = owner
        .ask(&[b"CLUSTER", b"SETSLOT", slot, b"NODE", to])
        .await;
    assert!(cache.read(&key).await.unwrap().is_some());
    for written in cache.write_many(entries()).await {
        written.unwrap();
    }
    assert_eq!(cache.remove(&key).await.unwrap(), DeleteStatus::Deleted(1));
}

#[tokio::test]
async fn a_cluster_that_is_gone_fails_every_call_in_time() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let used = builder(&cluster).connect().await.unwrap();
    for node in 0..3 {
        cluster.kill_master(node);
    }
    for cache in [used, builder(&cluster).build().unwrap()] {
        for _ in 0..3 {
            assert_eq!(count(cache.read_many(&keys())).await, 0);
            assert_eq!(count(cache.write_many(entries())).await, 0);
            let error = cache.read(&key("k")).await.unwrap_err();
            assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
        }
    }
}
