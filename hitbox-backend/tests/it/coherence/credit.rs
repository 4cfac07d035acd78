//! What vouches for a copy is taken before the copy is looked for.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use hitbox_backend::{
    Attempt, Backend, BackendResult, CacheBackend, Compose, CompositionBackend, DeleteStatus,
    ReadAttempt, ReadOutcome, WriteAttempt,
    coherence::{Coherence, LocalBackplane},
    conformance::MemoryBackend,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, DisabledOffload, Raw, Stamp, clock::Moment,
};
use tokio::time::sleep;

use super::{BOUND, Link, get};

type Meanwhile = Box<dyn FnOnce() + Send>;

/// In process; something happens between the look for a copy and its answer.
#[derive(Default)]
struct Interrupted {
    inner: MemoryBackend,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

#[async_trait]
impl Backend for Interrupted {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.inner.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        let attempt = self.inner.try_read(key, context, moment);
        if matches!(&attempt, Attempt::Ready(Ok(Some(_)))) {
            // Before it is called: it may read, too.
            let meanwhile = self.meanwhile.lock().unwrap().take();
            meanwhile.into_iter().for_each(|meanwhile| meanwhile());
        }
        attempt
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.inner.try_write(key, value)
    }

    fn is_non_blocking(&self) -> bool {
        true
    }

    fn label(&self) -> BackendLabel {
        self.inner.label()
    }
}

/// The reader holds a copy, and only then the news that have dropped it vouch for all that is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_do_not_vouch_for_the_copy_that_they_drop() {
    let plane = LocalBackplane::new();
    let store = Arc::new(plane.announcing(MemoryBackend::new()));
    let (link, is_cut) = Link::to(&plane);
    let l1 = Interrupted::default();
    let meanwhile = Arc::clone(&l1.meanwhile);
    let cache = l1
        .compose(Arc::clone(&store), DisabledOffload)
        .coherent(link, Coherence::within(BOUND))
        .unwrap();
    let key = CacheKey::from_pair("id", "1");
    let value = |data: u32| CacheValue::loaded(Arc::new(data), Stamp::now());
    while age(&cache).is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    store.set(&key, value(1)).await.unwrap();
    // Its own news may drop the copy once.
    while get(cache.l1(), &key).await.is_none() {
        assert_eq!(get(&cache, &key).await, Some(1));
        sleep(BOUND / 4).await;
    }
    is_cut.store(true, Ordering::Relaxed);
    store.set(&key, value(2)).await.unwrap();
    while age(&cache) <= Some(BOUND * 2) {
        // Heard before the link was cut: the copy is gone, and another one takes its place.
        assert!(get(&cache, &key).await.is_some());
        sleep(BOUND / 4).await;
    }
    store.set(&key, value(3)).await.unwrap();
    *meanwhile.lock().unwrap() = Some(Box::new({
        let (cache, is_cut) = (cache.clone(), Arc::clone(&is_cut));
        move || {
            is_cut.store(false, Ordering::Relaxed);
            while age(&cache) > Some(BOUND) {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }));
    // The copy is of 2, and older than the bound.
    sleep(BOUND * 2).await;
    assert_eq!(get(&cache, &key).await, Some(3));
    assert!(meanwhile.lock().unwrap().is_none(), "there was no copy");
}

/// How long ago what is vouched for was asked.
fn age<L1: Backend + 'static, L2: Backend + 'static>(
    cache: &CompositionBackend<L1, L2, DisabledOffload>,
) -> Option<Duration> {
    cache.hearing().unwrap().age
}
