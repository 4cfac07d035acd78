//! How a value is checked.

use std::cell::Cell;

use crate::format::shape::{Node, NodeId, Shape};

/// What a format cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::format) enum Rules {
    /// bincode and postcard: nothing but the values themselves.
    Bare,
    /// JSON: no numbers but finite ones, one `null`.
    Json,
    /// A format from outside: it knows what it cannot do.
    Outside,
}

/// How a value is checked, and what has been found.
pub(in crate::format) struct Check<'c> {
    pub(super) rules: Rules,
    /// What the type asks for; empty if that is not known.
    pub(super) nodes: &'c [Node],
    pub(super) root: NodeId,
    pub(super) finding: Cell<Option<&'static str>>,
    pub(super) doubts: Cell<Doubts>,
    pub(super) demand: Cell<Demand>,
}

/// What may keep a value from being read as it was written, depending on its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::format) struct Doubts {
    /// A number beyond 64 bits, which is read as a float by who does not ask for it as what it is.
    pub(in crate::format) wide_number: bool,
    /// A map of unknown length: that of serde's `flatten`, which may write two fields of one name.
    pub(in crate::format) flattened: bool,
}

/// What it takes to decode the value, as the decoder is going to account for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::format) struct Demand {
    /// In bytes. If it is not known what the type asks for: how many parts there are.
    pub(in crate::format) memory: usize,
    /// How many elements and entries all sequences and maps claim, and one more each.
    pub(in crate::format) elements: usize,
}

impl<'c> Check<'c> {
    pub(in crate::format) fn new(rules: Rules, shape: Option<&'c Shape>) -> Self {
        Self {
            rules,
            nodes: shape.map_or(&[], |shape| &shape.nodes),
            root: shape.map_or(0, |shape| shape.root),
            finding: Cell::new(None),
            doubts: Cell::default(),
            demand: Cell::new(Demand {
                memory: shape.map_or(0, |shape| shape.memory),
                elements: 0,
            }),
        }
    }

    /// Why the value cannot be read back.
    pub(in crate::format) fn finding(&self) -> Option<&'static str> {
        self.finding.get()
    }

    pub(in crate::format) fn doubts(&self) -> Doubts {
        self.doubts.get()
    }

    pub(in crate::format) fn demand(&self) -> Demand {
        self.demand.get()
    }

    pub(super) fn demands(&self, memory: usize, elements: usize) {
        let before = self.demand.get();
        self.demand.set(Demand {
            memory: before.memory.saturating_add(memory),
            elements: before.elements.saturating_add(elements),
        });
    }
}
