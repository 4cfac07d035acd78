//! Two loads of a key run at most: what a third one waits for, and whom it holds meanwhile.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture, poll};
use hitbox::{Batch, Cache, LoadError};
use tokio::time::Instant;

use crate::{
    backends::{Over, of_moka_over_memory, on_every_backend},
    source::{NUMBERS, Source, until, waiters},
};

type Call<'c> = Pin<Box<dyn Future<Output = Result<Arc<u64>, LoadError>> + Send + 'c>>;

fn cache(over: Over) -> Cache {
    Cache::builder(over)
        .ttl(Duration::from_secs(300))
        .build()
        .unwrap()
}

on_every_backend!(
    a_batch_holds_no_key_while_it_waits_for_another,
    a_batch_and_loads_that_wait_for_it_do_not_wait_for_each_other,
    a_batch_and_loads_that_have_joined_it_do_not_wait_for_each_other,
    a_third_load_that_the_other_two_wait_for_is_begun,
    a_batch_waits_for_its_turn,
    a_batch_waits_no_longer_than_its_caller,
);

/// Two loads of the key run, which the source holds; what is asked for now gets neither.
async fn with_two_running<'c>(cache: &'c Cache, source: &Source, key: u64) -> Vec<Call<'c>> {
    let mut running: Vec<Call<'c>> = Vec::new();
    for _ in 0..2 {
        let (load, begun) = (source.load(), source.loads() + 1);
        let refresh = cache.refresh(
            NUMBERS.key(key),
            || async move { io::Result::Ok(load().await) },
        );
        let mut refresh: Call<'c> = Box::pin(refresh);
        assert!(poll!(&mut refresh).is_pending());
        source.begun(begun).await;
        running.push(refresh);
    }
    cache.remove(NUMBERS.key(key)).await.unwrap();
    running
}

/// As above; but each asks for another key before it ends.
async fn with_two_that_ask_for<'c>(
    cache: &'c Cache,
    source: &Source,
    (key, other): (u64, u64),
) -> Vec<Call<'c>> {
    let mut running: Vec<Call<'c>> = Vec::new();
    for _ in 0..2 {
        let (load, begun) = (source.load(), source.loads() + 1);
        let inner = cache.clone();
        let refresh = cache.refresh(NUMBERS.key(key), move || async move {
            load().await;
            let other = inner
                .get_or_load(NUMBERS.key(other), || async { 70 })
                .await?;
            Ok::<_, LoadError>(*other + 1)
        });
        let mut refresh: Call<'c> = Box::pin(refresh);
        assert!(poll!(&mut refresh).is_pending());
        source.begun(begun).await;
        running.push(refresh);
    }
    cache.remove(NUMBERS.key(key)).await.unwrap();
    running
}

fn ten_times(
    source: &Source,
) -> impl FnOnce(Batch<u64, u64>) -> BoxFuture<'static, io::Result<Batch<u64, u64>>> + Send + use<>
{
    let load = source.load();
    move |mut missing| {
        async move {
            load().await;
            for id in missing.ids().to_vec() {
                missing.found(id, 10 * id);
            }
            Ok(missing)
        }
        .boxed()
    }
}

async fn a_batch_holds_no_key_while_it_waits_for_another(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let running = with_two_running(&cache, &source, 2).await;
    let mut batch = cache.get_many_or_load(&NUMBERS, [1, 2], ten_times(&source));
    assert!(poll!(&mut batch).is_pending());
    let began = Instant::now();
    let single = cache.get_or_load(NUMBERS.key(1), || async { 7 });
    assert!([7, 10].contains(&*single.await.unwrap()));
    assert_eq!(began.elapsed(), Duration::ZERO, "the clock stands still");
    (0..3).for_each(|_| source.let_go());
    for refresh in running {
        refresh.await.unwrap();
    }
    let values = batch.await;
    assert_eq!(**values[1].as_ref().unwrap(), 20);
    assert_eq!(began.elapsed(), Duration::ZERO, "the clock stands still");
}

async fn a_batch_and_loads_that_wait_for_it_do_not_wait_for_each_other(over: Over) {
    let (cache, source, of_batch) = (cache(over), Source::held(), Source::open());
    let running = with_two_that_ask_for(&cache, &source, (2, 1)).await;
    let mut batch = cache.get_many_or_load(&NUMBERS, [1, 2], ten_times(&of_batch));
    assert!(poll!(&mut batch).is_pending());
    tokio::task::yield_now().await;
    let began = Instant::now();
    (0..2).for_each(|_| source.let_go());
    for refresh in running {
        assert!([11, 71].contains(&*refresh.await.unwrap()));
    }
    assert_eq!(**batch.await[1].as_ref().unwrap(), 20);
    assert_eq!(began.elapsed(), Duration::ZERO, "the clock stands still");
}

