//! Many keys: one read, one load, and to each its own.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::poll;
use hitbox::{Batch, Cache, Keyspace, LoadErrorKind, Loaded, Loader};

use crate::{
    backends::{Over, on_every_backend, on_redis},
    source::{NUMBERS, Source, until, waiters},
};

fn cache(over: Over) -> Cache {
    Cache::builder(over)
        .ttl(Duration::from_secs(300))
        .build()
        .unwrap()
}

on_every_backend!(
    each_key_is_loaded_once_by_singles_and_bulks,
    bulks_in_opposite_orders_do_not_wait_for_each_other,
    each_key_has_its_own_outcome,
    an_error_of_the_loader_is_that_of_the_missing,
    keys_are_asked_for_once_and_answered_in_order,
    a_loader_of_one_keyspace,
);

on_redis!(
    each_key_is_loaded_once_by_singles_and_bulks,
    bulks_in_opposite_orders_do_not_wait_for_each_other,
    each_key_has_its_own_outcome,
    a_loader_of_one_keyspace,
);

/// What loaders were called with.
type Calls = Arc<Mutex<Vec<Vec<u64>>>>;

/// Ten times the id of each, when the source lets it.
fn ten_times(
    calls: &Calls,
    source: &Source,
) -> impl FnOnce(Batch<u64, u64>) -> futures::future::BoxFuture<'static, io::Result<Batch<u64, u64>>>
+ Send
+ use<> {
    let (calls, load) = (Arc::clone(calls), source.load());
    move |mut missing| {
        calls.lock().unwrap().push(missing.ids().to_vec());
        Box::pin(async move {
            load().await;
            for id in missing.ids().to_vec() {
                missing.found(id, 10 * id);
            }
            Ok(missing)
        })
    }
}

async fn each_key_is_loaded_once_by_singles_and_bulks(over: Over) {
    let (cache, source, calls) = (cache(over), Source::held(), Calls::default());
    for id in 0..30 {
        cache.insert(NUMBERS.key(id), 10 * id).await.unwrap();
    }
    // 20 in flight by singles, 10 by another bulk.
    let singles = (30..50).map(|id| {
        let (cache, load) = (cache.clone(), source.load());
        let load = move || async move {
            load().await;
            10 * id
        };
        tokio::spawn(async move { cache.get_or_load(NUMBERS.key(id), load).await })
    });
    let singles: Vec<_> = singles.collect();
    let (of_other, load) = (cache.clone(), ten_times(&calls, &source));
    let other = tokio::spawn(async move {
        of_other
            .get_many_or_load(&NUMBERS, (50..60).rev(), load)
            .await
    });
    source.begun(21).await;
    assert_eq!(waiters(&cache), 30);

    let (of_all, load) = (cache.clone(), ten_times(&calls, &source));
    let all = tokio::spawn(async move { of_all.get_many_or_load(&NUMBERS, 0..100, load).await });
    source.begun(22).await;
    (0..22).for_each(|_| source.let_go());
    let values: Vec<u64> = all
        .await
        .unwrap()
        .into_iter()
        .map(|value| *value.unwrap())
        .collect();
    assert_eq!(values, (0..100).map(|id| 10 * id).collect::<Vec<_>>());
    for (id, single) in (30..50).zip(singles) {
        assert_eq!(*single.await.unwrap().unwrap(), 10 * id);
    }
    assert!(other.await.unwrap().iter().all(Result::is_ok));
    let mut calls = calls.lock().unwrap().clone();
    calls.iter_mut().for_each(|ids| ids.sort_unstable());
    assert_eq!(calls, [(50..60).collect::<Vec<_>>(), (60..100).collect()]);
    assert_eq!(source.loads(), 22, "20 singles and two bulks");
}

async fn bulks_in_opposite_orders_do_not_wait_for_each_other(over: Over) {
    let (cache, source, calls) = (cache(over), Source::open(), Calls::default());
    let bulks = (0..20_u64).map(|bulk| {
        let (cache, load) = (cache.clone(), ten_times(&calls, &source));
        let mut ids: Vec<u64> = (0..50).map(|id| (id + bulk) % 60).collect();
        if bulk % 2 == 0 {
            ids.reverse();
        }
        tokio::spawn(async move { cache.get_many_or_load(&NUMBERS, ids, load).await })
    });
    for bulk in bulks.collect::<Vec<_>>() {
        assert!(bulk.await.unwrap().iter().all(Result::is_ok));
    }
    let mut loaded = calls.lock().unwrap().concat();
    loaded.sort_unstable();
    assert_eq!(loaded, (0..60).collect::<Vec<_>>(), "each once");
}

async fn each_key_has_its_own_outcome(over: Over) {
    let cache = cache(over);
    let load = |mut missing: Batch<u64, u64>| async move {
        missing.found(1, 10);
        missing.fail(2, io::Error::other("down"));
        missing.absent(3);
        missing.found(5, 50);
        Ok::<_, io::Error>(missing)
    };
    let outcomes = cache.get_many_or_load(&NUMBERS, [1, 2, 3, 4], load).await;
    let kinds: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map(|value| **value))
        .collect();
    assert_eq!(kinds[0].as_ref().ok(), Some(&10));
    let kind = |index: usize| outcomes[index].as_ref().unwrap_err().kind();
    assert_eq!(kind(1), LoadErrorKind::Loader);
    assert_eq!(
        (kind(2), kind(3)),
        (LoadErrorKind::Absent, LoadErrorKind::Absent)
    );
    until(|| cache.loads().is_empty()).await;
    assert_eq!(
        cache.get(NUMBERS.key(5)).await.unwrap(),
        None,
        "nobody asked for it"
    );
}

