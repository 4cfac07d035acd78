use std::{borrow::Cow, sync::Arc};

use hitbox_core::{CompressorId, ObjectType, Raw};

use super::{codec::ObjectCodec, encode::encode};
use crate::{Backend, Cacheable, Rejection, compression::CompressionError, format};

/// What `backend` has answered, with an object of the wanted type. The formats, compressors and limits are those
/// of `backend`.
#[inline(never)]
pub(crate) fn decode_as(
    wanted: &ObjectType,
    backend: &dyn Backend,
    raw: &Raw,
) -> Result<Raw, Rejection> {
    match wanted.codec::<ObjectCodec>() {
        Some(codec) => (codec.decode)(backend, raw),
        // Of somebody else's typed access, which decodes by itself.
        None => Ok(raw.clone()),
    }
}

/// Why there is no object.
#[derive(Clone, Copy)]
pub(crate) enum NoObject {
    /// There is no such thing.
    Absent,
    /// It cannot be read as one of the type.
    Rejected(Rejection),
}

/// The object of what `backend` has answered with.
#[inline]
pub(crate) fn object_of<T: Cacheable>(backend: &dyn Backend, raw: Raw) -> Result<Arc<T>, NoObject> {
    raw.into_object::<T>()
        .or_else(|raw| object_of_bytes::<T>(backend, &raw))
}

#[inline(never)]
fn object_of_bytes<T: Cacheable>(backend: &dyn Backend, raw: &Raw) -> Result<Arc<T>, NoObject> {
    if raw.is_absent() {
        return Err(NoObject::Absent);
    }
    let object = decode::<T>(backend, raw).map_err(NoObject::Rejected);
    object.map(Arc::new)
}

#[inline(never)]
pub(super) fn decode<T: Cacheable>(backend: &dyn Backend, raw: &Raw) -> Result<T, Rejection> {
    let limit = backend.capabilities().largest_decoded;
    let encoded = match raw.encoded() {
        Some(encoded) => Cow::Borrowed(encoded),
        // An object of another type. No layer has bytes under the key.
        None => {
            let encoded = encode(raw, backend.value_format(), limit, || backend.label());
            Cow::Owned(encoded.map_err(|_no_bytes| Rejection::Type)?)
        }
    };
    let (payload, encoding) = (encoded.payload(), encoded.encoding());
    let format = backend
        .find_format(encoding.format)
        .ok_or(Rejection::Format)?;
    if encoding.compressor == CompressorId::NONE {
        if payload.len() > limit {
            return Err(Rejection::TooLarge);
        }
        return format::decode(format, payload, encoding, limit);
    }
    let payload = backend
        .find_compressor(encoding.compressor)
        .ok_or(Rejection::Compression)?
        .decompress(payload, limit)
        .map_err(|error| match error {
            CompressionError::OverLimit { .. } => Rejection::TooLarge,
            CompressionError::Codec(_) => Rejection::Compression,
        })?;
    format::decode(format, &payload, encoding, limit)
}
