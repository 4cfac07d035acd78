//! Several processes over one server, each with a cache of its own: one load of a key for all of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use hitbox::{
    Backend, Batch, Cache, CacheBuilder, Compose, CompositionPolicy, Status, Why,
    redis::RedisBackend,
};
use hitbox_backend::{
    Begun, CacheKey, CacheValue, DisabledOffload, Raw, RepairPolicy, Stamp,
    conformance::MemoryBackend,
};
use test_servers::{lateness::Control, log::Recorder, redis::SharedRedis};
use tracing::Level;

use crate::source::{Asking, NUMBERS, Source, until};

const MINUTE: Duration = Duration::from_secs(60);

/// A process renews its leases each 100 ms, and 300 ms after it has done so for the last time it is taken for dead. One that is
/// late by this may be.
const TAKEN_FOR_DEAD: Duration = Duration::from_millis(150);

fn redis(redis: &SharedRedis) -> RedisBackend {
    let backend = RedisBackend::builder()
        .url(redis.url())
        .namespace(redis.namespace())
        .deadline(Duration::from_secs(30))
        .fleet_lease();
    backend.build().unwrap()
}

fn process(server: &SharedRedis, build: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Cache {
    let policy = CompositionPolicy::new().repair(RepairPolicy::OnNextOperation);
    let over = MemoryBackend::new().compose_with(redis(server), DisabledOffload, policy);
    let cache = Cache::builder(over).ttl(MINUTE).fleet_patience(10 * MINUTE);
    build(cache).build().unwrap()
}

fn processes(count: usize, server: &SharedRedis) -> Vec<Cache> {
    (0..count).map(|_| process(server, |cache| cache)).collect()
}

/// How many of them have waited for another one.
fn waited(caches: &[Cache]) -> u64 {
    let waited = caches
        .iter()
        .map(|cache| cache.statistics().loads_elsewhere);
    waited.sum()
}

#[tokio::test]
async fn fifty_processes_make_one_load_of_a_cold_key() {
    let server = SharedRedis::open().await.unwrap();
    let (caches, source, control) = (processes(50, &server), Source::held(), Control::new());
    let began = Instant::now();
    let asking = async {
        let asking: Vec<_> = caches
            .iter()
            .map(|cache| Asking::of(cache, source.load()))
            .collect();
        until(|| waited(&caches) >= 49).await;
        source.let_go();
        if control.since(began) >= TAKEN_FOR_DEAD {
            // Others may have taken its place.
            (0..50).for_each(|_| source.let_go());
        }
        join_all(asking.into_iter().map(Asking::value)).await
    };
    let values = control.beside(asking).await;
    let late = control.since(began);
    println!("50 processes: {} load(s), {late:?} late", source.loads());
    assert!(
        (source.loads(), values.as_slice()) == (1, &[1; 50]) || late >= TAKEN_FOR_DEAD,
        "{} loads, {late:?} late",
        source.loads()
    );
}

#[tokio::test]
async fn processes_that_find_a_stale_value_make_one_load() {
    let server = SharedRedis::open().await.unwrap();
    let stale = |cache: CacheBuilder| {
        cache
            .ttl(Duration::from_millis(1))
            .stale_while_revalidate(MINUTE)
    };
    let (source, control) = (Source::held(), Control::new());
    let first = process(&server, stale);
    source.let_go();
    first
        .get_or_load(NUMBERS.key(1), source.load())
        .await
        .unwrap();
    first.drain().await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    // What they load lives longer: nobody finds that stale.
    let long = |cache: CacheBuilder| cache.stale_while_revalidate(MINUTE);
    let caches: Vec<_> = (0..20).map(|_| process(&server, long)).collect();
    let began = Instant::now();
    let asking = async {
        for cache in &caches {
            let entry = cache.get_or_load(NUMBERS.key(1), source.load()).entry();
            let entry = entry.await.unwrap();
            assert_eq!(
                (entry.status(), **entry.value()),
                (Status::Stale(Why::Refreshing), 1)
            );
        }
        until(|| waited(&caches) >= 19).await;
        (0..20).for_each(|_| source.let_go());
        join_all(caches.iter().map(Cache::drain)).await;
    };
    control.beside(asking).await;
    let late = control.since(began);
    assert!(
        source.loads() == 2 || late >= TAKEN_FOR_DEAD,
        "{} loads, {late:?} late",
        source.loads()
    );
    for cache in &caches {
        let fresh = cache.get(NUMBERS.key(1)).await.unwrap();
        assert_eq!(*fresh.unwrap(), source.loads());
    }
}

#[tokio::test]
async fn the_value_of_a_killed_leader_is_loaded_by_another() {
    let server = SharedRedis::open().await.unwrap();
    let (cache, source, control) = (
        process(&server, |cache| cache),
        Source::open(),
        Control::new(),
    );
    // A process that loads, and is killed: from now on nobody renews its lease.
    let dead = std::thread::spawn({
        let leader = redis(&server);
        let key = CacheKey::from(NUMBERS.key(1));
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let begun = runtime.block_on(leader.begin_load(&key)).unwrap();
            assert!(matches!(begun, Begun::Lead(_)));
            let killed = Instant::now();
            // Its tasks end with the runtime, without a word to the server.
            drop(runtime);
            std::mem::forget(begun);
            killed
        }
    });
    let killed = dead.join().unwrap();
    let value = control
        .beside(async { cache.get_or_load(NUMBERS.key(1), source.load()).await })
        .await;
    let (took, late) = (killed.elapsed(), control.since(killed));
    println!("the value was there {took:?} after the kill, {late:?} late");
    assert_eq!((*value.unwrap(), source.loads()), (1, 1));
    assert!(took < Duration::from_millis(400) + late, "{took:?}");
}

