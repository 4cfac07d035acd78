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
    failure::Failure,
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
