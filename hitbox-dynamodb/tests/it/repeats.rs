//! A change that was sent twice, because it is not known what became of the first attempt: the
//! first may be applied last, so the outcome is not `Ok`.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::stub::{Answer, Stub};
use crate::table::{at, partition};
use aws_sdk_dynamodb::config::{
    Credentials, Region, SharedCredentialsProvider, retry::RetryConfig,
};
use aws_types::SdkConfig;
use chrono::{TimeDelta, Utc};
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Compose, DeleteStatus, OffloadManager,
    Repeated, conformance::MemoryBackend,
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::{DynamoDbBackend, DynamoDbBackendBuilder};
use serde_json::{Value, json};

fn key(name: &str) -> CacheKey {
    CacheKey::from_pair("key", name)
}

fn value(payload: &str) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(payload.as_bytes().to_vec()), Stamp::now())
}

/// With time for two attempts on any machine.
fn settings(endpoint: &str) -> DynamoDbBackendBuilder {
    let settings = at(endpoint).table("cache");
    let settings = settings.deadline(Duration::from_secs(60));
    settings.attempt_timeout(Duration::from_secs(2))
}

fn backend(stub: &Stub) -> DynamoDbBackend {
    settings(stub.endpoint()).build().unwrap()
}

type First = fn() -> Answer;

/// What leaves open whether the request took effect.
const UNCLEAR: [First; 3] = [
    || Answer::HangUp,
    || Answer::error(500, "InternalServerError"),
    || Answer::Half,
];

/// What says that it did not.
const REFUSED: [First; 3] = [
    || Answer::error(400, "ThrottlingException"),
    || Answer::error(400, "TransactionConflictException"),
    || Answer::error(400, "ReplicatedWriteConflictException"),
];

/// Answers the first request like this, and lets the others succeed.
async fn first(first: First) -> Stub {
    Stub::start(move |_, _, before| match before {
        0 => first(),
        _ => Answer::ok(json!({})),
    })
    .await
}

fn assert_in_doubt(error: &BackendError, made: Repeated) {
    assert_eq!(error.repeated(), Some(made), "{error}");
    assert!(!error.is_definite(), "{error}");
}

