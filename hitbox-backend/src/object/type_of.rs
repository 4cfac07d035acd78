//! The codec of each type.

use std::{any::type_name, marker::PhantomData, sync::Arc};

use hitbox_core::{Encoded, TypeOf};

use super::{codec::ObjectCodec, decode::decode};
use crate::{
    Cacheable,
    format::{self, FormatError},
    in_process::weight_of,
};

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
