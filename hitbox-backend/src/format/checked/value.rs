//! What is around a serializer, its compounds and the values in them, and holds what is written against
//! what the type asks for.

use serde::ser::Error;

use super::{Check, Doubts, Rules};
use crate::format::{
    bounded::DECODES_BY_LOOKING,
    shape::{Node, NodeId, Tag},
};

pub(super) const SKIPPED_FIELD: &str = "it leaves out a field (serde's skip_serializing_if)";
const UNKNOWN_LENGTH: &str =
    "it has a sequence or map that does not know its length (serde's flatten makes one)";
const TOO_DEEP: &str = "the value is nested deeper than 128 levels";
const TOO_DEEP_IN_JSON: &str =
    "the value is nested deeper than 127 arrays and objects, or 128 options";
const NOT_ASKED_FOR: &str = "its Serialize writes other fields, variants or kinds than its \
     Deserialize asks for (serde's skip, skip_serializing, skip_deserializing, serialize_with and \
     rename can do so)";
const NOT_FINITE: &str = "a number in it is NaN or infinite, which JSON writes as null";
const SOME_NULL: &str = "it has a Some that JSON writes as null, which is read as None";

/// How deep arrays and objects may be nested for `serde_json` to read them.
pub(super) const MAX_JSON_DEPTH: u8 = 127;

/// A serializer, a compound of one, or a value on its way into one.
pub(in crate::format) struct Checked<'c, T> {
    pub(super) inner: T,
    pub(super) depth_left: u8,
    pub(super) options_left: u8,
    pub(super) within_some: bool,
    /// What is asked for here.
    pub(super) node: NodeId,
    /// How many parts of a compound have been written.
    pub(super) taken: usize,
    pub(super) check: &'c Check<'c>,
}

