//! Encoding that refuses what could not be read back.
//!
//! A serializer is wrapped, and every value and compound that it is handed on to. What the value
//! writes is held against what its type asks for when it is read, step by step, so that it holds for
//! each value and not only for the first of its type.

mod compounds;
mod serializer;
mod value;

use std::cell::Cell;

use serde::ser::Serialize;

use super::{
    FormatError,
    bounded::MAX_DEPTH,
    shape::{Node, NodeId, Shape},
};
use value::{Checked, MAX_JSON_DEPTH};

/// What a format cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// bincode and postcard: nothing but the values themselves.
    Bare,
    /// JSON: no numbers but finite ones, one `null`.
    Json,
    /// A format from outside: it knows what it cannot do.
    Outside,
}

/// How a value is checked, and what has been found.
pub(super) struct Check<'c> {
    rules: Rules,
    /// What the type asks for; empty if that is not known.
    nodes: &'c [Node],
    root: NodeId,
    finding: Cell<Option<&'static str>>,
    doubts: Cell<Doubts>,
    demand: Cell<Demand>,
}

/// What may keep a value from being read as it was written, depending on its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubts {
    /// A number beyond 64 bits, which is read as a float by who does not ask for it as what it is.
    pub(super) wide_number: bool,
    /// A map of unknown length: that of serde's `flatten`, which may write two fields of one name.
    pub(super) flattened: bool,
}

/// What it takes to decode the value, as the decoder is going to account for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// In bytes. If it is not known what the type asks for: how many parts there are.
    pub(super) memory: usize,
    /// How many elements and entries all sequences and maps claim, and one more each.
    pub(super) elements: usize,
}

impl<'c> Check<'c> {
    pub(super) fn new(rules: Rules, shape: Option<&'c Shape>) -> Self {
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

    /// `inner`, checked from now on.
    pub(super) fn around<T>(&'c self, inner: T) -> Checked<'c, T> {
        let depth_left = match self.rules {
            Rules::Bare | Rules::Outside => MAX_DEPTH,
            Rules::Json => MAX_JSON_DEPTH,
        };
        Checked {
            inner,
            depth_left,
            options_left: MAX_DEPTH,
            within_some: false,
            node: self.root,
            taken: 0,
            check: self,
        }
    }

    /// Why the value cannot be read back.
    pub(super) fn finding(&self) -> Option<&'static str> {
        self.finding.get()
    }

    pub(super) fn doubts(&self) -> Doubts {
        self.doubts.get()
    }

    pub(super) fn demand(&self) -> Demand {
        self.demand.get()
    }

    fn demands(&self, memory: usize, elements: usize) {
        let before = self.demand.get();
        self.demand.set(Demand {
            memory: before.memory.saturating_add(memory),
            elements: before.elements.saturating_add(elements),
        });
    }

    /// What `write` makes of `object`.
    ///
    /// # Errors
    ///
    /// [`FormatError::NotRoundTrip`] if a decoder could not read it back, [`FormatError::Encode`] if
    /// `write` fails for another reason.
    pub(super) fn encode<T: Serialize + ?Sized, E>(
        &'c self,
        format: &'static str,
        object: &T,
        write: impl FnOnce(Checked<'c, &T>) -> Result<Vec<u8>, E>,
    ) -> Result<Written, FormatError> {
        let outcome = write(self.around(object));
        // Before the outcome: a type's own `Serialize` may have swallowed the error.
        if let Some(reason) = self.finding() {
            return Err(FormatError::NotRoundTrip { format, reason });
        }
        let payload = outcome.map_err(|_quotes_the_value| {
            FormatError::encode(
                format,
                "the type's Serialize failed, or the format has no such kind",
            )
        })?;
        Ok(Written {
            payload,
            doubts: self.doubts(),
            demand: self.demand(),
        })
    }
}

/// A payload, what may keep it from being read, and what reading it takes.
pub(super) struct Written {
    pub(super) payload: Vec<u8>,
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "JSON is the one that has doubts")
    )]
    pub(super) doubts: Doubts,
    pub(super) demand: Demand,
}
