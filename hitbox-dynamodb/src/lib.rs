//! A hitbox cache backend in a DynamoDB table, over the AWS SDK for Rust.
//!
//! Cached values are shared by every process that uses the table, and survive all of them. One
//! request per read, write and remove; no call takes longer than its deadline, 800 ms by default.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! # let server = test_servers::dynamodb::DynamoDbServer::start().await.unwrap();
//! # let endpoint = server.endpoint();
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use hitbox_backend::Backend;
//! use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
//! use hitbox_dynamodb::DynamoDbBackend;
//!
//! let cache = DynamoDbBackend::builder()
//!     .table("cache")
//!     .endpoint(endpoint)
//!     .region("us-east-1")
//!     .credentials("an id", "a secret")
//! #   .deadline(Duration::from_secs(30))
//!     .build()?;
//! cache.create_table_if_missing().await?;
//!
//! let key = CacheKey::from_pair("report", "2031-05");
//! let began = Stamp::now(); // before the report is made
//! let payload = Raw::from(Bytes::from_static(b"an encoded report"));
//! let value = CacheValue::loaded(payload.clone(), began).ttl(Duration::from_secs(3_600));
//! cache.write(&key, value).await?;
//!
//! let cached = cache.read(&key).await?;
//! assert_eq!(cached.map(CacheValue::into_inner), Some(payload));
//! # Ok::<(), hitbox_backend::BackendError>(())
//! # }).unwrap();
//! ```
//!
//! On AWS, take region and credentials from the environment: load a configuration with the
//! `aws-config` crate and hand it to
//! [`sdk_config`](DynamoDbBackendBuilder::sdk_config).
//!
//! # The table
//!
//! Its only key is a partition key of type S, called `key` unless [`AttributeNames`] say otherwise.
//! [`create_table_if_missing`](DynamoDbBackend::create_table_if_missing) makes such a table;
//! [`verify_table`](DynamoDbBackend::verify_table) says what is wrong with one that was made by
//! other means.
//!
//! DynamoDB deletes expired items within a few days of their expiry. Until then they are there, and
//! are not returned.
//!
//! # Limits
//!
//! An item has 400 KB, names and key included: larger values are refused before any I/O. Keys have
//! no limit of their own, but one of more than 2,048 bytes is stored twice, as a digest and in full,
//! and counts towards the 400 KB.

mod backend;
mod builder;
mod connection;
mod error;
mod inner;
mod lock;
mod requests;
mod settings;
mod statistics;
mod table;

pub use backend::DynamoDbBackend;
pub use builder::DynamoDbBackendBuilder;
pub use requests::attributes::AttributeNames;
pub use requests::consistency::ReadConsistency;
pub use statistics::Statistics;