impl<'c, T> Checked<'c, T> {
    pub(super) fn around<U>(&self, inner: U) -> Checked<'c, U> {
        Checked {
            inner,
            depth_left: self.depth_left,
            options_left: self.options_left,
            within_some: false,
            node: self.node,
            taken: 0,
            check: self.check,
        }
    }

    pub(super) fn at<U>(&self, node: NodeId, inner: U) -> Checked<'c, U> {
        Checked {
            node,
            ..self.around(inner)
        }
    }

    pub(super) fn found<E: Error>(&self, reason: &'static str) -> E {
        self.check.finding.set(Some(reason));
        E::custom(reason)
    }

    /// One level further in. Counts what a recursive type cannot do without, as the decoder does:
    /// options, sequences, maps and variants; of JSON, arrays and objects.
    pub(super) fn go_deeper<E: Error>(&mut self) -> Result<(), E> {
        let reason = match self.check.rules {
            Rules::Bare | Rules::Outside => TOO_DEEP,
            Rules::Json => TOO_DEEP_IN_JSON,
        };
        self.depth_left = self
            .depth_left
            .checked_sub(1)
            .ok_or_else(|| self.found(reason))?;
        Ok(())
    }

    /// The same for what is an array or an object in JSON, and bears no level elsewhere.
    pub(super) fn go_deeper_in_json<E: Error>(&mut self) -> Result<(), E> {
        match self.check.rules {
            Rules::Bare | Rules::Outside => Ok(()),
            Rules::Json => self.go_deeper(),
        }
    }

    pub(super) fn go_into_option<E: Error>(&mut self) -> Result<(), E> {
        match self.check.rules {
            Rules::Bare | Rules::Outside => self.go_deeper(),
            Rules::Json => {
                self.options_left = self
                    .options_left
                    .checked_sub(1)
                    .ok_or_else(|| self.found(TOO_DEEP_IN_JSON))?;
                Ok(())
            }
        }
    }

    pub(super) fn known(&self) -> Option<&'c Node> {
        self.check.nodes.get(self.node)
    }

    /// Holds if the type asks for this here, or if that is not known.
    pub(super) fn expect<E: Error>(&self, tag: Tag) -> Result<(), E> {
        match self.known() {
            Some(node) if node.tag != tag => Err(self.unasked(node)),
            _ => Ok(()),
        }
    }

    pub(super) fn unasked<E: Error>(&self, node: &Node) -> E {
        if node.tag.looks_at_what_is_there() {
            self.found(DECODES_BY_LOOKING)
        } else {
            self.found(NOT_ASKED_FOR)
        }
    }

    pub(super) fn expect_either<E: Error>(&self, tags: &[Tag]) -> Result<(), E> {
        match self.known() {
            Some(node) if !tags.contains(&node.tag) => Err(self.unasked(node)),
            _ => Ok(()),
        }
    }

    /// Holds if the type asks for so many values, one after the other.
    pub(super) fn expect_parts<E: Error>(&self, tags: &[Tag], length: usize) -> Result<(), E> {
        match self.known() {
            Some(node) if !tags.contains(&node.tag) || node.parts.len() != length => {
                Err(self.unasked(node))
            }
            _ => Ok(()),
        }
    }

    /// What the type asks for in this part, which is about to be written.
    pub(super) fn part<E: Error>(&self, part: usize) -> Result<NodeId, E> {
        let Some(node) = self.known() else {
            self.check.demands(1, 0);
            return Ok(self.node);
        };
        let Some(id) = node.parts.get(part) else {
            return Err(self.found(NOT_ASKED_FOR));
        };
        let memory = node.memory.get(part).copied();
        self.check.demands(memory.unwrap_or_default(), 0);
        Ok(*id)
    }

    /// The next of the parts that are asked for one after the other.
    pub(super) fn next_part<E: Error>(&mut self) -> Result<NodeId, E> {
        let part = self.part(self.taken);
        self.taken += 1;
        part
    }

    pub(super) fn next_field<E: Error>(&mut self, name: &'static str) -> Result<NodeId, E> {
        if let Some(node) = self.known()
            && node.tag != Tag::Tuple
            && !node.has_name(self.taken, name)
        {
            return Err(self.found(NOT_ASKED_FOR));
        }
        self.next_part()
    }

    pub(super) fn expect_end<E: Error>(&self) -> Result<(), E> {
        match self.known() {
            Some(node) if node.parts.len() != self.taken => Err(self.found(NOT_ASKED_FOR)),
            _ => Ok(()),
        }
    }

    /// What the type asks for in this variant.
    pub(super) fn variant<E: Error>(
        &self,
        index: u32,
        name: &'static str,
        tag: Tag,
    ) -> Result<NodeId, E> {
        let Some(node) = self.known() else {
            return Ok(self.node);
        };
        self.expect(Tag::Enum)?;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if node.names.get(index) != Some(&name) {
            return Err(self.found(NOT_ASKED_FOR));
        }
        let variant = self.part(index)?;
        self.at(variant, ()).expect(tag)?;
        Ok(variant)
    }

    pub(super) fn expect_number<E: Error>(&self, tag: Tag, number: f64) -> Result<(), E> {
        if self.check.rules == Rules::Json && !number.is_finite() {
            return Err(self.found(NOT_FINITE));
        }
        self.expect(tag)
    }

    /// A number that JSON's readers may know as a float only.
    pub(super) fn expect_wide<E: Error>(
        &self,
        tag: Tag,
        fits_in_64_bits: Option<()>,
    ) -> Result<(), E> {
        if fits_in_64_bits.is_none() && self.check.rules == Rules::Json {
            self.check.doubts.set(Doubts {
                wide_number: true,
                ..self.check.doubts()
            });
        }
        self.expect(tag)
    }

    /// Holds if this may be `null` in JSON.
    pub(super) fn expect_null<E: Error>(&self, tag: Tag) -> Result<(), E> {
        if self.check.rules == Rules::Json && self.within_some {
            return Err(self.found(SOME_NULL));
        }
        self.expect(tag)
    }

    pub(super) fn expect_length<E: Error>(&self, length: Option<usize>) -> Result<(), E> {
        let memory_of_end = self.known().map_or(1, |node| node.memory_of_end);
        let elements = length.map_or(0, |length| length.saturating_add(1));
        self.check.demands(memory_of_end, elements);
        match (length, self.check.rules) {
            (None, Rules::Bare) => Err(self.found(UNKNOWN_LENGTH)),
            (None, Rules::Json) => {
                self.check.doubts.set(Doubts {
                    flattened: true,
                    ..self.check.doubts()
                });
                Ok(())
            }
            (None, Rules::Outside) | (Some(_), _) => Ok(()),
        }
    }
}