/// They have asked before the batch has been run at all.
async fn a_batch_and_loads_that_have_joined_it_do_not_wait_for_each_other(over: Over) {
    let (cache, source, of_batch) = (cache(over), Source::held(), Source::open());
    let running = with_two_that_ask_for(&cache, &source, (2, 1)).await;
    let began = Instant::now();
    (0..2).for_each(|_| source.let_go());
    let mut batch = cache.get_many_or_load(&NUMBERS, [1, 2], ten_times(&of_batch));
    assert!(poll!(&mut batch).is_pending());
    for refresh in running {
        assert!([11, 71].contains(&*refresh.await.unwrap()));
    }
    assert_eq!(**batch.await[1].as_ref().unwrap(), 20);
    assert_eq!(began.elapsed(), Duration::ZERO, "the clock stands still");
}

/// The two wait for another key, whose load asks for theirs: since that was removed, it gets a third one.
async fn a_third_load_that_the_other_two_wait_for_is_begun(over: Over) {
    let (cache, source, gate) = (cache(over), Source::held(), Source::held());
    let (inner, load) = (cache.clone(), gate.load());
    let mut other = cache.get_or_try_load(NUMBERS.key(1), move || async move {
        load().await;
        let third = inner.get_or_load(NUMBERS.key(2), || async { 20 }).await?;
        Ok::<_, LoadError>(*third + 1)
    });
    assert!(poll!(&mut other).is_pending());
    gate.begun(1).await;
    let running = with_two_that_ask_for(&cache, &source, (2, 1)).await;
    let began = Instant::now();
    (0..2).for_each(|_| source.let_go());
    until(|| waiters(&cache) == 5).await;
    gate.let_go();
    assert_eq!(*other.await.unwrap(), 21);
    for refresh in running {
        assert_eq!(*refresh.await.unwrap(), 22);
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "the clock stands still");
}

async fn a_batch_waits_for_its_turn(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let running = with_two_running(&cache, &source, 2).await;
    let mut batches: Vec<_> = (0..3)
        .map(|_| cache.get_many_or_load(&NUMBERS, [1, 2], ten_times(&source)))
        .collect();
    for batch in &mut batches {
        assert!(poll!(batch).is_pending());
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(source.loads(), 2, "at most two run");
    source.let_go();
    for _ in 0..1_000 {
        for batch in &mut batches {
            assert!(poll!(batch).is_pending());
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(source.loads(), 3, "the first of them loads");
    (0..2).for_each(|_| source.let_go());
    for refresh in running {
        refresh.await.unwrap();
    }
    for batch in batches {
        assert_eq!(**batch.await[1].as_ref().unwrap(), 20);
    }
    assert_eq!(source.loads(), 3, "the others have joined");
}

async fn a_batch_waits_no_longer_than_its_caller(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let running = with_two_running(&cache, &source, 2).await;
    let began = Instant::now();
    let batch = cache
        .get_many_or_load(&NUMBERS, [1, 2], ten_times(&source))
        .hard_timeout(Duration::from_secs(1));
    assert!(batch.await.iter().all(Result::is_err));
    assert_eq!(began.elapsed().as_secs(), 1);
    (0..3).for_each(|_| source.let_go());
    for refresh in running {
        refresh.await.unwrap();
    }
}

/// Of what is there, nothing is waited for.
#[tokio::test(start_paused = true)]
async fn a_batch_that_has_an_answer_for_each_waits_for_no_turn() {
    let cache = Cache::builder(of_moka_over_memory())
        .ttl(Duration::from_secs(300))
        .stale_while_revalidate(Duration::from_secs(300))
        .build()
        .unwrap();
    let source = Source::held();
    let running = with_two_running(&cache, &source, 2).await;
    // Stale at once.
    let stale = cache.insert(NUMBERS.key(2), 7).ttl(Duration::ZERO);
    stale.await.unwrap();
    let batch = cache.get_many_or_load(&NUMBERS, [2], ten_times(&source));
    assert_eq!(**batch.await[0].as_ref().unwrap(), 7);
    (0..3).for_each(|_| source.let_go());
    for refresh in running {
        refresh.await.unwrap();
    }
}
