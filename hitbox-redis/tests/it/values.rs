//! What is stored, and what others have stored.

use crate::server::{Observer, backend, builder, key, payload, start, value};
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, Rejection, compression::GzipCompressor,
};
use hitbox_core::CacheKey;

#[tokio::test]
async fn a_value_at_below_and_above_the_limit() {
    const LIMIT: usize = 1_000;
    let server = start().await;
    let cache = builder(&server).largest_value(LIMIT).build().unwrap();
    assert_eq!(cache.capabilities().largest_value, Some(LIMIT));
    for length in [0, 1, LIMIT - 1, LIMIT] {
        cache
            .write(&key("k"), value(vec![7; length]))
            .await
            .unwrap();
        let found = payload(cache.read(&key("k")).await.unwrap()).unwrap();
        assert_eq!(found.len(), length);
    }
    let error = cache
        .write(&key("k"), value(vec![7; LIMIT + 1]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge, "{error}");
    assert_eq!(
        cache.read(&key("k")).await.unwrap(),
        None,
        "nothing poses as it"
    );
    let mut observer = Observer::connect(&server.url()).await;
    assert_eq!(observer.calls("set").await, 4, "refused before any I/O");
}

#[tokio::test]
async fn in_bulk_a_refused_value_does_not_fail_the_others() {
    let server = start().await;
    let cache = builder(&server).largest_value(10).build().unwrap();
    cache.write(&key("large"), value("old")).await.unwrap();
    let entries = vec![
        (key("first"), value("1")),
        (key("large"), value("more than ten bytes")),
        (key("last"), value("2")),
    ];
    let outcomes = cache.write_many(entries).await;
    let kinds = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().err().map(BackendError::kind));
    let expected = [None, Some(BackendErrorKind::TooLarge), None];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
    let found = cache
        .read_many(&[key("first"), key("large"), key("last")])
        .await;
    let found: Vec<_> = found
        .into_iter()
        .map(|found| found.unwrap().is_some())
        .collect();
    assert_eq!(found, [true, false, true]);
}

/// The limit is for what is stored; this goes through the blocking pool, too.
#[tokio::test]
async fn a_large_value_that_compresses_below_the_limit_is_stored() {
    let server = start().await;
    let settings = builder(&server).largest_value(10_000);
    let cache = settings
        .compressor(GzipCompressor::default())
        .build()
        .unwrap();
    cache
        .write(&key("k"), value(vec![7; 1_000_000]))
        .await
        .unwrap();
    let mut observer = Observer::connect(&server.url()).await;
    let stored: usize = observer.ask(&[b"STRLEN", b"k:v1"]).await;
    assert!(stored < 10_000, "{stored}");
    assert!(cache.read(&key("k")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_of_three_kilobytes() {
    let server = start().await;
    let cache = backend(&server);
    let long = "k".repeat(3_000);
    let (one, two) = (format!("{long}1"), format!("{long}2"));
    let (one, two) = (
        CacheKey::from_pair("id", one),
        CacheKey::from_pair("id", two),
    );
    cache.write(&one, value("one")).await.unwrap();
    cache.write(&two, value("two")).await.unwrap();
    let found = payload(cache.read(&one).await.unwrap());
    assert_eq!(found.as_deref(), Some(&b"one"[..]));
}

#[tokio::test]
async fn what_another_program_keeps_under_the_key_is_a_miss_and_counted() {
    let server = start().await;
    let cache = backend(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let () = observer.ask(&[b"SET", b"text:v1", b"some text"]).await;
    let () = observer.ask(&[b"RPUSH", b"list:v1", b"element"]).await;
    let keys = [key("text"), key("list")];
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(cache.read(key).await.unwrap(), None);
        let counted = cache.statistics().rejections.count(Rejection::Foreign);
        assert_eq!(counted, index as u64 + 1);
    }
    for found in cache.read_many(&keys).await {
        assert_eq!(found.unwrap(), None);
    }
    for key in &keys {
        cache.write(key, value("ours")).await.unwrap();
        assert!(cache.read(key).await.unwrap().is_some());
    }
}