#[tokio::test]
async fn a_write_that_was_made_by_its_second_attempt_is_in_doubt() {
    // A write that hangs in its reply has no time left for another.
    for unclear in &UNCLEAR[..2] {
        let stub = first(*unclear).await;
        let error = backend(&stub)
            .write(&key("k"), value("v"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
        assert_in_doubt(&error, Repeated::Write);
        assert_eq!(stub.requests(), 2);
    }
}

#[tokio::test]
async fn a_write_that_clears_its_key_is_no_exception() {
    let expired = Utc::now() - TimeDelta::hours(1);
    let expired = CacheValue::loaded(Raw::from(b"old".to_vec()), Stamp::now()).expires_at(expired);
    for unclear in UNCLEAR {
        let stub = first(unclear).await;
        let written = backend(&stub).write(&key("k"), expired.clone()).await;
        assert_in_doubt(&written.unwrap_err(), Repeated::Write);
    }
    // That it is refused is what the caller has to know.
    let stub = first(UNCLEAR[0]).await;
    let too_large = value(&"x".repeat(500_000));
    let error = backend(&stub)
        .write(&key("k"), too_large)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::TooLarge);
}

#[tokio::test]
async fn a_removal_that_was_made_by_its_second_attempt_says_what_that_found() {
    let missing = || Answer::error(400, "ConditionalCheckFailedException");
    for unclear in UNCLEAR {
        let stub = first(unclear).await;
        let error = backend(&stub).remove(&key("k")).await.unwrap_err();
        assert_in_doubt(&error, Repeated::Remove(DeleteStatus::Deleted(1)));

        let stub = Stub::start(move |_, _, before| match before {
            0 => unclear(),
            _ => missing(),
        })
        .await;
        let error = backend(&stub).remove(&key("k")).await.unwrap_err();
        assert_in_doubt(&error, Repeated::Remove(DeleteStatus::Missing));
    }
}

#[tokio::test]
async fn what_was_clearly_refused_may_be_repeated() {
    for refused in REFUSED {
        let stub = first(refused).await;
        backend(&stub).write(&key("k"), value("v")).await.unwrap();
        let stub = first(refused).await;
        let removed = backend(&stub).remove(&key("k")).await.unwrap();
        assert_eq!(removed, DeleteStatus::Deleted(1));
        let stub = first(refused).await;
        let written = backend(&stub)
            .write_many(vec![(key("k"), value("v"))])
            .await;
        assert!(written[0].is_ok(), "{written:?}");
        assert_eq!(stub.requests(), 2);
    }
}

#[tokio::test]
async fn what_was_never_sent_may_be_repeated() {
    // Bound and closed again: no server listens there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let backend = settings(&endpoint).build().unwrap();
    let error = backend.write(&key("k"), value("v")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.is_definite(), "{error:?}");
}

#[tokio::test]
async fn of_many_keys_each_is_in_doubt() {
    let keys = ["a", "b", "c"].map(key);
    for unclear in UNCLEAR {
        let stub = first(unclear).await;
        let removed = backend(&stub).remove_many(&keys[..1]).await;
        let error = removed.into_iter().next().unwrap().unwrap_err();
        assert_in_doubt(&error, Repeated::Remove(DeleteStatus::Deleted(1)));
    }
    for unclear in &UNCLEAR[..2] {
        let stub = first(*unclear).await;
        let entries = keys.iter().map(|key| (key.clone(), value("v")));
        for written in backend(&stub).write_many(entries.collect()).await {
            assert_in_doubt(&written.unwrap_err(), Repeated::Write);
        }
        assert_eq!(stub.requests(), 2);
    }
}

/// One is made; then nothing is heard of the others, which the third request makes.
#[tokio::test]
async fn of_a_batch_only_what_was_in_the_doubtful_attempt_is_in_doubt() {
    let stub = Stub::start(|_, body, before| match before {
        0 => {
            let mut left = body["RequestItems"]["cache"].as_array().unwrap().clone();
            left.retain(|write| write["PutRequest"]["Item"]["key"]["S"] != partition(&key("a")));
            Answer::ok(json!({"UnprocessedItems": {"cache": left}}))
        }
        1 => Answer::HangUp,
        _ => Answer::ok(json!({})),
    })
    .await;
    let entries = ["a", "b", "c"].map(|name| (key(name), value("v")));
    let mut written = backend(&stub).write_many(entries.into()).await.into_iter();
    written.next().unwrap().unwrap();
    for written in written {
        assert_in_doubt(&written.unwrap_err(), Repeated::Write);
    }
}

/// The application's own settings for retries would hide that something was sent twice.
#[tokio::test]
async fn the_sdk_sends_nothing_again_by_itself() {
    let stub = Stub::start(|_, _, _| Answer::HangUp).await;
    let credentials = Credentials::new("id", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .endpoint_url(stub.endpoint());
    let settings = DynamoDbBackend::builder().table("cache");
    let settings = settings.deadline(Duration::from_secs(60));
    let backend = settings.sdk_config(config.build()).build().unwrap();
    backend.write(&key("k"), value("v")).await.unwrap_err();
    assert_eq!(stub.requests(), 2);
}

/// A table in which the first PutItem is applied when the test says so.
#[derive(Default)]
struct Late {
    item: Mutex<Option<Value>>,
    late: Mutex<Option<Value>>,
}

impl Late {
    fn answer(&self, operation: &str, body: &Value, before: usize) -> Answer {
        let put = match operation {
            "PutItem" => Some(&body["Item"]),
            "BatchWriteItem" => Some(&body["RequestItems"]["cache"][0]["PutRequest"]["Item"]),
            _ => None,
        };
        if let Some(item) = put {
            let (place, answer) = match before {
                0 => (&self.late, Answer::HangUp),
                _ => (&self.item, Answer::ok(json!({}))),
            };
            *place.lock().unwrap() = Some(item.clone());
            return answer;
        }
        match (operation, before) {
            ("DeleteItem", _) => {
                *self.item.lock().unwrap() = None;
                Answer::ok(json!({}))
            }
            ("GetItem", _) => match &*self.item.lock().unwrap() {
                Some(item) => Answer::ok(json!({"Item": item})),
                None => Answer::ok(json!({})),
            },
            other => panic!("{other:?} was not expected"),
        }
    }

    fn apply(&self) {
        *self.item.lock().unwrap() = self.late.lock().unwrap().take();
    }
}

#[derive(Clone, Copy)]
enum Form {
    Single,
    Bulk,
}

impl Form {
    async fn write(self, cache: &dyn Backend, payload: &str) -> BackendResult<()> {
        match self {
            Self::Single => cache.write(&key("k"), value(payload)).await,
            Self::Bulk => {
                let entries = vec![(key("k"), value(payload))];
                cache.write_many(entries).await.remove(0)
            }
        }
    }
}

/// A write whose first attempt is applied after all, and after a newer write.
#[tokio::test]
async fn an_older_value_that_comes_late_is_not_read_through_a_composition() {
    for form in [Form::Single, Form::Bulk] {
        let late = Arc::new(Late::default());
        let answers = Arc::clone(&late);
        let answer = move |operation: &str, body, before| answers.answer(operation, &body, before);
        let stub = Stub::start(answer).await;
        let (memory, offload) = (
            Arc::new(MemoryBackend::new()),
            OffloadManager::builder().build().unwrap(),
        );
        let cache = Arc::clone(&memory).compose(backend(&stub), offload.clone());
        // Whether it is reported as done is the policy's affair.
        let _written = form.write(&cache, "old").await;
        form.write(&cache, "new").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        late.apply();
        // Evicted there.
        memory.remove(&key("k")).await.unwrap();
        let read = cache.read(&key("k")).await.unwrap();
        let read = read.map(|value| value.data().payload().unwrap().to_vec());
        assert_ne!(read.as_deref(), Some(b"old".as_slice()));
    }
}
