use std::sync::Arc;

use hitbox_core::BackendLabel;

use crate::{
    BackendError, BackendResult, BincodeFormat, CacheKeyFormat, Capabilities, Compressor, Format,
    compression::NoCompression,
};

/// What every adapter can be told, whatever its store.
///
/// A builder takes them by its setter `settings`, in place of those that it has. It also has a setter for each, by
/// the name that it has here. One value serves several adapters, each of which has a default label of its own:
///
/// ```
/// use hitbox_backend::{JsonFormat, StoreSettings};
///
/// let shop = StoreSettings::new().namespace("shop").value_format(JsonFormat);
/// // MokaBackend::builder().settings(shop.clone())
/// // RedisBackend::builder().settings(shop).label("sessions")
/// # drop(shop);
/// ```
///
/// An adapter that keeps values in process compresses nothing.
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until a builder has them"]
#[non_exhaustive]
pub struct StoreSettings {
    /// See [`label`](Self::label). `None`: the adapter's own.
    pub label: Option<BackendLabel>,
    /// See [`key_format`](Self::key_format).
    pub key_format: CacheKeyFormat,
    /// See [`value_format`](Self::value_format).
    pub value_format: Arc<dyn Format>,
    /// See [`compressor`](Self::compressor).
    pub compressor: Arc<dyn Compressor>,
    /// See [`largest_value`](Self::largest_value). `None`: what the adapter has for a default.
    pub largest_value: Option<usize>,
    /// See [`largest_decoded`](Self::largest_decoded).
    pub largest_decoded: usize,
}

impl StoreSettings {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            label: None,
            key_format: CacheKeyFormat::TEXT,
            value_format: Arc::new(BincodeFormat),
            compressor: Arc::new(NoCompression),
            largest_value: None,
            largest_decoded: Capabilities::DEFAULT_LARGEST_DECODED,
        }
    }

    /// The name of the backend in source paths, errors and traces. Builders refuse one without a visible
    /// character. Default: that of the store, such as `redis`.
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Puts all keys in a namespace: stored keys begin with its name, as in `shop::users:v1:id=42`. That keeps
    /// applications or tenants apart that share a store. The same as a [`key_format`](Self::key_format) of
    /// [`CacheKeyFormat::namespaced`]. An empty name is no namespace. Default: none.
    pub fn namespace(self, name: &str) -> Self {
        self.key_format(CacheKeyFormat::namespaced(name))
    }

    /// How keys become stored keys. Default: the canonical text form, in no namespace.
    pub fn key_format(mut self, key_format: CacheKeyFormat) -> Self {
        self.key_format = key_format;
        self
    }

    /// The format that typed access encodes values in. Default: bincode. Values that were stored in
    /// another format stay readable.
    pub fn value_format(mut self, format: impl Format + 'static) -> Self {
        self.value_format = Arc::new(format);
        self
    }

    /// What payloads are compressed with as they are stored. Default: nothing. Values that were
    /// stored with another compressor stay readable.
    pub fn compressor(mut self, compressor: impl Compressor + 'static) -> Self {
        self.compressor = Arc::new(compressor);
        self
    }

    /// The largest payload to store, in bytes, after compression. A larger one is refused with
    /// [`TooLarge`](crate::BackendErrorKind::TooLarge): by its length if there is no compressor, or if it has more
    /// than [`largest_decoded`](Self::largest_decoded) before it is compressed, too. Default and most are the
    /// store's.
    pub const fn largest_value(mut self, bytes: usize) -> Self {
        self.largest_value = Some(bytes);
        self
    }

    /// The largest payload that typed access decompresses and decodes, in bytes, and the largest value that it
    /// decodes to: see [`Capabilities::largest_decoded`]. Builders refuse 0. Default: 64 MiB.
    pub const fn largest_decoded(mut self, bytes: usize) -> Self {
        self.largest_decoded = bytes;
        self
    }

    /// That no setting is one with which nothing could work, whatever the store: for the builder of an adapter that
    /// has no [`Codec`](super::Codec), which checks this itself. `adapter` is the default label.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](crate::BackendErrorKind::InvalidConfiguration), naming the setting, for a label
    /// without a visible character, and a `largest_value` or `largest_decoded` of 0.
    pub fn check(&self, adapter: &'static str) -> BackendResult<()> {
        let blank = |label: &BackendLabel| label.as_str().trim().is_empty();
        if self.label.as_ref().is_some_and(blank) {
            let detail = "`label` is empty, nobody could tell whose errors and traces these are: give a name, or leave \
                 the setting out";
            return Err(BackendError::invalid_configuration(
                BackendLabel::new_static(adapter),
                detail,
            ));
        }
        let detail = if self.largest_value == Some(0) {
            "`largest_value` is 0, nothing could be stored: give a length in bytes, or leave the setting out"
        } else if self.largest_decoded == 0 {
            "`largest_decoded` is 0, nothing could be read: give a length in bytes, or leave the setting out"
        } else {
            return Ok(());
        };
        let label = self.label_or(adapter);
        Err(BackendError::invalid_configuration(label, detail))
    }

    /// The label, or that of the adapter.
    #[must_use]
    pub fn label_or(&self, adapter: &'static str) -> BackendLabel {
        let own = || BackendLabel::new_static(adapter);
        self.label.clone().unwrap_or_else(own)
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self::new()
    }
}
