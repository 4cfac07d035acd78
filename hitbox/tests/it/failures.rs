//! Loads that fail, panic or hang: one failure for all who waited, and a load for the next one.

use std::{error::Error, future, io, time::Duration};

use futures::{future::join_all, poll};
use hitbox::{Batch, Cache, LoadErrorKind, LoadStage};
use hitbox_backend::chaos::{Fault, Script};

use crate::{
    backends::{Over, moka_over_chaos, on_every_backend, on_redis},
    source::{NUMBERS, Source, until, waiters},
};

fn cache(over: Over) -> Cache {
    Cache::builder(over)
        .ttl(Duration::from_secs(300))
        .build()
        .unwrap()
}

fn panics() -> u64 {
    panic!("secret")
}

on_every_backend!(
    a_failure_is_that_of_all_who_waited_and_of_nobody_else,
    a_loader_that_panics_says_nothing_to_others,
    a_loader_that_hangs_is_dropped_at_its_deadline,
    a_hard_timeout_is_that_of_one_caller,
);

on_redis!(
    a_failure_is_that_of_all_who_waited_and_of_nobody_else,
    a_loader_that_panics_says_nothing_to_others,
);

async fn a_failure_is_that_of_all_who_waited_and_of_nobody_else(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let calls = (0..1_000).map(|_| {
        let (cache, load) = (cache.clone(), source.fail());
        tokio::spawn(async move { cache.get_or_try_load(NUMBERS.key(1), load).await })
    });
    let calls: Vec<_> = calls.collect();
    until(|| waiters(&cache) == 1_000).await;
    source.begun(1).await;
    source.let_go();
    for outcome in join_all(calls).await {
        let error = outcome.unwrap().unwrap_err();
        assert_eq!(error.kind(), LoadErrorKind::Loader);
        assert!(error.downcast_ref::<io::Error>().is_some());
        assert_eq!(error.source().unwrap().to_string(), "load 1 fails");
    }
    assert_eq!(source.loads(), 1);
    source.let_go();
    let next = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(*next.unwrap(), 2);
}

async fn a_loader_that_panics_says_nothing_to_others(over: Over) {
    let cache = cache(over);
    let in_the_call = cache.get_or_load(NUMBERS.key(1), || -> future::Ready<u64> {
        panic!("secret")
    });
    let in_the_call = in_the_call.await.unwrap_err();
    let in_a_poll = cache.get_or_load(NUMBERS.key(1), || async { panics() });
    let in_a_poll = in_a_poll.await.unwrap_err();
    let later = cache.get_or_load(NUMBERS.key(1), || async {
        tokio::task::yield_now().await;
        panics()
    });
    let later = later.await.unwrap_err();
    for error in [in_the_call, in_a_poll, later] {
        assert_eq!(error.kind(), LoadErrorKind::Panicked);
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
    let source = Source::open();
    let next = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(*next.unwrap(), 1);
}

async fn a_loader_that_hangs_is_dropped_at_its_deadline(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let deadline = Duration::from_secs(1);
    let load = || {
        cache
            .get_or_load(NUMBERS.key(1), source.load())
            .load_deadline(deadline)
    };
    let (mut one, mut other) = (load(), load());
    assert!(poll!(&mut one).is_pending());
    assert!(poll!(&mut other).is_pending());
    source.begun(1).await;
    let [under_way] = &cache.loads()[..] else {
        panic!("one load")
    };
    assert_eq!(under_way.key.as_text(), "numbers:v1:id=1");
    assert_eq!(
        (under_way.waiters, under_way.stage),
        (2, LoadStage::Loading)
    );
    // The clock is paused: it goes on when everybody waits.
    let began = tokio::time::Instant::now();
    for outcome in [one.await, other.await] {
        assert_eq!(outcome.unwrap_err().kind(), LoadErrorKind::Timeout);
    }
    assert!((deadline..deadline * 2).contains(&began.elapsed()));
    assert!(cache.loads().is_empty());
    source.let_go();
    let next = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(
        (*next.unwrap(), source.loads()),
        (2, 2),
        "the first was dropped"
    );
}

async fn a_hard_timeout_is_that_of_one_caller(over: Over) {
    let (cache, source) = (cache(over), Source::held());
    let hasty = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .hard_timeout(Duration::from_millis(100));
    assert_eq!(hasty.await.unwrap_err().kind(), LoadErrorKind::Timeout);
    let mut patient = cache.get_or_load(NUMBERS.key(1), source.load());
    assert!(poll!(&mut patient).is_pending());
    source.let_go();
    assert_eq!((*patient.await.unwrap(), source.loads()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_fails_costs_loads_and_no_errors() {
    let (over, chaos) = moka_over_chaos();
    let (cache, source) = (cache(over), Source::open());
    chaos.fail_everything();
    let value = cache.get_or_load(NUMBERS.key(1), source.load()).await;
    assert_eq!(*value.unwrap(), 1);
    until(|| cache.loads().is_empty()).await;
}

/// A backend that hangs costs a caller his own time-out, and a load its deadline.
#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_holds_nobody_for_ever() {
    let (over, chaos) = moka_over_chaos();
    let (cache, source) = (cache(over), Source::open());
    let second = Duration::from_secs(1);
    chaos
        .script(Script::reads([Some(Fault::Hang), Some(Fault::Hang)]))
        .unwrap();
    let began = tokio::time::Instant::now();
    let one = cache
        .get_or_load(NUMBERS.key(1), source.load())
        .hard_timeout(second);
    assert_eq!(one.await.unwrap_err().kind(), LoadErrorKind::Timeout);
    let load = |missing: Batch<u64, u64>| async { io::Result::Ok(missing) };
    let many = cache
        .get_many_or_load(&NUMBERS, [1, 2], load)
        .hard_timeout(second);
    for outcome in many.await {
        assert_eq!(outcome.unwrap_err().kind(), LoadErrorKind::Timeout);
    }
    assert_eq!(began.elapsed(), 2 * second);
    assert_eq!(source.loads(), 0);
}
