use hitbox_core::{BackendErrorKind, BackendLabel, CacheValue, Encoded, ObjectType, Raw};

use super::codec::ObjectCodec;
use crate::{
    Backend, BackendError, BackendResult, Operation,
    format::{Format, FormatError},
};

/// The value in bytes: those that it has, or those that `format` makes of its object. What a store of bytes does
/// to what it is given, before it writes.
///
/// `largest_decoded` is what the store has in its [capabilities](crate::Capabilities::largest_decoded).
///
/// # Errors
///
/// [`NotStorable`](BackendErrorKind::NotStorable) if the format cannot read the object back,
/// [`TooLarge`](BackendErrorKind::TooLarge) if readers would not decode it. Either way the key is to be left absent.
///
/// ```
/// use hitbox_backend::{
///     Backend, CacheBackend, CacheKey, CacheValue, BincodeFormat, Stamp, conformance::MemoryBackend, encoded,
/// };
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (cache, key) = (MemoryBackend::new(), CacheKey::from_pair("user", "42"));
/// let name = CacheValue::loaded(String::from("Ada"), Stamp::now());
/// cache.set(&key, name.shared()).await?;
/// let kept = cache.read(&key).await?.unwrap();
/// let in_bytes = encoded(&kept, &BincodeFormat, 1 << 20, &"mine".into())?;
/// assert_eq!(in_bytes.data().payload(), "\u{3}Ada");
/// # Ok::<(), hitbox_backend::BackendError>(())
/// # }).unwrap();
/// ```
pub fn encoded(
    value: &CacheValue<Raw>,
    format: &dyn Format,
    largest_decoded: usize,
    label: &BackendLabel,
) -> BackendResult<CacheValue<Encoded>> {
    let encoded = match value.data().encoded() {
        Some(encoded) => encoded.clone(),
        None => encode(value.data(), format, largest_decoded, || label.clone())?
            .with_meta(value.data().meta().cloned()),
    };
    Ok(value.clone().map(|_| encoded))
}

/// The value as `backend` is to be given it: with bytes, if it keeps any.
///
/// # Errors
///
/// Those of [`encoded`]. [`InvalidConfiguration`](BackendErrorKind::InvalidConfiguration) if the value has metadata,
/// which `backend` does not keep.
pub(crate) fn with_bytes(
    backend: &dyn Backend,
    value: CacheValue<Raw>,
) -> BackendResult<CacheValue<Raw>> {
    if !can_keep(backend, &value) {
        let kind = BackendErrorKind::InvalidConfiguration;
        let error = BackendError::new(kind, Operation::Write, backend.label());
        let it_cannot = if value.data().is_absent() {
            "be told that there is no such thing"
        } else {
            "keep tags"
        };
        return Err(error.with_detail(format!(
            "it does not keep metadata (`Capabilities::keeps_metadata`), so it cannot {it_cannot}"
        )));
    }
    if value.data().encoded().is_some() {
        return Ok(value);
    }
    let capabilities = backend.capabilities();
    if !capabilities.keeps_bytes {
        return Ok(value);
    }
    let (format, limit) = (backend.value_format(), capabilities.largest_decoded);
    let encoded = encode(value.data(), format, limit, || backend.label())?;
    Ok(value.map(|raw| raw.with_bytes(encoded)))
}

/// Whether `backend` keeps all that the value has.
#[inline]
pub(crate) fn can_keep(backend: &dyn Backend, value: &CacheValue<Raw>) -> bool {
    value.data().meta().is_none() || backend.capabilities().keeps_metadata
}

pub(super) fn encode(
    raw: &Raw,
    format: &dyn Format,
    limit: usize,
    label: impl Fn() -> BackendLabel,
) -> BackendResult<Encoded> {
    let codec = raw.object_type().and_then(ObjectType::codec::<ObjectCodec>);
    let Some(codec) = codec else {
        let error = BackendError::new(BackendErrorKind::NotStorable, Operation::Write, label());
        return Err(error.with_detail("an object that typed access has not put in has no bytes"));
    };
    (codec.encode)(raw, format, limit)
        .map_err(|error| refused(error, (codec.type_name)(), limit, label()))
}

fn refused(error: FormatError, type_name: &str, limit: usize, label: BackendLabel) -> BackendError {
    let (kind, detail) = if let FormatError::OverLimit { format } = error {
        let detail = format!(
            "{format} could not decode it again: it takes more memory than the {limit} bytes that a reader \
             allows (`Capabilities::largest_decoded`)"
        );
        (BackendErrorKind::TooLarge, detail)
    } else {
        let detail =
            format!("{error} ({type_name}); change the type, or the `value_format` of the backend");
        (BackendErrorKind::NotStorable, detail)
    };
    BackendError::new(kind, Operation::Write, label)
        .with_detail(detail)
        .with_source(error)
}
