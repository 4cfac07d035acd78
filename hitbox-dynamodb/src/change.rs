//! What a write comes down to, decided before any I/O.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hitbox_backend::{
    BackendErrorKind, Compressor,
    compression::NoCompression,
    stored_form::{self, HEADER_LENGTH},
};
use hitbox_core::{CacheValue, Raw};

use crate::{
    AttributeNames,
    error::Failure,
    item::{self, LARGEST_ITEM},
    stored_key::StoredKey,
};

pub(crate) enum Change {
    /// The value is stored.
    Put {
        stored: Bytes,
        expire: Option<DateTime<Utc>>,
    },
    /// The key is left absent; once it is, this is the outcome. The value has expired, or it is
    /// refused, and then an older one must not pose as it.
    Clear { outcome: Result<(), Failure> },
}

/// What bounds the size of a value.
pub(crate) struct Room<'r> {
    pub(crate) key: &'r StoredKey,
    pub(crate) largest_value: usize,
    pub(crate) attributes: &'r AttributeNames,
}

impl Change {
    pub(crate) fn of(
        value: &CacheValue<Raw>,
        compressor: &dyn Compressor,
        room: &Room<'_>,
    ) -> Result<Self, Failure> {
        if value.is_expired() {
            return Ok(Self::Clear { outcome: Ok(()) });
        }
        let failed = |_| Failure::new(BackendErrorKind::Internal, "the compressor failed");
        let refused = |refusal| {
            Ok(Self::Clear {
                outcome: Err(refusal),
            })
        };
        let length = value.data().payload().len();
        let longest = stored_form::longest_payload(compressor, room.largest_value);
        if length > longest {
            return refused(too_large(length, longest));
        }
        let value = stored_form::compress(value, compressor).map_err(failed)?;
        if let Some(refusal) = room.refusal(value.data().payload().len()) {
            return refused(refusal);
        }
        Ok(Self::Put {
            stored: stored_form::encode(&value, &NoCompression).map_err(failed)?,
            expire: value.expire(),
        })
    }
}

impl Room<'_> {
    fn refusal(&self, payload: usize) -> Option<Failure> {
        let largest = self.largest_value;
        if payload > largest {
            return Some(too_large(payload, largest));
        }
        let size = item::size(self.key, payload + HEADER_LENGTH, self.attributes);
        if size <= LARGEST_ITEM {
            return None;
        }
        let detail = format!(
            "key and payload together take {size} bytes, and an item can have {LARGEST_ITEM}"
        );
        Some(Failure::new(BackendErrorKind::TooLarge, detail))
    }
}

fn too_large(payload: usize, limit: usize) -> Failure {
    let detail = format!("a payload of {payload} bytes is over the limit of {limit} bytes");
    Failure::new(BackendErrorKind::TooLarge, detail)
}

#[cfg(test)]
mod tests {
    use hitbox_backend::{CacheKeyFormat, compression::CompressionError};
    use hitbox_core::{CacheKey, CompressorId, Stamp};

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

    #[test]
    fn a_value_is_refused_by_its_length_before_it_is_compressed() {
        let key = StoredKey::new(&CacheKeyFormat::TEXT, &CacheKey::from_pair("key", "k"));
        let room = Room {
            key: &key,
            largest_value: 1_000,
            attributes: &AttributeNames::default(),
        };
        let change = Change::of(&huge(), &Idle, &room);
        let Ok(Change::Clear { outcome: Err(_) }) = change else {
            panic!("not refused");
        };
    }
}
