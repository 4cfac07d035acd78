//! A server that is down is a handful of lines in the log, whatever is asked of it.

use std::{net::TcpListener, time::Instant};

use crate::recorder;
use hitbox_backend::{
    Backend, CacheKey, CacheValue, Compose, OffloadManager, Raw, Stamp, conformance::MemoryBackend,
};
use hitbox_redis::RedisBackend;

/// What may be told of the first second; then a line a second by the layer.
const FIRST_SECOND: usize = 10;

#[tokio::test]
async fn two_thousand_calls_of_a_server_that_is_down_are_ten_lines_at_most() {
    let recorder = recorder::record();
    // A port that nobody listens at.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let redis = RedisBackend::builder().url(format!("redis://user:hunter2@127.0.0.1:{port}"));
    let offload = OffloadManager::builder().build().unwrap();
    let cache = MemoryBackend::new().compose(redis.build().unwrap(), offload);

    let began = Instant::now();
    for number in 0..1_000 {
        let key = CacheKey::from_pair("id", number.to_string());
        assert!(cache.read(&key).await.unwrap().is_none());
        let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
        cache.write(&key, value).await.unwrap();
    }
    let seconds = began.elapsed().as_secs() as usize;

    let lines = recorder.lines();
    let is_loud = |line: &&String| {
        ["INFO", "WARN", "ERROR"]
            .iter()
            .any(|level| line.starts_with(level))
    };
    let loud: Vec<_> = lines.iter().filter(is_loud).collect();
    println!("{} lines in {seconds} s: {loud:#?}", loud.len());
    assert!(
        (1..=FIRST_SECOND + seconds).contains(&loud.len()),
        "{loud:#?}"
    );
    assert!(
        loud.iter().any(|line| line.contains("a layer fails")),
        "{loud:#?}"
    );
    for line in &lines {
        assert!(!line.contains("hunter2"), "{line}");
    }
    for line in loud {
        assert!(!line.contains("BackendError {"), "the Debug form: {line}");
    }
}
