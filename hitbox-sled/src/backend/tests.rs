use std::{
    future::Future,
    pin::{Pin, pin},
    sync::mpsc,
    task::{self, Waker},
    time::Duration,
};

use chrono::TimeDelta;
use hitbox_backend::{BackendErrorKind, conformance::Subject};
use hitbox_core::{CacheStatus, Stamp, clock::VirtualTime};

use super::*;
use crate::hand_over::{INLINE_KEYS, INLINE_READ};

/// Here and not with the rest of the suite: only the crate itself can reach the stored bytes of
/// an open backend.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_stored_bytes_conform() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SledBackend::builder()
        .path(directory.path())
        .build()
        .unwrap();
    let store = Arc::clone(&backend.inner.store);
    Subject::new(Arc::new(backend))
        .corrupt_with(move |key, bytes| {
            store.inject(key.as_text().as_bytes(), &bytes);
            async {}
        })
        .only("corruption::")
        .assert_conforms()
        .await;
}

/// Whether the read was done at once, and what came of it.
async fn begin(backend: &SledBackend, key: &CacheKey) -> (bool, ReadOutcome, BoxContext) {
    let mut context = BoxContext::default();
    let (at_once, outcome) = match backend.try_read(key, &mut context, &Moment::default()) {
        Attempt::Ready(outcome) => (true, outcome),
        Attempt::Pending(rest) => {
            let (outcome, noted) = rest.await;
            context = noted;
            (false, outcome)
        }
        Attempt::WouldBlock(()) => panic!("not begun"),
    };
    (at_once, outcome, context)
}

#[tokio::test]
async fn reads_are_begun_in_place_and_answered_there_if_the_value_is_not_large() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SledBackend::builder()
        .path(directory.path())
        .build()
        .unwrap();
    let clock = VirtualTime::start(clock::now());
    let key = CacheKey::from_pair("key", "k");
    for length in [100, INLINE_READ as usize] {
        let expire = clock.now() + TimeDelta::seconds(1);
        let value = CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now()).expires_at(expire);
        backend.write(&key, value.clone()).await.unwrap();
        let (at_once, outcome, context) = begin(&backend, &key).await;
        assert_eq!(at_once, length < INLINE_READ as usize);
        assert_eq!(outcome.unwrap(), Some(value));
        assert_eq!(context.status(), CacheStatus::Hit);
        assert_eq!(context.source().to_string(), "sled");

        clock.advance(TimeDelta::seconds(1));
        let (_, outcome, context) = begin(&backend, &key).await;
        assert_eq!(outcome.unwrap(), None);
        assert_eq!(context.status(), CacheStatus::Miss);
    }
}

/// Its values may have expired by the time that the disk has answered.
#[tokio::test]
async fn no_read_is_begun_under_a_moment_that_has_passed() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SledBackend::builder()
        .path(directory.path())
        .build()
        .unwrap();
    let key = CacheKey::from_pair("key", "k");
    let expire = clock::now() + TimeDelta::hours(1);
    let value = CacheValue::loaded(Raw::from(vec![1; 100]), Stamp::now()).expires_at(expire);
    let moment = Moment::default();
    assert!(!value.is_expired_at(&moment));
    backend.write(&key, value).await.unwrap();
    let mut context = BoxContext::default();
    let reading = backend.try_read(&key, &mut context, &moment);
    assert!(matches!(reading, Attempt::WouldBlock(())), "{reading:?}");
}

#[tokio::test]
async fn stored_bytes_that_are_no_stored_form_are_a_counted_miss() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SledBackend::builder()
        .path(directory.path())
        .build()
        .unwrap();
    let key = CacheKey::from_pair("key", "k");
    let value = CacheValue::loaded(Raw::from(vec![1; 100]), Stamp::now());
    backend.write(&key, value.clone()).await.unwrap();
    backend
        .inner
        .store
        .inject(key.as_text().as_bytes(), b"junk");
    assert_eq!(backend.read(&key).await.unwrap(), None);
    assert_eq!(backend.statistics().rejections.count(Rejection::Foreign), 1);
    assert_eq!(backend.remove(&key).await.unwrap(), DeleteStatus::Missing);
    backend.write(&key, value.clone()).await.unwrap();
    assert_eq!(backend.read(&key).await.unwrap(), Some(value));
}

