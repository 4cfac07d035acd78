//! Under compositions.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, Begun, Compose, CompositionBackend, CompositionPolicy, Condition,
    Conditional, OptimisticParallelWritePolicy, RepairPolicy, SequentialReadPolicy,
    conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, DisabledOffload, Stamp};
use hitbox_redis::RedisBackend;
use test_servers::{
    proxy::{Ending, Fault, Proxy},
    redis::RedisServer,
};

use super::{begin, elsewhere, fill, found, leasing, led};
use crate::news::coherent;
use crate::server::{Observer, key, payload, start, until, value};

type Process = CompositionBackend<
    Arc<MemoryBackend>,
    RedisBackend,
    DisabledOffload,
    SequentialReadPolicy,
    OptimisticParallelWritePolicy,
>;

fn process(server: &RedisServer) -> Process {
    over(leasing(server).build().unwrap())
}

fn over(redis: RedisBackend) -> Process {
    let policy = CompositionPolicy::new().repair(RepairPolicy::OnNextOperation);
    Arc::new(MemoryBackend::new()).compose_with(redis, DisabledOffload, policy)
}

async fn in_l1(process: &Process, key: &CacheKey) -> Option<bytes::Bytes> {
    payload(process.l1().read(key).await.unwrap())
}

#[tokio::test]
async fn a_fill_is_stored_in_the_shared_layer_first() {
    let server = start().await;
    let (one, two, key) = (process(&server), process(&server), key("1"));
    let lease = led(begin(&one, &key).await);
    drop(elsewhere(begin(&two, &key).await));
    assert_eq!(
        fill(&one, &key, value("v"), lease).await,
        Conditional::Written
    );
    assert_eq!(in_l1(&one, &key).await.unwrap(), "v");
    assert_eq!(payload(two.read(&key).await.unwrap()).unwrap(), "v");
    assert_eq!(one.pending_repair_count(), 0);
}

#[tokio::test]
async fn no_layer_keeps_a_value_that_another_process_has_overtaken() {
    let server = start().await;
    let (one, two) = (process(&server), process(&server));
    let keys = [key("1"), key("2"), key("3")];
    for key in &keys {
        // An old copy, which another process is about to replace.
        one.l1().write(key, value("copy")).await.unwrap();
    }
    let mut fills = Vec::new();
    for key in &keys {
        let lease = led(begin(&one, key).await);
        let loaded = value("old");
        let _status = two.remove(key).await.unwrap();
        fills.push((key.clone(), loaded, Condition::Lease(lease)));
    }
    let (single, old, Condition::Lease(lease)) = fills.pop().unwrap() else {
        panic!("there is no other condition");
    };
    assert_eq!(fill(&one, &single, old, lease).await, Conditional::Refused);
    for outcome in one.write_many_if(fills).await {
        assert_eq!(outcome.unwrap(), Conditional::Refused);
    }
    for key in &keys {
        assert_eq!(in_l1(&one, key).await, None);
        assert_eq!(one.read(key).await.unwrap(), None);
    }
    assert_eq!(one.pending_repair_count(), 0);
    // And it can be loaded again.
    let lease = led(begin(&one, &keys[0]).await);
    let outcome = fill(&one, &keys[0], value("new"), lease).await;
    assert_eq!(outcome, Conditional::Written);
}

#[tokio::test]
async fn many_values_are_filled_in_bulk() {
    let server = start().await;
    let one = process(&server);
    let keys: Vec<_> = (0..50).map(|number| key(&number.to_string())).collect();
    let mut fills = Vec::new();
    for key in &keys {
        let lease = led(begin(&one, key).await);
        fills.push((key.clone(), value("v"), Condition::Lease(lease)));
    }
    for outcome in one.write_many_if(fills).await {
        assert_eq!(outcome.unwrap(), Conditional::Written);
    }
    for key in &keys {
        assert_eq!(in_l1(&one, key).await.unwrap(), "v");
    }
    let found = process(&server).read_many(&keys).await;
    assert!(found.into_iter().all(|found| found.unwrap().is_some()));
}

