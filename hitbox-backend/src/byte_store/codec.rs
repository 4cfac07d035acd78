use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, CompressorId, Encoded, Raw};
use tokio::runtime::Handle;

use super::{Prepared, StoreSettings};
use crate::{
    BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Capabilities, Compressor,
    Format, Operation, Rejection, Rejections,
    compression::{CompressionError, NoCompression},
    encoded, stored_form,
};

/// Payloads longer than this are compressed off the async threads: it takes longer than handing the
/// work over.
const INLINE_BYTES: usize = 64 << 10;

/// The part of an adapter to a store of bytes that is not I/O.
///
/// Clones share the counts of [`rejections`](Self::rejections). See the [module](super) for an adapter that is made
/// with one.
#[derive(Clone)]
pub struct Codec {
    shared: Arc<Shared>,
}

struct Shared {
    label: BackendLabel,
    settings: StoreSettings,
    capabilities: Capabilities,
    rejections: Arc<Rejections>,
}

impl Codec {
    /// A codec by these settings. `adapter` is the default label. `capabilities` say what the store can do; their
    /// `largest_value` is the default of that setting, and their `largest_decoded` gives way to that of the settings.
    /// The stored form keeps metadata, so they say that, too.
    ///
    /// # Errors
    ///
    /// Those of [`StoreSettings::check`]. Whether the store takes as much as `largest_value` is for the adapter to
    /// check.
    pub fn new(
        settings: StoreSettings,
        adapter: &'static str,
        mut capabilities: Capabilities,
    ) -> BackendResult<Self> {
        settings.check(adapter)?;
        let label = settings.label_or(adapter);
        capabilities.largest_value = settings.largest_value.or(capabilities.largest_value);
        capabilities.largest_decoded = settings.largest_decoded;
        capabilities.keeps_metadata = true;
        Ok(Self {
            shared: Arc::new(Shared {
                label,
                settings,
                capabilities,
                rejections: Arc::default(),
            }),
        })
    }

    /// What [`Backend::label`](crate::Backend::label) returns.
    #[must_use]
    pub fn label(&self) -> &BackendLabel {
        &self.shared.label
    }

    /// What [`Backend::value_format`](crate::Backend::value_format) returns.
    #[must_use]
    pub fn value_format(&self) -> &dyn Format {
        &*self.shared.settings.value_format
    }

    /// What [`Backend::key_format`](crate::Backend::key_format) returns.
    #[must_use]
    pub fn key_format(&self) -> &CacheKeyFormat {
        &self.shared.settings.key_format
    }

    /// What [`Backend::compressor`](crate::Backend::compressor) returns.
    #[must_use]
    pub fn compressor(&self) -> &dyn Compressor {
        &*self.shared.settings.compressor
    }

