//! How what a backend has found becomes an object of the type that its reader wants.

use std::{marker::PhantomData, sync::Arc};

use hitbox_core::{CompressorId, Raw, WantedType};

use crate::{Backend, Cacheable, Rejection, compression::CompressionError, format};

/// Makes objects of one type.
struct Maker(fn(&dyn Backend, &Raw) -> Result<Raw, Rejection>);

struct OfType<T>(PhantomData<T>);

impl<T: Cacheable> OfType<T> {
    const MAKER: &'static Maker = &Maker(|backend, raw| {
        let object = decode::<T>(backend, raw)?;
        Ok(raw.holding(Arc::new(object)))
    });
    const WANTED: &'static WantedType = &WantedType::of::<T, _>(Self::MAKER);
}

/// What a context carries of a reader who wants a `T`.
pub(crate) const fn wanted<T: Cacheable>() -> &'static WantedType {
    OfType::<T>::WANTED
}

/// What `backend` has answered, with an object of the wanted type. The formats, compressors and limits are those
/// of `backend`.
#[inline(never)]
pub(crate) fn decode_as(
    wanted: &WantedType,
    backend: &dyn Backend,
    raw: &Raw,
) -> Result<Raw, Rejection> {
    match wanted.maker::<Maker>() {
        Some(Maker(make)) => make(backend, raw),
        // Of somebody else's typed access, which decodes by itself.
        None => Ok(raw.clone()),
    }
}

/// The object that `backend` has answered with.
#[inline(never)]
pub(crate) fn object_of<T: Cacheable>(
    backend: &dyn Backend,
    raw: &Raw,
) -> Result<Arc<T>, Rejection> {
    let object = Arc::new(decode::<T>(backend, raw)?);
    // A byte store keeps none of it: nobody would look.
    if raw.is_shared() {
        raw.remember(Arc::clone(&object));
    }
    Ok(object)
}

fn decode<T: Cacheable>(backend: &dyn Backend, raw: &Raw) -> Result<T, Rejection> {
    let encoding = raw.encoding();
    let limit = backend.capabilities().largest_decoded;
    let format = backend
        .find_format(encoding.format)
        .ok_or(Rejection::Format)?;
    if encoding.compressor == CompressorId::NONE {
        if raw.payload().len() > limit {
            return Err(Rejection::TooLarge);
        }
        return format::decode(format, raw.payload(), encoding, limit);
    }
    let payload = backend
        .find_compressor(encoding.compressor)
        .ok_or(Rejection::Compression)?
        .decompress(raw.payload(), limit)
        .map_err(|error| match error {
            CompressionError::OverLimit { .. } => Rejection::TooLarge,
            CompressionError::Codec(_) => Rejection::Compression,
        })?;
    format::decode(format, &payload, encoding, limit)
}
