use std::time::Duration;

use chrono::TimeDelta;
use hitbox_backend::{BackendErrorKind, conformance::Subject};
use hitbox_core::{CacheStatus, Stamp, clock::VirtualTime};

use super::*;
use crate::hand_over::INLINE_READ;

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
