//! Encodes and decodes objects for code that is not generic over their type.

mod codec;
mod decode;
mod encode;
mod refused;
mod type_of;
mod weight;

pub(crate) use decode::{NoObject, decode_as, object_of};
pub use encode::encoded;
pub(crate) use encode::{can_keep, with_bytes};
pub(crate) use refused::with_bytes_each;
pub(crate) use type_of::type_of;
pub use weight::weight;