/// It does not wait for the other process, nor take what that one will store away.
#[tokio::test]
async fn who_loads_beside_another_process_keeps_the_value_to_itself() {
    let server = start().await;
    let (one, two, key) = (process(&server), process(&server), key("1"));
    let leader = led(begin(&one, &key).await);
    let beside = elsewhere(begin(&two, &key).await);
    assert_eq!(
        fill(&two, &key, value("beside"), beside).await,
        Conditional::Written
    );
    assert_eq!(in_l1(&two, &key).await.unwrap(), "beside");
    assert_eq!(two.pending_repair_count(), 0);
    assert_eq!(
        fill(&one, &key, value("led"), leader).await,
        Conditional::Written
    );
}

/// What was loaded without a lease is as old as the load, whatever has been heard of since.
#[tokio::test]
async fn a_copy_that_is_kept_beside_another_process_is_none_that_news_have_overtaken() {
    let server = start().await;
    let [one, two] = coherent::two(&server).await;
    let key = key("1");
    let _leader = led(begin(&one, &key).await);
    let beside = elsewhere(begin(&two, &key).await);
    let old = value("old");
    one.write(&key, value("new")).await.unwrap();
    until(async || two.hearing().unwrap().news > 0).await;
    fill(&two, &key, old, beside).await;
    assert_eq!(payload(two.read(&key).await.unwrap()).unwrap(), "new");
}

#[tokio::test]
async fn a_nest_leads_by_the_lease_of_its_deepest_layer() {
    let server = start().await;
    let nest = || Arc::new(MemoryBackend::new()).compose(process(&server), DisabledOffload);
    let (one, two, key) = (nest(), nest(), key("1"));
    let lease = led(begin(&one, &key).await);
    let beside = elsewhere(begin(&two, &key).await);
    let _status = two.remove(&key).await.unwrap();
    assert_eq!(
        fill(&one, &key, value("old"), lease).await,
        Conditional::Refused
    );
    assert_eq!(one.read(&key).await.unwrap(), None);
    drop(beside);
    let lease = led(begin(&two, &key).await);
    assert_eq!(
        fill(&two, &key, value("new"), lease).await,
        Conditional::Written
    );
    drop(found(begin(&one, &key).await));
    assert_eq!(payload(one.read(&key).await.unwrap()).unwrap(), "new");
}

/// The copy of L1 is not what the shared layer is given, once that is back: another process may have changed the key.
#[tokio::test]
async fn a_fill_that_fails_is_repaired_by_a_remove() {
    let server = start().await;
    let gate = Proxy::start(([127, 0, 0, 1], server.port()).into())
        .await
        .unwrap();
    let redis = RedisBackend::builder()
        .url(format!("redis://{}", gate.address()))
        .deadline(Duration::from_millis(500))
        .fleet_lease();
    let (one, two, key) = (over(redis.build().unwrap()), process(&server), key("1"));
    let lease = led(begin(&one, &key).await);
    gate.set(Fault::End(Ending::Reset));
    let condition = Condition::Lease(lease);
    let failed = one
        .write_if(&key, value("old"), condition)
        .await
        .unwrap_err();
    assert!(
        matches!(
            failed.kind(),
            BackendErrorKind::Unavailable | BackendErrorKind::Timeout
        ),
        "{failed}"
    );
    assert_eq!(in_l1(&one, &key).await.unwrap(), "old");
    assert!(one.pending_repair_count() > 0);
    let _status = two.remove(&key).await.unwrap();
    let mut observer = Observer::connect(&server.url()).await;
    let before = observer.calls("unlink").await;
    gate.heal();
    until(async || {
        let _read = one.read(&key).await;
        observer.calls("unlink").await > before
    })
    .await;
    assert_eq!(two.read(&key).await.unwrap(), None, "nothing came back");
}

