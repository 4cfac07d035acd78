//! Making a table, and saying what is wrong with one.
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exception for tests does not reach the functions they share"
)]

mod stub;
mod table;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use hitbox_backend::{BackendError, BackendErrorKind, BackendResult};
use hitbox_dynamodb::AttributeNames;
use serde_json::json;
use stub::{Answer, Stub};
use table::{Table, at};

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
