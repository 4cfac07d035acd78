//! What is known of a type where nobody names it.

use std::{any::type_name, marker::PhantomData, sync::Arc};

use hitbox_core::{Encoded, Raw, TypeOf};

use super::decode::decode;
use crate::{
    Backend, Cacheable, Rejection,
    format::{self, Format, FormatError},
    in_process::weight_of,
};

/// Turns objects of one type into bytes and back.
pub(super) struct ObjectCodec {
    pub(super) type_name: fn() -> &'static str,
    /// The same value with the object that its bytes are decoded to, by the formats, compressors and limits of this
    /// backend.
    pub(super) decode: fn(&dyn Backend, &Raw) -> Result<Raw, Rejection>,
    /// The bytes of the object, for readers that decode to no more than so much memory.
    pub(super) encode: fn(&Raw, &dyn Format, usize) -> Result<Encoded, FormatError>,
    /// What the object takes of memory, in bytes.
    pub(super) weight: fn(&Raw) -> usize,
}

struct Of<T>(PhantomData<T>);

impl<T: Cacheable> Of<T> {
    const CODEC: &'static ObjectCodec = &ObjectCodec {
        type_name: type_name::<T>,
        decode: |backend, raw| {
            let object = decode::<T>(backend, raw)?;
            Ok(raw.clone().with_object(Arc::new(object), Self::TYPE))
        },
        encode: |raw, format, memory| {
            let object = raw.object_of::<T>().ok_or(FormatError::OtherType)?;
            let (payload, encoding) = format::encode(format, &*object, memory)?;
            Ok(Encoded::new(payload, encoding))
        },
        weight: |raw| raw.object_of::<T>().map_or(0, |object| weight_of(&*object)),
    };
    const TYPE: &'static TypeOf<T> = &TypeOf::with_codec(Self::CODEC);
}

/// The type of `T`s.
pub(crate) const fn type_of<T: Cacheable>() -> &'static TypeOf<T> {
    Of::<T>::TYPE
}
