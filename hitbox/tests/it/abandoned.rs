//! What nobody waits for any more is not begun.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::poll;
use hitbox::{Batch, Cache, Status, Why};

use crate::{
    backends::{Over, of_moka_over_memory, on_every_backend},
    source::{NUMBERS, Source, until, waiters},
};

const MINUTE: Duration = Duration::from_secs(60);

/// With one place for a load.
fn cache(over: Over) -> Cache {
    Cache::builder(over)
        .ttl(MINUTE)
        .stale_if_error(MINUTE)
        .max_loads(1)
        .build()
        .unwrap()
}

on_every_backend!(
    a_load_without_a_place_ends_with_its_last_caller,
    who_comes_after_the_last_one_has_gone_leads_a_load_of_his_own,
    a_load_without_a_place_is_made_for_one_who_has_joined,
    a_load_whose_loader_was_called_goes_on,
    a_batch_without_a_place_is_of_what_is_still_wanted,
);

async fn a_load_without_a_place_ends_with_its_last_caller(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let mut busy = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut busy).is_pending());
    source.begun(1).await;
    let mut two = [(); 2].map(|()| cache.get_or_load(NUMBERS.key(2), source.load()));
    for call in &mut two {
        assert!(poll!(call).is_pending());
    }
    until(|| waiters(&cache) == 3).await;
    drop(two);
    until(|| cache.loads().len() == 1).await;
    source.let_go();
    assert_eq!(*busy.await.unwrap(), 1);
    cache.drain().await;
    assert_eq!(source.loads(), 1);
}

async fn who_comes_after_the_last_one_has_gone_leads_a_load_of_his_own(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let mut busy = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut busy).is_pending());
    source.begun(1).await;
    let mut hasty = cache.get_or_load(NUMBERS.key(2), source.load());
    assert!(poll!(&mut hasty).is_pending());
    until(|| waiters(&cache) == 2).await;
    // Nothing else runs between the two.
    drop(hasty);
    let mut patient = cache.get_or_load(NUMBERS.key(2), source.load());
    assert!(poll!(&mut patient).is_pending());
    until(|| waiters(&cache) == 2).await;
    source.let_go();
    assert_eq!(*busy.await.unwrap(), 1);
    source.let_go();
    assert_eq!(*patient.await.unwrap(), 2);
}

async fn a_load_without_a_place_is_made_for_one_who_has_joined(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let mut busy = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut busy).is_pending());
    source.begun(1).await;
    let mut first = cache.get_or_load(NUMBERS.key(2), source.load());
    assert!(poll!(&mut first).is_pending());
    until(|| waiters(&cache) == 2).await;
    let mut joined = cache.get_or_load(NUMBERS.key(2), source.load());
    assert!(poll!(&mut joined).is_pending());
    until(|| waiters(&cache) == 3).await;
    drop(first);
    source.let_go();
    assert_eq!(*busy.await.unwrap(), 1);
    source.let_go();
    assert_eq!(*joined.await.unwrap(), 2);
}

async fn a_load_whose_loader_was_called_goes_on(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let mut call = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut call).is_pending());
    source.begun(1).await;
    drop(call);
    source.let_go();
    cache.drain().await;
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(1)));
}

async fn a_batch_without_a_place_is_of_what_is_still_wanted(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let mut busy = cache.get_or_load(NUMBERS.key(9), source.load());
    assert!(poll!(&mut busy).is_pending());
    source.begun(1).await;
    let calls: Arc<Mutex<Vec<Vec<u64>>>> = Arc::default();
    let called = Arc::clone(&calls);
    let load = |mut missing: Batch<u64, u64>| async move {
        called.lock().unwrap().push(missing.ids().to_vec());
        for id in missing.ids().to_vec() {
            missing.found(id, 10 * id);
        }
        io::Result::Ok(missing)
    };
    let mut batch = cache.get_many_or_load(&NUMBERS, [1, 2, 3], load);
    assert!(poll!(&mut batch).is_pending());
    until(|| waiters(&cache) == 4).await;
    let mut single = cache.get_or_load(NUMBERS.key(2), source.load());
    assert!(poll!(&mut single).is_pending());
    until(|| waiters(&cache) == 5).await;
    drop(batch);
    // One of those that are gone is wanted again, by a load of its own.
    let mut again = cache.get_or_load(NUMBERS.key(3), source.load());
    assert!(poll!(&mut again).is_pending());
    until(|| waiters(&cache) == 3).await;
    source.let_go();
    source.let_go();
    assert_eq!(*busy.await.unwrap(), 1);
    assert_eq!(*single.await.unwrap(), 20);
    assert_eq!(*again.await.unwrap(), 2);
    assert_eq!(*calls.lock().unwrap(), [[2]]);
}