/// Two processes whose clocks are 200 ms apart, in the wrong direction: the one that loads is ahead.
#[tokio::test]
async fn overtaken_fills_are_never_readable_whatever_the_clocks_show() {
    let server = start().await;
    let trials = 2_000;
    let leased = old_values(&server, Fills::UnderLease, trials).await;
    let plain = old_values(&server, Fills::Plain, trials).await;
    println!("readable: {leased} of {trials} under leases, {plain} of {trials} without");
    assert_eq!(leased, 0);
    assert!(plain > trials / 10, "the trials show nothing: {plain}");
}

#[derive(Clone, Copy)]
enum Fills {
    UnderLease,
    Plain,
}

/// How often an older value is readable after a load that a remove may have overtaken.
async fn old_values(server: &RedisServer, fills: Fills, trials: usize) -> usize {
    const AT_ONCE: usize = 50;
    let redis = |name: &str| match fills {
        Fills::UnderLease => leasing(server).namespace(name).build().unwrap(),
        Fills::Plain => crate::server::patient(server),
    };
    let (loads, changes) = (over(redis("leased")), over(redis("leased")));
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut old = 0;
    for round in 0..trials / AT_ONCE {
        let trials = (0..AT_ONCE).map(|number| {
            let key = CacheKey::from_pair("trial", format!("{round}-{number}"));
            let [load, change] = [1..7_000, 0..8_000].map(|range| random.u64(range));
            let [load, change] = [load, change].map(Duration::from_micros);
            trial(&loads, &changes, key, load, change)
        });
        let outcomes = futures::future::join_all(trials).await;
        old += outcomes.into_iter().filter(|is_old| *is_old).count();
    }
    old
}

async fn trial(
    loads: &Process,
    changes: &Process,
    key: CacheKey,
    load: Duration,
    change: Duration,
) -> bool {
    let source = std::sync::atomic::AtomicU8::new(1);
    let read = || source.load(std::sync::atomic::Ordering::SeqCst);
    let loading = async {
        let lease = begin(loads, &key).await.into_lease();
        let ahead = Stamp::now().as_micros() + 200_000;
        let data = read();
        tokio::time::sleep(load).await;
        let (raw, expire, stale, _now) = value(vec![data]).into_parts();
        let value =
            hitbox_core::CacheValue::from_parts(raw, expire, stale, Stamp::from_micros(ahead));
        let condition = Condition::Lease(lease);
        let _outcome = loads.write_if(&key, value, condition).await.unwrap();
    };
    let changing = async {
        tokio::time::sleep(change).await;
        source.store(2, std::sync::atomic::Ordering::SeqCst);
        let _status = changes.remove(&key).await.unwrap();
    };
    futures::join!(loading, changing);
    let found = payload(changes.read(&key).await.unwrap());
    found.is_some_and(|data| data != vec![read()])
}

#[tokio::test]
async fn a_server_that_is_away_costs_the_lease_and_not_the_load() {
    let server = start().await;
    let one = process(&server);
    let key = key("1");
    one.read(&key).await.unwrap();
    let mut observer = Observer::connect(&server.url()).await;
    let _may_fail = observer.try_to_ask::<()>(&[b"SHUTDOWN", b"NOSAVE"]).await;
    let begun = until_away(&one, &key).await;
    let lease = led(begun);
    let condition = Condition::Lease(lease);
    let failed = one.write_if(&key, value("v"), condition).await.unwrap_err();
    assert_eq!(failed.kind(), BackendErrorKind::Unavailable);
    assert_eq!(in_l1(&one, &key).await.unwrap(), "v");
    assert_eq!(payload(one.read(&key).await.unwrap()).unwrap(), "v");
}

/// What a load begins with once the server has gone.
async fn until_away(one: &Process, key: &CacheKey) -> Begun {
    loop {
        if one.l2().read(key).await.is_err() {
            return begin(one, key).await;
        }
    }
}
