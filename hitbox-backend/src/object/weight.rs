use hitbox_core::{Meta, ObjectType, Raw};

use super::codec::ObjectCodec;

/// An estimate of the memory that a value takes in process, in bytes: its object, as
/// [`weight_of`](crate::in_process::weight_of) has it; its bytes and metadata; and the bookkeeping.
#[must_use]
pub fn weight(raw: &Raw) -> usize {
    const BOOKKEEPING: usize = 32;
    let codec = raw.object_type().and_then(ObjectType::codec::<ObjectCodec>);
    let object = codec.map_or(0, |codec| (codec.weight)(raw));
    // The payload, its owner, its encoding.
    let bytes = raw.payload().map_or(0, |payload| payload.len() + 96);
    // With the two counts of its owners.
    let meta = raw.meta().map_or(0, |meta| {
        size_of::<Meta>() + 2 * size_of::<usize>() + meta.tags().weight()
    });
    let bytes = bytes.saturating_add(meta);
    BOOKKEEPING.saturating_add(object).saturating_add(bytes)
}
