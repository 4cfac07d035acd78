//! What a type asks for while it is decoded: held against what it is known to ask for, or noted.
//!
//! A type may ask for something else than it did when it was traced, if it decides by what it has read. In
//! a format without kinds it would take what was written for something else.

use std::cell::Cell;

use serde::de::{DeserializeOwned, Error};

use super::{Bounded, Limits};
use crate::format::{
    known,
    shape::{Aliased, Fnv, NodeId, Readable, Shape, Tag},
};

/// A node that there is not: nothing is known of what is asked for there.
pub(super) const UNKNOWN: NodeId = NodeId::MAX;

const NOT_READ: &str = "it writes fields that it does not read, leaves out or renames some (serde's skip, \
     skip_serializing, skip_serializing_if, skip_deserializing and rename can do so), or has a serde alias";

/// What is made of what a type asks for.
pub(in crate::format) enum Requests {
    /// Nothing.
    Unseen,
    /// It has to be what this shape says.
    Like(&'static Shape),
    /// It is noted, all of it, in 64 bits. The same payload is asked for the same things by the same type,
    /// and by one that gives them the same names.
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "what is noted stands beside JSON")
    )]
    Noted {
        hash: Cell<Fnv>,
        aliased: &'static [Aliased],
    },
}

impl Requests {
    /// Those of a type that has been traced to its end, for a payload that is stored with this shape. One
    /// without has nothing to do with it.
    pub(in crate::format) fn like<T: DeserializeOwned + 'static>(
        stored: u64,
        readable: Readable,
    ) -> Self {
        if stored == 0 {
            return Self::Unseen;
        }
        known::shape::<T>(readable).map_or(Self::Unseen, Self::Like)
    }

    #[cfg(feature = "json")]
    pub(in crate::format) fn noted<T: DeserializeOwned + 'static>() -> Self {
        let untraced = known::shape::<T>(Readable::ByMachines).err();
        Self::Noted {
            hash: Cell::new(Fnv::START),
            aliased: untraced.map_or(&[], |untraced| &untraced.aliased),
        }
    }

    pub(super) fn root(&self) -> NodeId {
        match self {
            Self::Like(shape) => shape.root,
            Self::Unseen | Self::Noted { .. } => UNKNOWN,
        }
    }

    pub(super) fn are_noted(&self) -> bool {
        match self {
            Self::Noted { .. } => true,
            Self::Unseen | Self::Like(_) => false,
        }
    }

    /// How many fields a struct has of those that are noted.
    pub(super) fn fields(&self, names: &[&str]) -> usize {
        let aliased: &[Aliased] = match self {
            Self::Noted { aliased, .. } => aliased,
            Self::Unseen | Self::Like(_) => &[],
        };
        let known = aliased.iter().find(|known| known.names == names);
        known.map_or(names.len(), |known| known.fields)
    }
}

impl Limits {
    /// From now on, as the decoder is about to begin.
    pub(in crate::format) fn see(&mut self, requests: Requests) {
        self.requests = requests;
    }

    /// What has been noted; never 0.
    #[cfg(feature = "json")]
    pub(in crate::format) fn noted(&self) -> u64 {
        match &self.requests {
            Requests::Noted { hash, .. } => hash.get().digest(),
            Requests::Unseen | Requests::Like(_) => Fnv::START.digest(),
        }
    }
}

impl<T> Bounded<'_, T> {
    /// The type asks for this: fields or variants of these names, or so many parts.
    ///
    /// # Errors
    ///
    /// One that ends the decoding if it is not what the type is known to ask for here.
    #[inline]
    pub(super) fn asks<E: Error>(
        &self,
        tag: Tag,
        names: &'static [&'static str],
        parts: usize,
    ) -> Result<(), E> {
        match &self.limits.requests {
            Requests::Unseen => Ok(()),
            Requests::Like(shape) => {
                let Some(node) = shape.nodes.get(self.node) else {
                    return Ok(());
                };
                let has_names = std::ptr::eq(node.names, names) || node.names == names;
                let counts = matches!(tag, Tag::Tuple | Tag::TupleVariant);
                if node.tag == tag && has_names && (!counts || node.parts.len() == parts) {
                    Ok(())
                } else {
                    self.limits.is_of_another.set(true);
                    Err(E::custom("the type asks for something else"))
                }
            }
            Requests::Noted { hash, .. } => {
                let mut noted = hash.get();
                noted.bytes(&[tag as u8]);
                noted.names(names);
                noted.number(parts);
                hash.set(noted);
                Ok(())
            }
        }
    }

    /// What is asked for in this part of what is asked for here.
    #[inline]
    pub(super) fn part(&self, part: usize) -> NodeId {
        match &self.limits.requests {
            Requests::Like(shape) => {
                let node = shape.nodes.get(self.node);
                node.and_then(|node| node.parts.get(part).copied())
                    .unwrap_or(UNKNOWN)
            }
            Requests::Unseen | Requests::Noted { .. } => UNKNOWN,
        }
    }

    pub(super) fn does_not_read_it<E: Error>(&self) -> E {
        self.limits.finding.set(Some(NOT_READ));
        E::custom(NOT_READ)
    }
}
