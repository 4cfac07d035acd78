use hitbox_core::{CacheValue, Meta, ObjectType, Raw};

use super::codec::ObjectCodec;

/// An estimate of the memory that a value takes in process, in bytes: its object, as
/// [`weight_of`](crate::in_process::weight_of) has it; its bytes; its metadata; and the bookkeeping.
#[must_use]
pub fn weight(value: &CacheValue<Raw>) -> usize {
    const BOOKKEEPING: usize = 40;
    let raw = value.data();
    let codec = raw.object_type().and_then(ObjectType::codec::<ObjectCodec>);
    let object = codec.map_or(0, |codec| (codec.weight)(raw));
    // The payload, its owner, its encoding.
    let bytes = raw.payload().map_or(0, |payload| payload.len() + 96);
    let data = BOOKKEEPING.saturating_add(object).saturating_add(bytes);
    data.saturating_add(meta_weight(value))
}

/// The memory that the metadata of a value take, in bytes.
pub(crate) fn meta_weight(value: &CacheValue<Raw>) -> usize {
    // With the two counts of its owners.
    const OWNED: usize = size_of::<Meta>() + 2 * size_of::<usize>();
    value.meta().map_or(0, |_| OWNED)
}
