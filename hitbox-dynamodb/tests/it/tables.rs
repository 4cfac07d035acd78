//! Making a table, and saying what is wrong with one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::stub::{Answer, Stub};
use crate::table::{Table, at};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use hitbox_backend::{BackendError, BackendErrorKind, BackendResult};
use hitbox_dynamodb::{AttributeNames, DynamoDbBackend};
use serde_json::{Value, json};
use test_servers::log::Recorder;
use tokio::time;
use tracing::Level;

/// Makes the table with these keys.
async fn make(table: &Table, keys: &[(&str, KeyType, ScalarAttributeType)]) {
    let mut request = table
        .client()
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest);
    for (name, key_type, attribute_type) in keys {
        let key = KeySchemaElement::builder()
            .attribute_name(*name)
            .key_type(key_type.clone());
        let definition = AttributeDefinition::builder()
            .attribute_name(*name)
            .attribute_type(attribute_type.clone());
        request = request
            .key_schema(key.build().unwrap())
            .attribute_definitions(definition.build().unwrap());
    }
    request.send().await.unwrap();
}

async fn enable_ttl(table: &Table, attribute: &str) {
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(attribute)
        .build();
    let request = table.client().update_time_to_live();
    let request = request
        .table_name(&table.name)
        .time_to_live_specification(specification.unwrap());
    request.send().await.unwrap();
}

fn refusal(outcome: BackendResult<()>) -> String {
    let error: BackendError = outcome.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    println!("{error}");
    error.to_string()
}

#[tokio::test]
async fn a_missing_table_is_said_to_be_missing() {
    let table = Table::missing().await;
    let message = refusal(table.backend().verify_table().await);
    assert!(message.contains("does not exist") && message.contains(&table.name));
}

#[tokio::test]
async fn a_table_that_is_made_fits_and_deletes_what_has_expired() {
    let table = Table::create().await;
    let backend = table.backend();
    backend.verify_table().await.unwrap();
    // Again, as on every start.
    backend.create_table_if_missing().await.unwrap();
    let request = table.client().describe_time_to_live();
    let reply = request.table_name(&table.name).send().await.unwrap();
    let found = reply.time_to_live_description.unwrap();
    assert_eq!(found.time_to_live_status, Some(TimeToLiveStatus::Enabled));
    assert_eq!(found.attribute_name.as_deref(), Some("ttl"));
}

#[tokio::test]
async fn several_processes_may_make_the_table_at_once() {
    let table = Table::missing().await;
    let backend = table.backend();
    let making = (0..8).map(|_| backend.create_table_if_missing());
    for outcome in futures::future::join_all(making).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_key_schema_is_described() {
    use ScalarAttributeType::{N, S};
    let cases: [(&[_], &[&str]); 3] = [
        (
            &[("id", KeyType::Hash, S)],
            &["partition key `id`", "`key`"],
        ),
        (&[("key", KeyType::Hash, N)], &["`key` of type N", "type S"]),
        (
            &[("key", KeyType::Hash, S), ("at", KeyType::Range, S)],
            &["sort key, `at`"],
        ),
    ];
    for (keys, expected) in cases {
        let table = Table::missing().await;
        make(&table, keys).await;
        let backend = table.backend();
        for outcome in [
            backend.verify_table().await,
            backend.create_table_if_missing().await,
        ] {
            let message = refusal(outcome);
            for part in expected {
                assert!(message.contains(part), "{message}");
            }
            assert!(message.contains(&table.name));
        }
    }
}

#[tokio::test]
async fn a_table_that_was_made_by_other_means_is_used_by_its_names() {
    let table = Table::missing().await;
    make(&table, &[("id", KeyType::Hash, ScalarAttributeType::S)]).await;
    enable_ttl(&table, "expires").await;
    let names = AttributeNames::default().partition_key("id");
    let other = table.builder().attribute_names(names.clone()).build();
    let message = refusal(other.unwrap().create_table_if_missing().await);
    assert!(message.contains("`expires`") && message.contains("`ttl`"));

    let names = names.time_to_live("expires");
    let backend = table.builder().attribute_names(names).build().unwrap();
    backend.create_table_if_missing().await.unwrap();
    backend.verify_table().await.unwrap();
}

/// A description of a table in this state, with a schema that fits.
fn described(status: &str) -> Answer {
    Answer::ok(json!({"Table": {
        "TableName": "cache",
        "TableStatus": status,
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
    }}))
}

/// AWS takes a while to make a table, and refuses to turn on what is on.
#[tokio::test]
async fn a_table_is_waited_for_and_its_ttl_may_be_turned_on_meanwhile() {
    let stub = Stub::start(|operation, _, before| match (operation, before) {
        ("DescribeTable", 0 | 2) => Answer::error(400, "ResourceNotFoundException"),
        ("CreateTable", 1) => Answer::error(400, "ResourceInUseException"),
        ("DescribeTable", 3 | 4) => described("CREATING"),
        ("DescribeTable", 5) => described("ACTIVE"),
        ("DescribeTimeToLive", 6) => {
            Answer::ok(json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}))
        }
        ("UpdateTimeToLive", 7) => Answer::error(400, "ValidationException"),
        ("DescribeTimeToLive", 8) => Answer::ok(json!({"TimeToLiveDescription": {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "ttl",
        }})),
        other => panic!("{other:?} was not expected"),
    })
    .await;
    let backend = at(stub.endpoint()).table("cache").build().unwrap();
    backend.create_table_if_missing().await.unwrap();
    assert_eq!(stub.requests(), 9);
}