#[tokio::test]
async fn what_another_process_removes_while_it_is_loaded_is_not_kept() {
    let server = SharedRedis::open().await.unwrap();
    let [one, two] = [(); 2].map(|()| process(&server, |cache| cache));
    let source = Source::held();
    let asking = Asking::of(&one, source.load());
    source.begun(1).await;
    let _status = two.remove(NUMBERS.key(1)).await.unwrap();
    source.let_go();
    assert_eq!(asking.value().await, 1, "it began before the remove");
    one.drain().await;
    assert_eq!(one.statistics().overtaken_fills, 1);
    for cache in [&one, &two] {
        assert!(cache.get(NUMBERS.key(1)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_is_loaded_again_and_again_and_never_kept_is_said_once() {
    let (warnings, _guard) = Recorder::on_this_thread(|metadata| {
        *metadata.level() == Level::WARN && metadata.target().starts_with("hitbox::")
    });
    let server = SharedRedis::open().await.unwrap();
    let [one, two] = [(); 2].map(|()| process(&server, |cache| cache));
    for refused in 1..=4 {
        let source = Source::held();
        let asking = Asking::of(&one, source.load());
        source.begun(1).await;
        let _status = two.remove(NUMBERS.key(1)).await.unwrap();
        source.let_go();
        asking.value().await;
        one.drain().await;
        assert_eq!(one.statistics().overtaken_fills, refused);
        assert_eq!(warnings.lines().len(), usize::from(refused >= 3));
    }
    let said = warnings.take();
    let told =
        "WARN message=what is loaded is never kept: three fills of a key in a row were refused";
    assert!(said.len() == 1 && said[0].starts_with(told), "{said:?}");
}

#[tokio::test]
async fn who_has_no_more_patience_loads_and_keeps_the_value_to_itself() {
    let server = SharedRedis::open().await.unwrap();
    let leader = process(&server, |cache| cache);
    let impatient = |cache: CacheBuilder| cache.fleet_patience(Duration::ZERO);
    let (other, third) = (process(&server, impatient), process(&server, |cache| cache));
    let (held, open) = (Source::held(), Source::open());
    let asking = Asking::of(&leader, held.load());
    held.begun(1).await;
    other
        .get_or_load(NUMBERS.key(1), open.load())
        .await
        .unwrap();
    other.drain().await;
    assert_eq!((other.statistics().fills, open.loads()), (1, 1));
    assert!(other.get(NUMBERS.key(1)).await.unwrap().is_some());
    assert!(third.get(NUMBERS.key(1)).await.unwrap().is_none());
    held.let_go();
    asking.value().await;
    leader.drain().await;
    assert_eq!(leader.statistics().fills, 1);
    assert!(third.get(NUMBERS.key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn many_keys_are_loaded_once_by_all() {
    let server = SharedRedis::open().await.unwrap();
    let caches = processes(4, &server);
    let loaded = Arc::new(std::sync::Mutex::new(Vec::new()));
    let control = Control::new();
    let began = Instant::now();
    let load = |loaded: &Arc<std::sync::Mutex<Vec<u64>>>| {
        let loaded = Arc::clone(loaded);
        move |mut missing: Batch<u64, u64>| async move {
            loaded.lock().unwrap().extend_from_slice(missing.ids());
            for id in missing.ids().to_vec() {
                missing.found(id, 10 * id);
            }
            Ok::<_, std::io::Error>(missing)
        }
    };
    let asking = caches
        .iter()
        .map(|cache| cache.get_many_or_load(&NUMBERS, 0..100, load(&loaded)));
    let outcomes = control
        .beside(join_all(asking.map(IntoFuture::into_future)))
        .await;
    for values in outcomes {
        let values: Vec<u64> = values.into_iter().map(|value| *value.unwrap()).collect();
        assert_eq!(values, (0..100).map(|id| 10 * id).collect::<Vec<u64>>());
    }
    let mut ids = loaded.lock().unwrap().clone();
    ids.sort_unstable();
    let late = control.since(began);
    assert!(
        ids == (0..100).collect::<Vec<u64>>() || late >= TAKEN_FOR_DEAD,
        "{} loads, {late:?} late",
        ids.len()
    );
}

#[tokio::test]
async fn caches_over_redis_alone_make_one_load() {
    let server = SharedRedis::open().await.unwrap();
    let cache = || {
        let cache = Cache::builder(redis(&server)).ttl(MINUTE);
        cache.fleet_patience(10 * MINUTE).build().unwrap()
    };
    let (caches, source) = ([cache(), cache()], Source::held());
    let (control, began) = (Control::new(), Instant::now());
    let asking = async {
        let asking = caches
            .each_ref()
            .map(|cache| Asking::of(cache, source.load()));
        until(|| waited(&caches) >= 1).await;
        let _status = caches[0].remove(NUMBERS.key(2)).await.unwrap();
        (0..2).for_each(|_| source.let_go());
        join_all(asking.map(Asking::value)).await
    };
    control.beside(asking).await;
    let late = control.since(began);
    assert!(
        source.loads() == 1 || late >= TAKEN_FOR_DEAD,
        "{late:?} late"
    );
}

/// A load that asks for it is made, whoever else makes one.
#[tokio::test]
async fn a_refresh_by_hand_waits_for_no_other_process() {
    let server = SharedRedis::open().await.unwrap();
    let [one, two] = [(); 2].map(|()| process(&server, |cache| cache));
    let (held, open) = (Source::held(), Source::open());
    let key = CacheKey::from(NUMBERS.key(1));
    let old = Raw::from(vec![0]);
    redis(&server)
        .write(&key, CacheValue::loaded(old, Stamp::now()))
        .await
        .unwrap();
    let (refreshing, asked) = (one.clone(), held.load());
    let refreshing = tokio::spawn(async move {
        let load = || async { Ok::<_, std::io::Error>(asked().await) };
        refreshing.refresh(NUMBERS.key(1), load).await
    });
    held.begun(1).await;
    let load = open.load();
    two.refresh(NUMBERS.key(1), || async {
        Ok::<_, std::io::Error>(load().await)
    })
    .await
    .unwrap();
    two.drain().await;
    assert_eq!((two.statistics().fills, open.loads()), (1, 1));
    held.let_go();
    refreshing.await.unwrap().unwrap();
    one.drain().await;
    assert_eq!(
        one.statistics().overtaken_fills,
        1,
        "the other one has replaced it"
    );
}
