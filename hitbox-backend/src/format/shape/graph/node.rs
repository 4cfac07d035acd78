//! A request, and what is known of it.

use std::any::TypeId;

use crate::format::shape::tag::Tag;

pub(in crate::format::shape) type NodeId = usize;

/// A request, as far as it tells one from another.
#[derive(Clone, Copy)]
pub(in crate::format::shape) struct Request {
    pub(in crate::format::shape) tag: Tag,
    /// Of fields or variants.
    pub(in crate::format::shape) names: &'static [&'static str],
    /// For how many parts there is a place.
    pub(in crate::format::shape) parts: usize,
    /// Of the visitor, which belongs to one type.
    pub(in crate::format::shape) visitor: TypeId,
    /// The type's name, if it says it.
    pub(in crate::format::shape) name: Option<&'static str>,
    /// How large it is, in bytes, what the visitor makes.
    pub(in crate::format::shape) size: usize,
}

impl Request {
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        self.tag == other.tag && self.names == other.names && self.parts == other.parts
    }

    /// Whether it comes from the same type.
    pub(super) fn is_of_type_of(&self, other: &Self) -> bool {
        self.asks_the_same(other)
            && self.visitor == other.visitor
            && self.name == other.name
            && std::ptr::eq(self.names, other.names)
    }
}

pub(in crate::format::shape) struct Node {
    pub(in crate::format::shape) request: Request,
    pub(in crate::format::shape) parts: Vec<Option<NodeId>>,
    /// How large each part is, in bytes, as whoever asks for it keeps it.
    pub(in crate::format::shape) sizes: Vec<usize>,
    /// Which of the values that it could be given it is given.
    pub(super) choice: usize,
    /// The same once it is explored.
    pub(super) short_choice: usize,
    /// All the values that it could be given it has refused.
    pub(super) refuses: bool,
    /// What is not known of it cannot be had.
    pub(super) spent: bool,
    /// Of a struct with more names than fields: how many of its names each field has, so far.
    pub(in crate::format::shape) names_of: Vec<usize>,
    /// A struct whose fields are given by name, since one of them refuses all values.
    pub(super) by_name: bool,
    /// A variant that cannot hold its enum in the end.
    pub(super) endless: bool,
}

impl Node {
    /// Whether it is known of each name of a struct which field it is of.
    pub(in crate::format::shape) fn names_are_known(&self) -> bool {
        let names: usize = self.names_of.iter().sum();
        names == self.request.names.len() && self.names_of.len() == self.parts.len()
    }
}
