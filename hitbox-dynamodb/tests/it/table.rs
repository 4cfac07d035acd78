//! A table of a test's own on a real server.

pub(crate) mod sent;

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{Client, primitives::Blob, types::AttributeValue};
use hitbox_backend::CacheKeyFormat;
use hitbox_core::CacheKey;
use hitbox_dynamodb::{DynamoDbBackend, DynamoDbBackendBuilder};
use test_servers::dynamodb::{ACCESS_KEY_ID, DynamoDbServer, REGION, SECRET_ACCESS_KEY};

pub(crate) struct Table {
    pub(crate) server: DynamoDbServer,
    pub(crate) name: String,
}

impl Table {
    /// A table that the adapter has made.
    pub(crate) async fn create() -> Self {
        let table = Self::missing().await;
        let backend = table.builder().build().unwrap();
        backend.create_table_if_missing().await.unwrap();
        table
    }

    /// A server that has no such table yet.
    pub(crate) async fn missing() -> Self {
        Self::on(DynamoDbServer::start().await.unwrap())
    }

    /// A table on a server that the test can stop.
    pub(crate) async fn create_in_process() -> Self {
        let table = Self::on(DynamoDbServer::start_in_process().await.unwrap());
        let backend = table.builder().build().unwrap();
        backend.create_table_if_missing().await.unwrap();
        table
    }

    fn on(server: DynamoDbServer) -> Self {
        println!("{server}");
        Self {
            server,
            name: format!("hitbox-test-{:016x}", fastrand::u64(..)),
        }
    }

    /// A backend over this table, with time enough for a slow machine.
    pub(crate) fn builder(&self) -> DynamoDbBackendBuilder {
        self.default_builder()
            .deadline(Duration::from_secs(60))
            .attempt_timeout(Duration::from_secs(30))
    }

    /// A backend over this table with the default deadlines.
    pub(crate) fn default_builder(&self) -> DynamoDbBackendBuilder {
        at(self.server.endpoint()).table(&self.name)
    }

    pub(crate) fn backend(&self) -> DynamoDbBackend {
        self.builder().build().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        self.server.client()
    }

    /// Puts `bytes` where the backend would put a stored form.
    pub(crate) async fn inject(&self, partition: &str, bytes: Vec<u8>) {
        inject(&self.client(), &self.name, partition, bytes).await;
    }

    /// The item under this partition key, as it is.
    pub(crate) async fn item(&self, partition: &str) -> Option<HashMap<String, AttributeValue>> {
        let key = AttributeValue::S(partition.to_owned());
        let request = self.client().get_item().table_name(&self.name);
        let reply = request.key("key", key).consistent_read(true).send().await;
        reply.unwrap().item
    }
}

/// Settings for a server at this endpoint, still without a table.
pub(crate) fn at(endpoint: &str) -> DynamoDbBackendBuilder {
    DynamoDbBackend::builder()
        .endpoint(endpoint)
        .region(REGION)
        .credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY)
}

pub(crate) async fn inject(client: &Client, table: &str, partition: &str, bytes: Vec<u8>) {
    let put = client
        .put_item()
        .table_name(table)
        .item("key", AttributeValue::S(partition.to_owned()))
        .item("value", AttributeValue::B(Blob::new(bytes)));
    put.send().await.unwrap();
}

/// What a short key is stored under.
pub(crate) fn partition(key: &CacheKey) -> String {
    CacheKeyFormat::TEXT.encode(key).into_owned()
}
