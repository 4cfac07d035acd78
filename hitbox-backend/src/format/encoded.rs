use hitbox_core::FormatId;

use super::{bounded, checked::Demand, known, shape::Readable};
use crate::Cacheable;

/// A payload, and what it is stored as.
pub(super) struct Encoded {
    pub(super) payload: Vec<u8>,
    pub(super) format: FormatId,
    pub(super) shape: u64,
    /// What it takes to decode it, at most.
    pub(super) demand: Demand,
    /// Whether only reading it can tell whether it can be read.
    pub(super) needs_proof: bool,
}

impl Encoded {
    /// Whether decoding it may take more than a reader allows.
    pub(super) fn may_be_over(&self, memory: usize) -> bool {
        let elements = self.payload.len().saturating_add(bounded::EMPTY_ELEMENTS);
        self.demand.memory > memory || self.demand.elements > elements
    }
}

/// How much memory a byte of a payload is taken to need at most, where it is not known what a type asks
/// for. Only a type with elements that are larger by this factor than they are written needs more: such as
/// have a KiB of defaults each.
const MEMORY_OF_A_BYTE: usize = 1_024;

/// What was counted in parts, since the payload names what it holds; in bytes of memory, at most.
pub(super) fn in_bytes<T: Cacheable>(parts: Demand, payload_length: usize) -> Demand {
    let shape = known::shape::<T>(Readable::ByHumans).ok();
    let memory = match shape.and_then(|shape| Some((shape.memory, shape.most_memory?))) {
        Some((first, most)) => parts.memory.saturating_mul(most).saturating_add(first),
        None => payload_length.saturating_mul(MEMORY_OF_A_BYTE),
    };
    Demand { memory, ..parts }
}

/// Whether a payload with this shape may be one of `T`. One without a shape nobody has named a type
/// for; whoever wrote it has to know.
pub(super) fn is_of<T: Cacheable>(stored: u64, readable: Readable) -> bool {
    stored == 0 || known::shape::<T>(readable).is_ok_and(|expected| expected.fingerprint == stored)
}
