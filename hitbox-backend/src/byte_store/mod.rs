//! What every adapter to a store of bytes does, but for the I/O.
//!
//! A store of bytes keeps one blob for each key: a file, a row, a string in a server. A [`Codec`] does the rest of
//! what [`Backend`](crate::Backend) asks for: it refuses what is too long, has a key cleared where its new value
//! must not be stored, compresses, encodes, decodes, and notes what is no value. So an adapter is I/O and errors.
//!
//! [`StoreSettings`] are what users can tell each adapter, whatever its store. A builder takes them whole by
//! `settings`, and has a setter for each.
//!
//! # A whole adapter
//!
//! ```
//! use async_trait::async_trait;
//! use bytes::Bytes;
//! use hitbox_backend::{
//!     Backend, BackendError, BackendErrorKind, BackendLabel, BackendResult, CacheKey, CacheKeyFormat, CacheValue,
//!     Capabilities, Compressor, DeleteStatus, Format, Operation, Raw, ReadOutcome, Rejection, StoreSettings,
//!     byte_store::{Codec, Prepared},
//! };
//! # use std::{collections::HashMap, sync::{Arc, Mutex}};
//! # #[derive(Clone, Default)]
//! # struct Client(Arc<Mutex<HashMap<String, Bytes>>>);
//! # #[derive(Debug)]
//! # struct ClientError;
//! # impl std::fmt::Display for ClientError {
//! #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("no answer") }
//! # }
//! # impl std::error::Error for ClientError {}
//! # impl Client {
//! #     async fn get(&self, key: &str) -> Result<Option<Bytes>, ClientError> {
//! #         Ok(self.0.lock().unwrap().get(key).cloned())
//! #     }
//! #     async fn put(&self, key: &str, value: Bytes) -> Result<(), ClientError> {
//! #         self.0.lock().unwrap().insert(key.to_owned(), value);
//! #         Ok(())
//! #     }
//! #     async fn delete(&self, key: &str) -> Result<Option<Bytes>, ClientError> {
//! #         Ok(self.0.lock().unwrap().remove(key))
//! #     }
//! # }
//!
//! struct MyBackend {
//!     client: Client,
//!     codec: Codec,
//! }
//!
//! impl MyBackend {
//!     fn new(client: Client, settings: StoreSettings) -> BackendResult<Self> {
//!         let codec = Codec::new(settings, "mine", Capabilities::default())?;
//!         Ok(Self { client, codec })
//!     }
//!
//!     fn failed(&self, operation: Operation) -> impl Fn(ClientError) -> BackendError {
//!         move |cause| self.codec.error(BackendErrorKind::Unavailable, operation).with_source(cause)
//!     }
//! }
//!
//! #[async_trait]
//! impl Backend for MyBackend {
//!     async fn read(&self, key: &CacheKey) -> ReadOutcome {
//!         let found = self.client.get(&self.codec.stored_key(key)).await;
//!         let found = found.map_err(self.failed(Operation::Read))?;
//!         Ok(found.and_then(|stored| self.codec.accept(key, stored)))
//!     }
//!
//!     async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
//!         let stored_key = self.codec.stored_key(key);
//!         let (done, outcome) = match self.codec.prepare_off_thread(value).await {
//!             Prepared::Put { stored, .. } => (self.client.put(&stored_key, stored).await, Ok(())),
//!             Prepared::Clear { outcome } => (self.client.delete(&stored_key).await.map(drop), outcome),
//!         };
//!         done.map_err(self.failed(Operation::Write)).and(outcome)
//!     }
//!
//!     async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
//!         let removed = self.client.delete(&self.codec.stored_key(key)).await;
//!         let removed = removed.map_err(self.failed(Operation::Remove))?;
//!         Ok(DeleteStatus::from(&removed.and_then(|stored| self.codec.accept(key, stored))))
//!     }
//!
//!     fn label(&self) -> BackendLabel { self.codec.label().clone() }
//!     fn value_format(&self) -> &dyn Format { self.codec.value_format() }
//!     fn key_format(&self) -> &CacheKeyFormat { self.codec.key_format() }
//!     fn compressor(&self) -> &dyn Compressor { self.codec.compressor() }
//!     fn capabilities(&self) -> Capabilities { self.codec.capabilities().clone() }
//!     fn reject(&self, key: &CacheKey, rejection: Rejection) { self.codec.reject(key, rejection) }
//! }
//!
//! // It keeps the contract.
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use hitbox_backend::conformance::Subject;
//!
//! let settings = StoreSettings::new().namespace("shop").largest_value(100_000);
//! let client = Client::default();
//! let backend = MyBackend::new(client.clone(), settings)?;
//! let put = move |key: CacheKey, bytes: Vec<u8>| {
//!     let client = client.clone();
//!     let stored_key = format!("shop::{key}");
//!     async move { client.put(&stored_key, bytes.into()).await.unwrap() }
//! };
//! Subject::new(Arc::new(backend)).corrupt_with(put).assert_conforms().await;
//! # Ok::<(), BackendError>(())
//! # }).unwrap();
//! ```

mod codec;
mod prepared;
mod settings;

pub use codec::Codec;
pub use prepared::Prepared;
pub use settings::StoreSettings;
