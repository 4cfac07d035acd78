//! What a type is known to ask for.

use super::tag::Tag;

pub(in crate::format) type NodeId = usize;

/// Whom a format is for, which some types ask before they deserialize.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::format) enum Readable {
    ByMachines,
    ByHumans,
}

impl Readable {
    pub(in crate::format) fn of(is_human_readable: bool) -> Self {
        if is_human_readable {
            Self::ByHumans
        } else {
            Self::ByMachines
        }
    }
}

/// A request that a type makes, and where those for its parts are.
#[derive(Debug)]
pub(in crate::format) struct Node {
    pub(in crate::format) tag: Tag,
    /// Of fields or variants.
    pub(in crate::format) names: &'static [&'static str],
    /// How many of the names each field has; empty if each has one.
    pub(in crate::format) names_of: Vec<usize>,
    pub(in crate::format) parts: Vec<NodeId>,
    /// How much memory the decoder accounts for when it decodes each part, in bytes.
    pub(in crate::format) memory: Vec<usize>,
    /// The same when it asks for an element behind the last one.
    pub(in crate::format) memory_of_end: usize,
}

impl Node {
    /// Whether this is a name of the field at this place.
    pub(in crate::format) fn has_name(&self, place: usize, name: &str) -> bool {
        let Some(number) = self.names_of.get(place) else {
            return self.names_of.is_empty() && self.names.get(place).is_some_and(|at| *at == name);
        };
        let before: usize = self.names_of.iter().take(place).sum();
        let mut names = self.names.iter().skip(before).take(*number);
        names.any(|known| *known == name)
    }
}

/// What a type asks for, to its end.
#[derive(Debug)]
pub(in crate::format) struct Shape {
    pub(in crate::format) nodes: Vec<Node>,
    pub(in crate::format) root: NodeId,
    /// Never 0.
    pub(in crate::format) fingerprint: u64,
    /// How much memory the decoder accounts for before it comes to a part.
    pub(in crate::format) memory: usize,
    /// The most that it accounts for at once, for a part of any request; `None` if the type decodes by
    /// looking, so that what it asks for is not known.
    pub(in crate::format) most_memory: Option<usize>,
}

/// A type that could not be traced to its end.
#[derive(Debug)]
pub(in crate::format) struct Untraced {
    pub(in crate::format) why: Why,
    /// The structs that have been seen to have names more than fields.
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "what is noted stands beside JSON")
    )]
    pub(in crate::format) aliased: Vec<Aliased>,
}

/// The names of a struct, and how many fields it has.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) struct Aliased {
    pub(in crate::format) names: &'static [&'static str],
    pub(in crate::format) fields: usize,
}

/// Why a type could not be traced to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::format) enum Why {
    /// It decodes by looking at what is there.
    DecodesByLooking,
    /// It refuses the values that would show what follows, does not ask alike each time, or is too large.
    Refuses,
}