async fn an_error_of_the_loader_is_that_of_the_missing(over: Over) {
    let cache = cache(over);
    cache.insert(NUMBERS.key(1), 10).await.unwrap();
    let load = |_missing| async { Err::<Batch<u64, u64>, _>(io::Error::other("down")) };
    let outcomes = cache.get_many_or_load(&NUMBERS, [1, 2, 3], load).await;
    assert_eq!(**outcomes[0].as_ref().unwrap(), 10);
    for outcome in &outcomes[1..] {
        let error = outcome.as_ref().unwrap_err();
        assert_eq!(error.kind(), LoadErrorKind::Loader);
        assert!(error.downcast_ref::<io::Error>().is_some());
    }
}

async fn keys_are_asked_for_once_and_answered_in_order(over: Over) {
    let (cache, source, calls) = (cache(over), Source::open(), Calls::default());
    let load = ten_times(&calls, &source);
    let values = cache
        .get_many_or_load(&NUMBERS, [3, 1, 3, 2, 1], load)
        .await;
    let values: Vec<u64> = values.into_iter().map(|value| *value.unwrap()).collect();
    assert_eq!(values, [30, 10, 30, 20, 10]);
    let mut call = calls.lock().unwrap().concat();
    call.sort_unstable();
    assert_eq!(call, [1, 2, 3]);
    let none = cache
        .get_many_or_load(&NUMBERS, [], ten_times(&calls, &source))
        .await;
    assert!(none.is_empty());
    until(|| cache.statistics().fills == 3).await;
    let keys = [1, 4, 2].map(|id| NUMBERS.key(id));
    let there: Vec<_> = cache
        .get_many(keys)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(there, [Some(Arc::new(10)), None, Some(Arc::new(20))]);
}

/// Loads the number of the load.
struct Counting(Source);

impl Loader for Counting {
    type Id = u64;
    type Value = u64;
    type Error = io::Error;

    fn space(&self) -> &'static Keyspace<u64, u64> {
        &NUMBERS
    }

    async fn load(&self, _id: u64) -> io::Result<Loaded<u64>> {
        Ok(Loaded::new(self.0.load()().await))
    }
}

async fn a_loader_of_one_keyspace(over: Over) {
    let source = Source::open();
    let numbers = cache(over).loading(Counting(source.clone()));
    assert_eq!(*numbers.get(1).await.unwrap(), 1);
    until(|| numbers.cache().statistics().fills == 1).await;
    assert_eq!(*numbers.get(1).await.unwrap(), 1);
    assert_eq!(*numbers.refresh(1).await.unwrap(), 2);
    until(|| numbers.cache().statistics().fills == 2).await;
    assert_eq!(*numbers.get(1).await.unwrap(), 2);
    assert_eq!(numbers.warm(0..250).await, 250);
    assert_eq!(source.loads(), 251);
    numbers.remove(&1).await.unwrap();
    assert_eq!(*numbers.get(1).await.unwrap(), 252);
}

/// Nobody is given the outcome of a load that began before he asked for a refresh.
#[tokio::test(start_paused = true)]
async fn a_refresh_begins_a_load_of_its_own() {
    let (cache, source) = (
        cache(crate::backends::of_moka_over_memory()),
        Source::held(),
    );
    let mut before = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut before).is_pending());
    source.begun(1).await;
    let load = source.load();
    let mut refresh = cache.refresh(
        NUMBERS.key(1),
        || async move { io::Result::Ok(load().await) },
    );
    assert!(poll!(&mut refresh).is_pending());
    source.begun(2).await;
    let load = source.load();
    let mut third = cache.refresh(
        NUMBERS.key(1),
        || async move { io::Result::Ok(load().await) },
    );
    assert!(poll!(&mut third).is_pending());
    until(|| waiters(&cache) == 3).await;
    assert_eq!(source.loads(), 2, "at most two run");
    source.let_go();
    source.let_go();
    assert_eq!((*before.await.unwrap(), *refresh.await.unwrap()), (1, 2));
    source.let_go();
    assert_eq!(*third.await.unwrap(), 3);
    until(|| cache.loads().is_empty()).await;
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(3)));
}

/// A refresh that joins a load which has not begun is not content with what has been stored meanwhile.
#[tokio::test(start_paused = true)]
async fn a_refresh_loads_whatever_is_stored() {
    let cache = Cache::builder(crate::backends::of_moka_over_memory())
        .ttl(Duration::from_secs(300))
        .max_loads(1)
        .build()
        .unwrap();
    let source = Source::held();
    let other = source.load();
    let mut busy = cache.get_or_load(NUMBERS.key(2), other);
    assert!(poll!(&mut busy).is_pending());
    source.begun(1).await;
    let mut waiting = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut waiting).is_pending());
    let load = source.load();
    let mut refresh = cache.refresh(
        NUMBERS.key(1),
        || async move { io::Result::Ok(load().await) },
    );
    assert!(poll!(&mut refresh).is_pending());
    until(|| waiters(&cache) == 3).await;
    cache.insert(NUMBERS.key(1), 100).await.unwrap();
    source.let_go();
    source.let_go();
    assert_eq!(*refresh.await.unwrap(), 2);
    assert_eq!(*busy.await.unwrap(), 1);
}
