//! The backend as a layer of a composition: its commands, its connection, and the life of what is
//! copied to it and from it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::policies::Policies;
use crate::server;
use crate::server::{Observer, backend, key, start, value};
use hitbox_backend::{Backend, Compose, OffloadManager, conformance::MemoryBackend};
use hitbox_core::{CacheValue, Raw};
use hitbox_scenarios::{
    ReadKind,
    server_layer::{Copying, delete, do_with_each, get, lives, set},
};
use tokio::{sync::Barrier, task::JoinSet};

/// By the default policies; a tenth of it by the others.
const OPERATIONS: usize = 10_000;
const TASKS: usize = 64;

/// One that drops nothing of a test.
fn offload() -> OffloadManager {
    let settings = OffloadManager::builder().max_pending(OPERATIONS);
    settings.build().unwrap()
}

type Commands = BTreeMap<String, u64>;

/// Does that with so many keys, in 64 tasks. Returns which commands it took the server, work in the
/// background included.
async fn commands_of<F>(
    operations: usize,
    operation: fn(Arc<dyn Backend>, usize) -> F,
    layers: (&Arc<dyn Backend>, &OffloadManager),
    observer: &mut Observer,
) -> Commands
where
    F: Future<Output = ()> + Send + 'static,
{
    let before = observer.commands().await;
    do_with_each((operations, TASKS), operation, layers).await;
    observer.commands_since(&before).await
}

/// Under every policy; only whether L2 is asked when L1 has the value is the read policy's choice.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_looks_up_one_key_and_a_write_is_one_set() {
    let server = start().await;
    // A busy machine is not to send anything a second time.
    let patient = server::builder(&server).deadline(Duration::from_secs(30));
    let redis = patient.build().unwrap();
    // What opening the connection takes is not counted.
    redis.ping().await.unwrap();
    let mut observer = Observer::connect(&server.url()).await;
    for policies in Policies::all() {
        let operations = if policies == Policies::default() {
            OPERATIONS
        } else {
            OPERATIONS / 10
        };
        let only = |command: &str| Commands::from([(command.to_owned(), operations as u64)]);
        let looked_up = |commands: &Commands| {
            // Those that come together are one MGET.
            let sent = commands.keys().all(|sent| sent == "get" || sent == "mget");
            assert!(sent && commands.values().sum::<u64>() <= operations as u64);
        };
        let offload = offload();
        let cache = policies.beneath_memory(redis.clone(), &offload);
        let layers = (&cache, &offload);
        let written = commands_of(operations, set, layers, &mut observer).await;
        let cache = policies.beneath_memory(redis.clone(), &offload);
        let layers = (&cache, &offload);
        let before = observer.lookups().await;
        let missed = commands_of(operations, get, layers, &mut observer).await;
        assert_eq!(observer.lookups().await - before, operations as u64);
        let found = commands_of(operations, get, layers, &mut observer).await;
        let removed = commands_of(operations, delete, layers, &mut observer).await;
        println!(
            "{operations:5} each by {:23} set: {written:?}, get past an empty L1: {missed:?}, get \
             that L1 answers: {found:?}, delete: {removed:?}",
            policies.name()
        );
        assert_eq!(written, only("set"));
        looked_up(&missed);
        match policies.read {
            ReadKind::Sequential | ReadKind::Race => assert_eq!(found, Commands::new()),
            // Only this one wants to know of L2 what L1 has answered at once.
            ReadKind::Parallel => looked_up(&found),
        }
        assert_eq!(removed, only("unlink"));
    }
    assert_eq!(redis.statistics().connections_opened, 1);
}

/// Composed in front, behind, twice, and boxed, all before the first use.
fn composed(redis: &hitbox_redis::RedisBackend, way: usize) -> Box<dyn Backend> {
    let (clone, offload) = (redis.clone(), offload());
    match way % 4 {
        0 => Box::new(MemoryBackend::new().compose(clone, offload)),
        1 => Box::new(clone.compose(MemoryBackend::new(), offload)),
        2 => {
            let boxed: Box<dyn Backend> = Box::new(clone);
            Box::new(MemoryBackend::new().compose(boxed, offload))
        }
        _ => {
            let inner = MemoryBackend::new().compose(clone, offload.clone());
            Box::new(redis.clone().compose(inner, offload))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_compositions_and_64_tasks_share_one_connection() {
    let server = start().await;
    let redis = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let caches: Vec<Arc<dyn Backend>> = (0..50)
        .map(|way| Arc::from(composed(&redis, way)))
        .collect();
    assert_eq!(observer.connections().await, 0, "nothing has been used yet");
    let all_ready = Arc::new(Barrier::new(TASKS));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let cache = Arc::clone(&caches[task % caches.len()]);
        let all_ready = Arc::clone(&all_ready);
        tasks.spawn(async move {
            let key = key(&task.to_string());
            all_ready.wait().await;
            cache.write(&key, value("live")).await.unwrap();
            assert!(cache.read(&key).await.unwrap().is_some());
        });
    }
    tasks.join_all().await;
    let connections = observer.connections().await;
    println!("CLIENT LIST: {connections} connection of 50 compositions in {TASKS} tasks");
    assert_eq!(connections, 1);
    assert_eq!(redis.statistics().connections_opened, 1);
}

/// What the server has of the value's life, by its own account and when read back.
async fn assert_held(observer: &mut Observer, redis: &dyn Backend, expected: &CacheValue<Raw>) {
    let until: i64 = observer.ask(&[b"PEXPIRETIME", b"copied:v1"]).await;
    let millis = expected.expire().map(|expire| expire.timestamp_millis());
    assert_eq!(until, millis.unwrap_or(-1));
    let found = redis.read(&key("copied")).await.unwrap();
    assert_eq!(found.as_ref(), Some(expected));
}

#[tokio::test]
async fn what_is_copied_from_or_to_redis_keeps_its_life_to_the_millisecond() {
    let server = start().await;
    let redis = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    for copying in [
        Copying::RefillFrom,
        Copying::RefillInto,
        Copying::RepairInto,
    ] {
        for value in lives() {
            copying.copy(redis.clone(), &key("copied"), &value).await;
            assert_held(&mut observer, &redis, &value).await;
        }
    }
}