/// Two loads of a key run. The third one waits for one of them to end, and the one who asked goes.
#[tokio::test(start_paused = true)]
async fn a_load_that_waits_for_its_turn_ends_with_its_last_caller() {
    let cache = Cache::builder(of_moka_over_memory())
        .ttl(MINUTE)
        .build()
        .unwrap();
    let source = Source::held();
    let mut running = Vec::new();
    for begun in 1..=2 {
        let load = source.load();
        let mut refresh =
            Box::pin(cache.refresh(
                NUMBERS.key(1),
                || async move { io::Result::Ok(load().await) },
            ));
        assert!(poll!(&mut refresh).is_pending());
        source.begun(begun).await;
        running.push(refresh);
    }
    let load = source.load();
    let mut third = cache.refresh(
        NUMBERS.key(1),
        || async move { io::Result::Ok(load().await) },
    );
    assert!(poll!(&mut third).is_pending());
    until(|| waiters(&cache) == 3).await;
    drop(third);
    until(|| cache.loads().len() == 2).await;
    source.let_go();
    source.let_go();
    for refresh in running {
        refresh.await.unwrap();
    }
    cache.drain().await;
    assert_eq!(source.loads(), 2);
}

/// Who has been given the stale value has gone, too.
#[tokio::test(start_paused = true)]
async fn a_soft_timeout_while_there_is_no_place_begins_no_load() {
    let (cache, source) = (cache(of_moka_over_memory()), Source::held());
    // Stale at once.
    let stale = cache.insert(NUMBERS.key(2), 7).ttl(Duration::ZERO);
    stale.await.unwrap();
    let mut busy = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut busy).is_pending());
    source.begun(1).await;
    let entry = cache
        .get_or_load(NUMBERS.key(2), source.load())
        .soft_timeout(Duration::from_secs(1))
        .entry();
    let entry = entry.await.unwrap();
    assert_eq!(
        (entry.status(), **entry.value()),
        (Status::Stale(Why::LoadSlow), 7)
    );
    source.let_go();
    assert_eq!(*busy.await.unwrap(), 1);
    cache.drain().await;
    assert_eq!(source.loads(), 1);
}

/// A refresh in the background is begun although nobody waits for it: also by a batch.
#[tokio::test(start_paused = true)]
async fn a_refresh_in_the_background_is_wanted_by_nobody_and_begins() {
    let cache = Cache::builder(of_moka_over_memory())
        .ttl(MINUTE)
        .stale_while_revalidate(MINUTE)
        .build()
        .unwrap();
    for id in [1, 2] {
        let stale = cache.insert(NUMBERS.key(id), 7).ttl(Duration::ZERO);
        stale.await.unwrap();
    }
    let source = Source::open();
    let hit = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(*hit.unwrap(), 7);
    let load = |mut missing: Batch<u64, u64>| async move {
        missing.found(2, 20);
        io::Result::Ok(missing)
    };
    let hits = cache.get_many_or_load(&NUMBERS, [2], load).await;
    assert_eq!(*hits[0].as_ref().unwrap().clone(), 7);
    cache.drain().await;
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(1)));
    assert_eq!(cache.get(NUMBERS.key(2)).await.unwrap(), Some(Arc::new(20)));
}
