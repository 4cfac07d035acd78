//! The suite that every adapter must pass.

use std::sync::Arc;

use crate::table::{Table, inject, partition};
use hitbox_backend::{Backend, CacheKeyFormat, compression::GzipCompressor, conformance::Subject};
use hitbox_dynamodb::{AttributeNames, DynamoDbBackend};

fn subject(table: &Table, backend: DynamoDbBackend) -> Subject {
    let (client, name) = (table.client(), table.name.clone());
    let reopened = backend.clone();
    Subject::new(Arc::new(backend))
        .corrupt_with(move |key, bytes| {
            let (client, name) = (client.clone(), name.clone());
            async move { inject(&client, &name, &partition(&key), bytes).await }
        })
        .reopen_with(move || {
            let backend = reopened.clone();
            async { Arc::new(backend) as Arc<dyn Backend> }
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let table = Table::create().await;
    subject(&table, table.backend()).assert_conforms().await;
}

#[tokio::test]
async fn conforms_on_one_thread_with_other_settings() {
    let table = Table::missing().await;
    let names = AttributeNames::default()
        .partition_key("pk")
        .payload("size")
        .expire("e")
        .time_to_live("name")
        .full_key("status");
    let backend = table
        .builder()
        .attribute_names(names)
        .key_format(CacheKeyFormat::namespaced("app"))
        .compressor(GzipCompressor::default())
        .largest_value(50_000)
        .build()
        .unwrap();
    backend.create_table_if_missing().await.unwrap();
    backend.verify_table().await.unwrap();
    Subject::new(Arc::new(backend)).assert_conforms().await;
}
