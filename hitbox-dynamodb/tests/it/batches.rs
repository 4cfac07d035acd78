//! Requests for many keys of which the service does a part, or refuses one.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::stub::{Answer, Stub};
use crate::table::at;
use hitbox_backend::{Backend, BackendErrorKind, BackendResult};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_dynamodb::{DynamoDbBackend, DynamoDbBackendBuilder};
use serde_json::{Value, json};
use test_servers::lateness::Control;

/// No call of a backend with default settings takes longer.
const LONGEST: Duration = Duration::from_secs(1);

fn key(name: &str) -> CacheKey {
    CacheKey::from_pair("key", name)
}

fn entries(keys: &[CacheKey]) -> Vec<(CacheKey, CacheValue<Raw>)> {
    let value = || CacheValue::loaded(Raw::from(b"value".to_vec()), Stamp::now());
    keys.iter().map(|key| (key.clone(), value())).collect()
}

fn over(stub: &Stub) -> DynamoDbBackendBuilder {
    at(stub.endpoint()).table("cache")
}

/// A backend whose calls have time enough on any machine.
fn patient(stub: &Stub) -> DynamoDbBackend {
    let settings = over(stub).deadline(Duration::from_secs(60));
    settings
        .attempt_timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

fn kind<T: Debug>(outcome: BackendResult<T>) -> BackendErrorKind {
    outcome.unwrap_err().kind()
}

fn kinds<T: Debug>(outcomes: Vec<BackendResult<T>>) -> Vec<BackendErrorKind> {
    outcomes.into_iter().map(kind).collect()
}

/// The entries of the one table in a batch request.
fn batch(body: &Value) -> Value {
    body["RequestItems"]["cache"].clone()
}

/// Answers a BatchGetItem for the first of the keys and leaves the rest.
fn one_of_batch_get(body: &Value) -> Answer {
    let mut asked = batch(body);
    let mut keys = asked["Keys"].as_array().unwrap().clone();
    let stored = "iUhCCgEAAAA="; // No whole stored form: a rejection tells that it has come.
    let mut item = keys.remove(0);
    item["value"] = json!({"B": stored});
    let left = if keys.is_empty() {
        json!({})
    } else {
        asked["Keys"] = Value::from(keys);
        json!({"cache": asked})
    };
    Answer::ok(json!({"Responses": {"cache": [item]}, "UnprocessedKeys": left}))
}

#[tokio::test]
async fn unprocessed_keys_of_a_read_are_asked_for_again() {
    let stub = Stub::start(|_, body, _| one_of_batch_get(&body)).await;
    let backend = patient(&stub);
    let keys = ["a", "b", "c", "d"].map(key);
    let found = backend.read_many(&keys).await;
    assert!(found.iter().all(|found| matches!(found, Ok(None))));
    assert_eq!(backend.statistics().rejections.total(), 4);
    assert_eq!((stub.requests(), backend.statistics().retries), (4, 3));
}

#[tokio::test]
async fn keys_that_stay_unprocessed_are_throttled_and_the_others_are_not() {
    let stub = Stub::start(|_, body, before| match before {
        0 => one_of_batch_get(&body),
        _ => Answer::ok(json!({"UnprocessedKeys": body["RequestItems"]})),
    })
    .await;
    let backend = over(&stub).build().unwrap();
    let keys = ["a", "b", "c"].map(key);
    let (control, began) = (Control::new(), Instant::now());
    let mut found = control.beside(backend.read_many(&keys)).await;
    assert!(began.elapsed() < LONGEST + control.since(began));
    assert_eq!(kind(found.remove(2)), BackendErrorKind::Throttled);
    assert_eq!(kind(found.remove(1)), BackendErrorKind::Throttled);
    assert_eq!(found.remove(0).unwrap(), None);
    // Pauses that grow: a hundred requests in a second would not be patience.
    assert!((3..20).contains(&stub.requests()), "{}", stub.requests());
}

#[tokio::test]
async fn unprocessed_items_of_a_write_are_sent_again() {
    let written = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&written);
    let stub = Stub::start(move |_, body, _| {
        let mut writes = batch(&body).as_array().unwrap().clone();
        let one = writes.remove(0);
        let name = one["PutRequest"]["Item"]["key"]["S"].as_str().unwrap();
        note.lock().unwrap().push(name.to_owned());
        let left = if writes.is_empty() {
            json!({})
        } else {
            json!({"cache": writes})
        };
        Answer::ok(json!({"UnprocessedItems": left}))
    })
    .await;
    let backend = patient(&stub);
    let keys = ["a", "b", "c", "d"].map(key);
    let outcomes = backend.write_many(entries(&keys)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let mut names = written.lock().unwrap().clone();
    names.sort();
    assert_eq!(names, keys.map(|key| key.as_text().to_owned()));
}

#[tokio::test]
async fn items_that_stay_unprocessed_are_throttled() {
    let stub = Stub::start(|operation, body, _| {
        assert_eq!(operation, "BatchWriteItem");
        Answer::ok(json!({"UnprocessedItems": body["RequestItems"]}))
    })
    .await;
    let backend = over(&stub).build().unwrap();
    let (control, began) = (Control::new(), Instant::now());
    let written = backend.write_many(entries(&["a", "b"].map(key)));
    for outcome in control.beside(written).await {
        assert_eq!(kind(outcome), BackendErrorKind::Throttled);
    }
    assert!(began.elapsed() < LONGEST + control.since(began));
}

/// What is refused for one of its entries is sent without it.
#[tokio::test]
async fn one_key_that_is_refused_fails_no_other() {
    for code in [
        "AccessDeniedException",
        "ValidationException",
        "ItemCollectionSizeLimitExceededException",
        "NobodyKnowsThisOne",
    ] {
        let stub = Stub::start(move |_, body, _| {
            let entries = batch(&body).to_string();
            if entries.contains("key=7\"") || entries.contains("key=9\"") {
                Answer::error(400, code)
            } else {
                Answer::ok(json!({}))
            }
        })
        .await;
        let backend = patient(&stub);
        let keys: Vec<_> = (0..250).map(|n| key(&n.to_string())).collect();
        let read = backend.read_many(&keys).await;
        let written = backend.write_many(entries(&keys)).await;
        let read = read.into_iter().map(|outcome| outcome.map(drop));
        let read: Vec<_> = read.collect();
        for outcomes in [read, written] {
            for (index, outcome) in outcomes.into_iter().enumerate() {
                assert_eq!(outcome.is_err(), [7, 9].contains(&index), "{code}, {index}");
            }
        }
        println!("{code}: {} requests for 250 keys, twice", stub.requests());
    }
}

/// Nothing that the other half would not suffer from as well.
#[tokio::test]
async fn what_is_refused_for_all_is_not_sent_apart() {
    for code in ["ResourceNotFoundException", "UnrecognizedClientException"] {
        let stub = Stub::start(move |_, _, _| Answer::error(400, code)).await;
        let backend = patient(&stub);
        let keys: Vec<_> = (0..25).map(|n| key(&n.to_string())).collect();
        let failed = kinds(backend.write_many(entries(&keys)).await);
        assert_eq!((failed.len(), stub.requests()), (25, 1));
    }
}
