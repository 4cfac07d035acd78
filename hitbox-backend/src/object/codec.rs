//! What code that is not generic over a type can do with its objects.

use hitbox_core::{Encoded, Raw};

use crate::{
    Backend, Rejection,
    format::{Format, FormatError},
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
