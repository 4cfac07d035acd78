//! Coherent compositions over one server.

use std::{sync::Arc, time::Duration};

use super::{NEWS, announcing, plane};
use crate::server::{Observer, key, start, until};
use hitbox_backend::{
    Backend, CacheBackend, Compose, CompositionBackend, CompositionPolicy, SequentialReadPolicy,
    StrictWritePolicy, coherence::Coherence, conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Namespace, Stamp, clock::Tick};
use hitbox_redis::RedisBackend;
use test_servers::redis::RedisServer;
use tokio::time::sleep;

const BOUND: Duration = Duration::from_millis(250);

pub(crate) type Process = CompositionBackend<
    Arc<MemoryBackend>,
    RedisBackend,
    DisabledOffload,
    SequentialReadPolicy,
    StrictWritePolicy,
>;

fn process(server: &RedisServer) -> Process {
    let policy = CompositionPolicy::new().write(StrictWritePolicy::new());
    Arc::new(MemoryBackend::new())
        .compose_with(announcing(server).build().unwrap(), DisabledOffload, policy)
        .coherent(plane(server), Coherence::within(BOUND))
        .unwrap()
}

/// Two that have begun to listen.
pub(crate) async fn two(server: &RedisServer) -> [Process; 2] {
    let processes = [process(server), process(server)];
    for process in &processes {
        until(async || process.hearing().unwrap().age.is_some()).await;
    }
    processes
}

fn number(data: u32) -> CacheValue<Arc<u32>> {
    CacheValue::loaded(Arc::new(data), Stamp::now())
}

async fn get(cache: &impl Backend, key: &CacheKey) -> Option<u32> {
    let found = cache.get::<u32>(key).await.unwrap();
    found.map(|value| **value.data())
}

/// What its L1 holds, whatever that is worth.
async fn copy(process: &Process, key: &CacheKey) -> Option<u32> {
    get(process.l1(), &key.in_namespace(&Namespace::new("shop"))).await
}

/// Reads until this is read, and checks that nothing else is later than the bound after the change was confirmed.
async fn reads_within_the_bound(process: &Process, key: &CacheKey, expected: Option<u32>) {
    let confirmed = Tick::now();
    loop {
        let began = Tick::now();
        let found = get(process, key).await;
        if found == expected {
            return;
        }
        let late = began.since(confirmed);
        assert!(
            late <= BOUND,
            "{found:?} was read {late:?} after the change"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_changes_the_other_hears() {
    let server = start().await;
    let [one, two] = two(&server).await;
    let key = key("k");
    one.set(&key, number(1)).await.unwrap();
    assert_eq!(get(&two, &key).await, Some(1));
    assert_eq!(copy(&two, &key).await, Some(1));
    one.set(&key, number(2)).await.unwrap();
    reads_within_the_bound(&two, &key, Some(2)).await;
    one.delete(&key).await.unwrap();
    reads_within_the_bound(&two, &key, None).await;
    let keys: Vec<_> = (0..50)
        .map(|id| crate::server::key(&id.to_string()))
        .collect();
    for data in 3..5 {
        let entries = keys.iter().cloned().map(|key| (key, number(data)));
        for outcome in one.set_many(entries.collect()).await {
            outcome.unwrap();
        }
        for key in &keys {
            reads_within_the_bound(&two, key, Some(data)).await;
        }
    }
    for outcome in one.delete_many(&keys).await {
        outcome.unwrap();
    }
    for key in &keys {
        reads_within_the_bound(&two, key, None).await;
    }
    assert_eq!(two.hearing().unwrap().gaps, 1);
}

/// If its own news are not heard before it has kept it.
#[tokio::test(flavor = "multi_thread")]
async fn its_own_news_do_not_drop_what_one_has_written() {
    let server = start().await;
    let [one, two] = two(&server).await;
    let (key, mut kept) = (key("k"), 0);
    for data in 0..20 {
        let heard = one.hearing().unwrap().news;
        one.set(&key, number(data)).await.unwrap();
        until(async || one.hearing().unwrap().news > heard).await;
        if let Some(found) = copy(&one, &key).await {
            assert_eq!(found, data);
            kept += 1;
        }
        // What has been read stays until it is changed.
        assert_eq!(get(&one, &key).await, Some(data));
        reads_within_the_bound(&two, &key, Some(data)).await;
        for _ in 0..10 {
            sleep(BOUND / 50).await;
            assert_eq!(get(&one, &key).await, Some(data));
        }
    }
    println!("{kept} of 20 own copies stayed");
    assert!(kept > 0);
}

/// What is done to the server between two changes, `round` after `round`.
async fn holds_under(
    disturb: impl AsyncFn(&RedisServer, &mut Observer, u32),
) -> (RedisServer, [Process; 2]) {
    let server = start().await;
    let processes = two(&server).await;
    let [one, two] = &processes;
    let mut observer = Observer::connect(&server.url()).await;
    let key = key("k");
    for round in 0..8 {
        until(async || one.set(&key, number(round)).await.is_ok()).await;
        reads_within_the_bound(two, &key, Some(round)).await;
        disturb(&server, &mut observer, round).await;
    }
    (server, processes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_deleted_is_a_gap() {
    let (_server, [_, two]) = holds_under(async |_, observer, _| {
        let _: u64 = observer.ask(&[b"DEL", NEWS]).await;
    })
    .await;
    until(async || two.hearing().unwrap().gaps > 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_cut_off_misses_nothing() {
    let (_server, [_, two]) = holds_under(async |_, observer, _| {
        let list: String = observer.ask(&[b"CLIENT", b"LIST"]).await;
        for line in list.lines().filter(|line| line.contains("cmd=x")) {
            let id = line.split(' ').find_map(|part| part.strip_prefix("id="));
            let id = id.unwrap().as_bytes();
            let _: u64 = observer.ask(&[b"CLIENT", b"KILL", b"ID", id]).await;
        }
    })
    .await;
    assert_eq!(two.hearing().unwrap().gaps, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_pauses_loses_nothing() {
    let (_server, [_, two]) = holds_under(async |server, _, round| {
        if round % 4 == 3 {
            server.pause().unwrap();
            sleep(3 * BOUND).await;
            server.resume().unwrap();
        }
    })
    .await;
    until(async || two.hearing().unwrap().age < Some(BOUND)).await;
    assert_eq!(two.hearing().unwrap().gaps, 1);
}
