use std::sync::Arc;

use bytes::Bytes;
use hitbox_backend::{
    BackendError, BackendErrorKind, Compressor, Operation,
    compression::{CompressionError, NoCompression},
    stored_form,
};
use hitbox_core::{BackendLabel, CacheValue, CompressorId, Raw};
use tokio::runtime::Handle;

use crate::error::{Cause, Failure};

/// Payloads longer than this are compressed off the async threads: it takes longer than handing the
/// work over.
const INLINE_BYTES: usize = 64 << 10;

/// Turns values into what is stored.
pub(crate) struct Encoder {
    compressor: Arc<dyn Compressor>,
    largest_value: usize,
}

/// Why a value is not stored.
pub(crate) enum Refusal {
    TooLarge {
        length: usize,
        limit: usize,
    },
    /// By the server, when it was sent.
    RefusedBefore {
        length: usize,
    },
    Compressor(CompressionError),
    /// The runtime is shutting down.
    Lost,
}

impl Encoder {
    pub(crate) const fn new(compressor: Arc<dyn Compressor>, largest_value: usize) -> Self {
        Self {
            compressor,
            largest_value,
        }
    }

    pub(crate) fn compressor(&self) -> &dyn Compressor {
        &*self.compressor
    }

    pub(crate) const fn largest_value(&self) -> usize {
        self.largest_value
    }

    /// The stored form of `value`; `too_long` if it has so many bytes or more.
    pub(crate) async fn encode(
        &self,
        value: CacheValue<Raw>,
        too_long: usize,
    ) -> Result<Bytes, Refusal> {
        let longest = stored_form::longest_payload(&*self.compressor, self.largest_value);
        within(&value, longest)?;
        let value = self.compress(value).await?;
        within(&value, self.largest_value)?;
        let stored = stored_form::encode(&value, &NoCompression).map_err(Refusal::Compressor)?;
        if stored.len() >= too_long {
            return Err(Refusal::RefusedBefore {
                length: stored.len(),
            });
        }
        Ok(stored)
    }

    async fn compress(&self, value: CacheValue<Raw>) -> Result<CacheValue<Raw>, Refusal> {
        let inline = self.compressor.id() == CompressorId::NONE
            || value.data().payload().len() <= INLINE_BYTES;
        // Where there is no runtime, the call is about to fail for that.
        let elsewhere = Handle::try_current().ok().filter(|_| !inline);
        let Some(elsewhere) = elsewhere else {
            return stored_form::compress(&value, &*self.compressor).map_err(Refusal::Compressor);
        };
        let compressor = Arc::clone(&self.compressor);
        let compressing =
            elsewhere.spawn_blocking(move || stored_form::compress(&value, &*compressor));
        compressing
            .await
            .map_err(|_lost| Refusal::Lost)?
            .map_err(Refusal::Compressor)
    }
}

fn within(value: &CacheValue<Raw>, limit: usize) -> Result<(), Refusal> {
    let length = value.data().payload().len();
    if length > limit {
        return Err(Refusal::TooLarge { length, limit });
    }
    Ok(())
}

impl Refusal {
    pub(crate) fn into_error(self, label: &BackendLabel) -> BackendError {
        let new = |kind| BackendError::new(kind, Operation::Write, label.clone());
        match self {
            Self::TooLarge { length, limit } => new(BackendErrorKind::TooLarge).with_detail(
                format!("a payload of {length} bytes is over the limit of {limit} bytes"),
            ),
            Self::RefusedBefore { length } => {
                Failure::from(Cause::TooLong { length }).into_error(Operation::Write, label)
            }
            Self::Compressor(cause) => new(BackendErrorKind::Internal)
                .with_detail("the compressor failed")
                .with_source(cause),
            Self::Lost => {
                new(BackendErrorKind::Internal).with_detail("the compressor did not come to an end")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hitbox_core::Stamp;

    use super::*;

    /// Must not be asked.
    #[derive(Debug)]
    struct Idle;

    impl Compressor for Idle {
        fn id(&self) -> CompressorId {
            const { CompressorId::custom(200) }
        }

        fn compress(&self, _payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
            panic!("asked to compress");
        }

        fn decompress(
            &self,
            _compressed: &[u8],
            _limit: usize,
        ) -> Result<Vec<u8>, CompressionError> {
            panic!("asked to decompress");
        }
    }

    /// More than any reader decodes.
    fn huge() -> CacheValue<Raw> {
        CacheValue::loaded(Raw::from(vec![0; (64 << 20) + 1]), Stamp::now())
    }

    #[tokio::test]
    async fn a_value_is_refused_by_its_length_before_it_is_compressed() {
        let refused = Encoder::new(Arc::new(Idle), 1_000)
            .encode(huge(), usize::MAX)
            .await;
        assert!(matches!(refused, Err(Refusal::TooLarge { .. })));
    }
}
