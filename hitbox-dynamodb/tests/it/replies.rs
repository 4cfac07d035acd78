//! Replies that are none, that do not end, and what they say of this machine's clock.

use std::{env, process::Command, time::Duration};

use crate::stub::{Answer, Stub};
use crate::table::at;
use hitbox_backend::{Backend, BackendErrorKind, BackendResult};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::DynamoDbBackend;
use serde_json::json;

fn key() -> CacheKey {
    CacheKey::from_pair("key", "k")
}

/// With time for a reply that is as long as it may be.
fn backend(stub: &Stub) -> DynamoDbBackend {
    let settings = at(stub.endpoint()).table("cache");
    let settings = settings.deadline(Duration::from_secs(120));
    settings
        .attempt_timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

/// Were it read as long as there is time, this would take minutes, and all memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_without_end_is_not_read_to_its_end() {
    /// The longest replies, and what sockets hold beside.
    const OF_ONE: usize = (4 << 20) + SOCKETS;
    const OF_MANY: usize = (32 << 20) + SOCKETS;
    const SOCKETS: usize = 16 << 20;
    let stub = Stub::start(|_, _, _| Answer::Endless).await;
    let backend = backend(&stub);
    let value = CacheValue::loaded(Raw::from(b"value".to_vec()), Stamp::now());
    let check = |call, outcome: BackendResult<()>, most| {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
        assert!(error.to_string().contains("longer than any"), "{error}");
        let bytes = stub.take_endless_bytes();
        println!("{call}: {bytes} bytes");
        assert!(bytes <= most, "{call}: {bytes} bytes");
    };
    check("read", backend.read(&key()).await.map(drop), OF_ONE);
    check("write", backend.write(&key(), value.clone()).await, OF_ONE);
    check("remove", backend.remove(&key()).await.map(drop), OF_ONE);
    check("verify", backend.verify_table().await, OF_ONE);
    let read = backend.read_many(&[key()]).await.remove(0);
    check("read_many", read.map(drop), OF_MANY);
    let written = backend.write_many(vec![(key(), value)]).await.remove(0);
    check("write_many", written, OF_MANY);
}

#[tokio::test]
async fn a_server_of_another_protocol_is_said_to_be_one() {
    let stub = Stub::start(|_, _, _| Answer::Noise).await;
    let error = backend(&stub).read(&key()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("not HTTP"), "{error}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_noticed() {
    let stub = Stub::start(|_, _, before| match before {
        0 => Answer::ok(json!({})),
        1 => Answer::Dated("Fri, 01 Jan 2100 00:00:00 GMT", json!({})),
        _ => Answer::Dated("Sat, 01 Jan 2000 00:00:00 GMT", json!({})),
    })
    .await;
    let backend = backend(&stub);
    assert_eq!(backend.statistics().clock_skew_millis, None);
    for seen in [None, Some(1), Some(-1)] {
        backend.read(&key()).await.unwrap();
        let millis = backend.statistics().clock_skew_millis;
        assert_eq!(millis.map(i64::signum), seen);
    }
}

#[tokio::test]
async fn a_signature_of_another_time_is_blamed_on_the_clock() {
    let message = "Signature expired: 20310501T000000Z is now earlier than 20310501T001000Z";
    let stub =
        Stub::start(move |_, _, _| Answer::error_saying(400, "InvalidSignatureException", message))
            .await;
    let error = backend(&stub).read(&key()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Denied);
    assert!(error.to_string().contains("clock"), "{error}");
}

/// What cannot be set for a part of a process is set for a process that runs one test.
fn with_environment(test: &str, variable: &str, value: &str) {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, value)
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
}

/// Of no use by itself: the test below runs it with an endpoint.
#[tokio::test]
async fn child_reads() {
    let Ok(endpoint) = env::var("http_proxy") else {
        return;
    };
    let settings = at("http://dynamodb.invalid:8000").table("cache");
    let minute = Duration::from_secs(60);
    let settings = settings.deadline(minute).attempt_timeout(minute);
    let backend = settings.build().unwrap();
    let read = backend.read(&key()).await;
    assert_eq!(read.unwrap(), None, "by {endpoint}");
    // A server nearby is asked without it.
    let near = at("http://127.0.0.1:1").table("cache").build().unwrap();
    near.read(&key()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_asked_for_servers_elsewhere() {
    let stub = Stub::start(|_, _, _| Answer::ok(json!({}))).await;
    let endpoint = stub.endpoint().to_owned();
    let child = move || with_environment("replies::child_reads", "http_proxy", &endpoint);
    tokio::task::spawn_blocking(child).await.unwrap();
    assert_eq!(stub.requests(), 1);
}
