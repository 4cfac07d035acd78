//! Mistakes of those who call: two types under one name, another batch than the one that was given, ids that panic.

use std::{
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;
use hitbox::{Batch, Cache, KeyParts, Keyspace, LoadErrorKind, PartWriter};
use hitbox_backend::BackendErrorKind;

use crate::{
    backends::{Over, on_every_backend},
    source::NUMBERS,
};

const TEXTS: Keyspace<u64, String> = Keyspace::new("numbers", 1);

fn cache(over: Over) -> Cache {
    Cache::builder(over)
        .ttl(Duration::from_secs(300))
        .build()
        .unwrap()
}

on_every_backend!(
    a_second_type_is_refused_by_all_who_look_at_it,
    a_batch_of_another_load_is_refused,
    an_id_that_panics_leaves_its_key_free,
);

async fn a_second_type_is_refused_by_all_who_look_at_it(over: Over) {
    let cache = cache(over);
    cache.insert(NUMBERS.key(1), 7).await.unwrap();
    let error = cache.get(TEXTS.key(1)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    assert!(error.to_string().contains("raise the version"), "{error}");
    assert_eq!(cache.try_get(TEXTS.key(1)), None);
    let many = cache.get_many([TEXTS.key(1), TEXTS.key(2)]).await;
    assert!(many.iter().all(Result::is_err));
    let load = || async { String::from("seven") };
    let error = cache.get_or_load(TEXTS.key(1), load).await.unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::KeyConflict);
    assert!(cache.insert(TEXTS.key(1), load().await).await.is_err());
    assert_eq!(cache.statistics().calls.failed, 5, "of `try_get`, too");
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), Some(Arc::new(7)));
    // Whatever type it has, it is gone.
    cache.remove(TEXTS.key(1)).await.unwrap();
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
}

async fn a_batch_of_another_load_is_refused(over: Over) {
    let cache = cache(over);
    let kept: Arc<Mutex<Option<Batch<u64, u64>>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let load = |mut missing: Batch<u64, u64>| async move {
        missing.found(1, 10);
        *keep.lock().unwrap() = Some(missing);
        Err::<Batch<u64, u64>, _>(io::Error::other("it keeps the batch"))
    };
    assert!(cache.get_many_or_load(&NUMBERS, [1], load).await[0].is_err());
    let foreign = kept.lock().unwrap().take().unwrap();
    let load = |_missing| async { io::Result::Ok(foreign) };
    let values = cache.get_many_or_load(&NUMBERS, [2], load).await;
    let error = values[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Loader);
    let source = std::error::Error::source(error).unwrap();
    assert!(source.to_string().contains("not the one"), "{source}");
    cache.drain().await;
    assert_eq!(cache.get(NUMBERS.key(2)).await.unwrap(), None);
}

/// An id that cannot be cloned.
#[derive(PartialEq, Eq, Hash)]
struct Fragile(u64);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        panic!("it breaks");
    }
}

impl KeyParts for Fragile {
    fn parts(&self, to: &mut PartWriter<'_>) {
        self.0.parts(to);
    }
}

const FRAGILE: Keyspace<Fragile, u64> = Keyspace::new("fragile", 1);

async fn an_id_that_panics_leaves_its_key_free(over: Over) {
    let cache = cache(over);
    // What a batch is told of an id it keeps under a clone of that.
    let tells = |mut missing: Batch<Fragile, u64>| async move {
        missing.found(Fragile(1), 10);
        io::Result::Ok(missing)
    };
    let is_silent = |missing: Batch<Fragile, u64>| async move { io::Result::Ok(missing) };
    let ids = || [Fragile(1), Fragile(2)];
    let call = AssertUnwindSafe(cache.get_many_or_load(&FRAGILE, ids(), tells));
    for outcome in call.catch_unwind().await.unwrap() {
        assert_eq!(outcome.unwrap_err().kind(), LoadErrorKind::Panicked);
    }
    let call = AssertUnwindSafe(cache.get_many_or_load(&FRAGILE, ids(), is_silent));
    for outcome in call.catch_unwind().await.unwrap() {
        assert_eq!(outcome.unwrap_err().kind(), LoadErrorKind::Absent);
    }
    cache.drain().await;
    assert!(cache.loads().is_empty());
    let single = cache.get_or_load(FRAGILE.key(Fragile(1)), || async { 7 });
    assert_eq!(*single.await.unwrap(), 7);
}