    /// What [`Backend::capabilities`](crate::Backend::capabilities) returns.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    /// What [`Backend::reject`](crate::Backend::reject) does: counts and traces.
    pub fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.shared.rejections.note(self.label(), key, rejection);
    }

    /// What has been rejected, for the statistics of the adapter.
    #[must_use]
    pub fn rejections(&self) -> &Arc<Rejections> {
        &self.shared.rejections
    }

    /// The key to store under. Borrows from `key` where there is no namespace.
    #[must_use]
    pub fn stored_key<'k>(&self, key: &'k CacheKey) -> Cow<'k, str> {
        self.key_format().encode(key)
    }

    /// What writing `value` comes down to. Compresses on this thread.
    pub fn prepare(&self, value: &CacheValue<Raw>) -> Prepared {
        if value.is_expired() {
            return Prepared::Clear { outcome: Ok(()) };
        }
        self.prepare_live(value)
    }

    /// [`prepare`](Self::prepare), by a clock that was read before: for an adapter that hands the work over to
    /// another thread.
    pub fn prepare_at(&self, value: &CacheValue<Raw>, now: DateTime<Utc>) -> Prepared {
        if value.expire().is_some_and(|expire| expire <= now) {
            return Prepared::Clear { outcome: Ok(()) };
        }
        self.prepare_live(value)
    }

    /// [`prepare`](Self::prepare), but that payloads over 64 KiB, and objects without one, are compressed on tokio's
    /// blocking pool. Outside of
    /// a tokio runtime, all are compressed on this thread.
    ///
    /// *Cancel safety*: nothing has been stored.
    pub async fn prepare_off_thread(&self, value: CacheValue<Raw>) -> Prepared {
        if value.is_expired() {
            return Prepared::Clear { outcome: Ok(()) };
        }
        let is_short = self.compressor().id() == CompressorId::NONE
            || (value.data().payload()).is_some_and(|payload| payload.len() <= INLINE_BYTES);
        let runtime = Handle::try_current().ok().filter(|_| !is_short);
        let Some(runtime) = runtime else {
            return self.prepare_live(&value);
        };
        let codec = self.clone();
        let preparing = runtime.spawn_blocking(move || codec.prepare_live(&value));
        preparing.await.unwrap_or_else(|_lost| Prepared::Clear {
            outcome: Err(self
                .error(BackendErrorKind::Internal, Operation::Write)
                .with_detail("the compressor did not come to an end")),
        })
    }

    fn prepare_live(&self, value: &CacheValue<Raw>) -> Prepared {
        match self.encode(value) {
            Ok(stored) => Prepared::Put {
                stored,
                expire: value.expire(),
            },
            Err(refusal) => Prepared::Clear {
                outcome: Err(refusal),
            },
        }
    }

    /// The stored form of `value`, of which an object is encoded, if it is not too large. What is too large is neither
    /// compressed nor copied if its length says so.
    fn encode(&self, value: &CacheValue<Raw>) -> BackendResult<Bytes> {
        let failed = |cause: CompressionError| {
            self.error(BackendErrorKind::Internal, Operation::Write)
                .with_detail("the compressor failed")
                .with_source(cause)
        };
        let limit = self.capabilities().largest_decoded;
        let value = encoded(value, self.value_format(), limit, self.label())?;
        self.within(&value, self.longest_payload())?;
        let value = stored_form::compress(&value, self.compressor()).map_err(failed)?;
        self.within(&value, self.capabilities().largest_value)?;
        stored_form::encode(&value, &NoCompression).map_err(failed)
    }

    /// How long a payload may be before it is compressed. To compress a longer one could take seconds, and all for
    /// nothing: no reader would decode it.
    fn longest_payload(&self) -> Option<usize> {
        let largest = self.capabilities().largest_value?;
        if self.compressor().id() == CompressorId::NONE {
            return Some(largest);
        }
        Some(largest.max(self.capabilities().largest_decoded))
    }

    fn within(&self, value: &CacheValue<Encoded>, limit: Option<usize>) -> BackendResult<()> {
        let length = value.data().payload().len();
        match limit {
            Some(limit) if length > limit => Err(self
                .error(BackendErrorKind::TooLarge, Operation::Write)
                .with_detail(format!(
                    "a payload of {length} bytes is over the limit of {limit} bytes"
                ))),
            Some(_) | None => Ok(()),
        }
    }

    /// The value that was found under `key`, if it is live. What is no value is [rejected](Self::reject): a miss.
    #[must_use]
    pub fn accept(&self, key: &CacheKey, stored: Bytes) -> Option<CacheValue<Raw>> {
        let decoded = self.decode(key, stored);
        decoded.filter(|value| !value.is_expired())
    }

    /// [`accept`](Self::accept), of a value that may have expired: for an adapter that decodes on another thread, and
    /// asks for the time when that is done.
    #[must_use]
    pub fn decode(&self, key: &CacheKey, stored: Bytes) -> Option<CacheValue<Raw>> {
        stored_form::decode_owned(stored)
            .map_err(|rejection| self.reject(key, rejection))
            .ok()
            .map(|value| value.map(Raw::from))
    }

    /// A failure of this backend.
    #[must_use]
    pub fn error(&self, kind: BackendErrorKind, operation: Operation) -> BackendError {
        BackendError::new(kind, operation, self.label().clone())
    }
}

/// Shows settings and counts, no keys and no values.
impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("label", self.label())
            .field("settings", &self.shared.settings)
            .field("capabilities", self.capabilities())
            .field("rejections", self.rejections())
            .finish()
    }
}