#[tokio::test]
async fn a_disk_that_fails_hangs_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let builder = SledBackend::builder().path(directory.path());
    let backend = builder.clone().build().unwrap();
    let key = CacheKey::from_pair("key", "k");
    let value = |length| CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now());
    backend.write(&key, value(10)).await.unwrap();
    // Where sled puts large pages.
    std::fs::remove_dir_all(directory.path().join("data/blobs")).unwrap();
    assert!(backend.inner.store.insert_blob().is_err());

    let afterwards = async {
        for length in [10, 100_000] {
            let written = backend.write(&key, value(length)).await.unwrap_err();
            assert_eq!(written.kind(), BackendErrorKind::Unavailable);
        }
        let read = backend.read(&key).await.unwrap_err();
        assert_eq!(read.kind(), BackendErrorKind::Unavailable);
        assert!(backend.flush().await.is_err());
        assert!(backend.sweep_now().await.is_err());
        // Whoever has it as any backend is told so, too.
        let leftovers = Backend::close(&backend, Duration::from_secs(1)).await;
        assert_eq!(leftovers.failures.len(), 1);
        assert!(backend.close().await.is_err());
    };
    tokio::time::timeout(Duration::from_secs(20), afterwards)
        .await
        .unwrap();
    let reopened = builder.build().unwrap_err();
    assert_eq!(reopened.kind(), BackendErrorKind::Unavailable);
}

/// The disk is full for a long value, and sled has room still.
#[tokio::test]
async fn a_long_value_that_cannot_be_written_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let backend = SledBackend::builder()
        .path(directory.path())
        .build()
        .unwrap();
    let key = CacheKey::from_pair("key", "k");
    let value = |length| CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now());
    let short = value(10);
    backend.write(&key, short.clone()).await.unwrap();
    std::fs::write(directory.path().join("values"), "no directory").unwrap();
    let failed = backend.write(&key, value(100_000)).await.unwrap_err();
    assert_eq!(failed.kind(), BackendErrorKind::Unavailable);
    assert_eq!(backend.read(&key).await.unwrap(), Some(short));
    std::fs::remove_file(directory.path().join("values")).unwrap();
    let long = value(100_000);
    backend.write(&key, long.clone()).await.unwrap();
    assert_eq!(backend.read(&key).await.unwrap(), Some(long));
}

/// Polls `call` once, which hands it over, and drops it. Meanwhile nothing that is handed over is
/// done, and `then` is made. Afterwards what was handed over is done.
async fn handed_over_and_overtaken(call: impl Future, then: impl AsyncFnOnce()) {
    let (go_on, wait) = mpsc::channel::<()>();
    let in_the_way = tokio::task::spawn_blocking(move || wait.recv());
    {
        let mut context = task::Context::from_waker(Waker::noop());
        assert!(
            pin!(call).poll(&mut context).is_pending(),
            "not handed over"
        );
    }
    then().await;
    go_on.send(()).unwrap();
    in_the_way.await.unwrap().unwrap();
    // Behind what was handed over, on the only thread there is for it.
    tokio::task::spawn_blocking(|| ()).await.unwrap();
}

/// What is handed over is done one after the other.
fn with_one_blocking_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

#[test]
fn a_dropped_change_that_is_made_late_does_not_undo_what_began_after_it() {
    with_one_blocking_thread(async {
        let directory = tempfile::tempdir().unwrap();
        let backend = SledBackend::builder()
            .path(directory.path())
            .open()
            .await
            .unwrap();
        let key = CacheKey::from_pair("key", "k");
        let value = |length| CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now());
        let others = || (0..INLINE_KEYS).map(|n| CacheKey::from_pair("other", n.to_string()));
        let many = |first: &CacheKey| [first.clone()].into_iter().chain(others());

        let (before, long, after) = (value(10), value(100_000), value(20));
        // The newer change decides, whatever the older one is.
        for older in ["write", "write many", "remove many"] {
            for newer in ["write", "remove"] {
                backend.write(&key, before.clone()).await.unwrap();
                let older: Pin<Box<dyn Future<Output = ()>>> = match older {
                    "write" => Box::pin(async {
                        backend.write(&key, long.clone()).await.unwrap();
                    }),
                    "write many" => Box::pin(async {
                        let entries = many(&key).map(|key| (key, long.clone()));
                        backend.write_many(entries.collect()).await;
                    }),
                    _ => Box::pin(async {
                        backend.remove_many(&many(&key).collect::<Vec<_>>()).await;
                    }),
                };
                handed_over_and_overtaken(older, async || match newer {
                    "write" => backend.write(&key, after.clone()).await.unwrap(),
                    _ => drop(backend.remove(&key).await.unwrap()),
                })
                .await;
                let expected = (newer == "write").then(|| after.clone());
                assert_eq!(backend.read(&key).await.unwrap(), expected);
            }
        }
        // What nobody has overtaken is done though it was dropped.
        handed_over_and_overtaken(backend.write(&key, long.clone()), async || ()).await;
        assert_eq!(backend.read(&key).await.unwrap(), Some(long.clone()));
        for other in others() {
            backend.write(&other, long.clone()).await.unwrap();
        }
        let all: Vec<_> = many(&key).collect();
        handed_over_and_overtaken(backend.remove_many(&all), async || {
            backend.write(&key, after.clone()).await.unwrap();
        })
        .await;
        assert_eq!(backend.read(&key).await.unwrap(), Some(after.clone()));
        assert_eq!(backend.statistics().entries, 1);
        // The files of what was left out are given back.
        backend.flush().await.unwrap();
        assert_eq!(backend.inner.store.files().on_disk(), 0);
    });
}
