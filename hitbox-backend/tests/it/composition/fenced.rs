//! A single backend in fences: what keeps older values out of two layers keeps them out of one, and nothing else
//! shows.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Attempt, Backend, BackendErrorKind, BackendExt, CacheBackend, CacheContext, CacheStatus,
    Compose, Fenced, Fencing,
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    BoxContext, CacheKey, CacheValue, DisabledOffload, ResponseSource, Stamp, clock::Moment,
};

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("id", number.to_string())
}

fn loaded(number: u32, began: Stamp) -> CacheValue<Arc<u32>> {
    CacheValue::loaded(Arc::new(number), began)
}

async fn found(cache: &impl Backend, key: &CacheKey) -> Option<u32> {
    let found = cache.get::<u32>(key).await.unwrap();
    found.map(|value| **value.data())
}

#[tokio::test]
async fn what_is_older_is_not_stored_by_any_clone() {
    let cache = MemoryBackend::new().fenced();
    let copy = cache.clone();
    let older = Stamp::now();
    copy.delete(&key(1)).await.unwrap();
    cache.set(&key(1), loaded(1, older)).await.unwrap();
    assert_eq!(found(&cache, &key(1)).await, None);
    let older = Stamp::now();
    copy.set(&key(1), loaded(2, Stamp::now())).await.unwrap();
    cache.set(&key(1), loaded(1, older)).await.unwrap();
    assert_eq!(found(&cache, &key(1)).await, Some(2));
    assert_eq!(cache.fencing(), Fencing::Fenced);
    assert_eq!(cache.get_ref().fencing(), Fencing::Unfenced);
}

/// With another key in doubt, reads look at the fences.
async fn in_both_ways(check: impl AsyncFn(&Fenced<FaultyBackend<MemoryBackend>>)) {
    let (backend, _faults) = FaultyBackend::new(MemoryBackend::new());
    check(&backend.fenced()).await;
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let cache = backend.fenced();
    faults.removes().next(1, Fault::FailAfterEffect);
    cache.remove(&key(99)).await.unwrap_err();
    check(&cache).await;
}

#[tokio::test]
async fn hits_misses_and_errors_are_those_of_the_backend() {
    in_both_ways(async |cache| {
        let key = key(1);
        let mut context = CacheContext::default().boxed();
        assert!(
            cache
                .get_with::<u32>(&key, &mut context)
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(context.status(), CacheStatus::Miss);
        cache.set(&key, loaded(1, Stamp::now())).await.unwrap();
        for attempt in [false, true] {
            let mut context = BoxContext::default();
            if attempt {
                let attempt = cache.try_read(&key, &mut context, &Moment::default());
                assert!(matches!(attempt, Attempt::Ready(Ok(Some(_)))));
            } else {
                cache.read_with(&key, &mut context).await.unwrap().unwrap();
            }
            assert_eq!(context.status(), CacheStatus::Hit);
            let source = ResponseSource::Backend("memory".into());
            assert_eq!(*context.source(), source);
        }
        assert_eq!(cache.label().as_str(), "memory");
    })
    .await;
}

#[tokio::test]
async fn a_failure_says_what_that_of_the_backend_says() {
    for in_doubt in [false, true] {
        let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
        let cache = backend.fenced();
        if in_doubt {
            faults.removes().next(1, Fault::FailAfterEffect);
            cache.remove(&key(99)).await.unwrap_err();
        }
        faults.reads().next(1, Fault::FailBeforeEffect);
        let mut context = CacheContext::default().boxed();
        let error = cache.read_with(&key(1), &mut context).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "memory: read: unavailable: a scripted fault"
        );
        assert!(error.layer().is_none());
        assert_eq!(context.failures(), []);
        assert_eq!(context.status(), CacheStatus::Miss);
        faults.writes().next(1, Fault::FailBeforeEffect);
        let error = cache
            .set(&key(1), loaded(1, Stamp::now()))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "memory: write: unavailable: a scripted fault"
        );
        faults.removes().next(1, Fault::FailBeforeEffect);
        let error = cache.remove(&key(1)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "memory: remove: unavailable: a scripted fault"
        );
        let many = [key(1), key(2)];
        faults.removes().next(1, Fault::FailBeforeEffect);
        let outcomes = cache.remove_many(&many).await;
        let text = outcomes[0].as_ref().unwrap_err().to_string();
        assert_eq!(text, "memory: remove: unavailable: a scripted fault");
        assert!(outcomes[1].is_ok());
    }
}

#[tokio::test]
async fn what_a_failed_change_has_left_is_not_served_and_is_removed_by_the_next_read() {
    let memory = Arc::new(MemoryBackend::new());
    let (backend, faults) = FaultyBackend::new(memory.clone());
    let cache = backend.fenced();
    cache.set(&key(1), loaded(1, Stamp::now())).await.unwrap();
    faults.removes().always(Fault::FailBeforeEffect);
    cache.delete(&key(1)).await.unwrap_err();
    assert_eq!(found(&cache, &key(1)).await, None);
    assert_eq!(found(&memory, &key(1)).await, Some(1));
    faults.heal();
    assert_eq!(found(&cache, &key(1)).await, None);
    assert_eq!(found(&memory, &key(1)).await, None);
}

#[tokio::test(start_paused = true)]
async fn around_a_backend_that_hangs_a_deadline_ends_its_calls() {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let cache = backend
        .deadline(Duration::from_millis(50))
        .unwrap()
        .fenced();
    faults.reads().always(Fault::HangBeforeEffect);
    let error = cache.read(&key(1)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Timeout);
}

#[tokio::test]
async fn a_composition_of_fenced_stores_leases_in_them_too() {
    let [l1, l2] = [(); 2].map(|()| MemoryBackend::new().fenced());
    let cache = l1.clone().compose(l2.clone(), DisabledOffload);
    cache.expire(&key(1)).await.unwrap();
    for layer in [&l1, &l2] {
        assert!(layer.invalidations(&key(1)).soft > Stamp::ZERO);
    }
}