#[tokio::test]
async fn a_table_that_is_not_active_is_unavailable() {
    let stub = Stub::start(|_, _, _| described("DELETING")).await;
    let backend = at(stub.endpoint()).table("cache").build().unwrap();
    let error = backend.verify_table().await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
}

/// A table that is there and fits, whatever is said of its TTL.
async fn with_time_to_live(
    answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static,
) -> (Stub, DynamoDbBackend) {
    let stub = Stub::start(move |operation, body, _| match operation {
        "DescribeTable" => described("ACTIVE"),
        operation => answer(operation, &body),
    })
    .await;
    let backend = at(stub.endpoint()).table("cache").build().unwrap();
    (stub, backend)
}

async fn warnings_of(work: impl Future<Output = BackendResult<()>>) -> usize {
    let (warnings, _guard) = Recorder::on_this_thread(|metadata| {
        *metadata.level() == Level::WARN && metadata.target().starts_with("hitbox")
    });
    work.await.unwrap();
    warnings.take().len()
}

fn time_to_live(status: &str, attribute: &str) -> Answer {
    Answer::ok(json!({"TimeToLiveDescription": {
        "TimeToLiveStatus": status,
        "AttributeName": attribute,
    }}))
}

#[tokio::test]
async fn expired_items_that_stay_are_warned_of() {
    let (_stub, backend) = with_time_to_live(|_, _| time_to_live("ENABLED", "ttl")).await;
    assert_eq!(warnings_of(backend.verify_table()).await, 0);
    let (_stub, backend) = with_time_to_live(|_, _| time_to_live("ENABLED", "other")).await;
    assert_eq!(warnings_of(backend.verify_table()).await, 1);
    let (_stub, backend) = with_time_to_live(|_, _| time_to_live("DISABLED", "ttl")).await;
    assert_eq!(warnings_of(backend.verify_table()).await, 1);
}

/// By its policy, or because it is not Amazon's.
#[tokio::test]
async fn a_server_that_does_not_tell_of_ttl_is_used_with_a_warning() {
    for (status, code) in [
        (400, "AccessDeniedException"),
        (400, "UnknownOperationException"),
        (501, "NotImplemented"),
    ] {
        let refuse = move |_: &str, _: &Value| Answer::error(status, code);
        let (_stub, backend) = with_time_to_live(refuse).await;
        assert_eq!(warnings_of(backend.verify_table()).await, 1, "{code}");
        assert_eq!(
            warnings_of(backend.create_table_if_missing()).await,
            1,
            "{code}"
        );

        // One that tells, and cannot do it.
        let (_stub, backend) = with_time_to_live(move |operation, _| match operation {
            "DescribeTimeToLive" => time_to_live("DISABLED", "ttl"),
            _ => Answer::error(status, code),
        })
        .await;
        match code {
            "AccessDeniedException" => {
                let error = backend.create_table_if_missing().await.unwrap_err();
                assert_eq!(error.kind(), BackendErrorKind::Denied);
            }
            _ => assert_eq!(warnings_of(backend.create_table_if_missing()).await, 1),
        }
    }
}

/// What may pass within a minute is not the end of it.
#[tokio::test]
async fn making_a_table_outlasts_throttling() {
    const REFUSALS: usize = 12;
    let refused = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let stub = Stub::start(move |operation, _, _| {
        let mut refused = refused.lock().unwrap();
        let times = refused.entry(operation.to_owned()).or_default();
        *times += 1;
        match (operation, *times) {
            ("CreateTable", ..=REFUSALS) => Answer::error(400, "LimitExceededException"),
            ("UpdateTimeToLive", ..=REFUSALS) => Answer::error(400, "ResourceInUseException"),
            (_, ..=REFUSALS) => Answer::error(400, "ThrottlingException"),
            ("DescribeTable", 13) => Answer::error(400, "ResourceNotFoundException"),
            ("DescribeTable", _) => described("ACTIVE"),
            ("DescribeTimeToLive", _) => time_to_live("DISABLED", "ttl"),
            _ => Answer::ok(json!({})),
        }
    })
    .await;
    let backend = at(stub.endpoint()).table("cache").build().unwrap();
    time::pause();
    backend.create_table_if_missing().await.unwrap();
    assert!(stub.requests() > 4 * REFUSALS);
}

#[tokio::test]
async fn making_a_table_ends_at_its_deadline() {
    let stub = Stub::start(|_, _, _| Answer::error(400, "ThrottlingException")).await;
    let backend = at(stub.endpoint()).table("cache").build().unwrap();
    time::pause();
    let began = time::Instant::now();
    let error = backend.create_table_if_missing().await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Throttled);
    let limit = DynamoDbBackend::TABLE_TIMEOUT;
    assert!(
        (limit * 9 / 10..=limit).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_table_that_will_not_be_ready_by_itself_is_not_waited_for() {
    for (status, says) in [
        ("ARCHIVED", "archived"),
        ("ARCHIVING", "archived"),
        ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", "encrypted"),
    ] {
        let stub = Stub::start(move |_, _, _| described(status)).await;
        let backend = at(stub.endpoint()).table("cache").build().unwrap();
        for outcome in [
            backend.verify_table().await,
            backend.create_table_if_missing().await,
        ] {
            let message = refusal(outcome);
            assert!(message.contains(says), "{message}");
        }
    }
}
