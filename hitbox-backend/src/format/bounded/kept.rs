//! What an element of a sequence takes beside its own bytes.

use std::cell::Cell;

/// What a map may need for an entry beside key and value.
pub(in crate::format) const ENTRY_OVERHEAD: usize = 16;

/// A node of a linked list takes 16 bytes beside its element: with this, three times what is counted.
const LEAST_OF_NODE: usize = 8;

/// How a collection keeps its elements, as far as its questions tell: one that puts them side by side asks
/// how many there are, to make room. One that does not ask may make a node for each, which takes much more
/// than a short element does.
#[derive(Default)]
pub(in crate::format) struct Kept {
    has_asked: Cell<bool>,
    /// The least that an element counts: settled by the first one.
    least: Option<usize>,
}

impl Kept {
    /// To be called when the number of elements is asked for.
    pub(in crate::format) fn ask(&self) {
        self.has_asked.set(true);
    }

    /// What an element of this size counts.
    pub(in crate::format) fn size_of_element(&mut self, size: usize) -> usize {
        let least = if self.has_asked.get() {
            0
        } else {
            LEAST_OF_NODE
        };
        size.max(*self.least.get_or_insert(least))
    }
}
