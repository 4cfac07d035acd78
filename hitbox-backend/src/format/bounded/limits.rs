//! What decoding one payload may take.

use std::cell::Cell;

use serde::de::Error;

use super::{Bounded, Kinds, MAX_DEPTH, requests::Requests};

/// In how many collections, one in the other, room may be reserved for more than
/// [`DEEP_ROOM`] elements that are not there yet. Each may take a MiB, which is as much as serde reserves.
const ROOMY_COLLECTIONS: u8 = 4;
const DEEP_ROOM: usize = 4;

/// How many elements that take no bytes a payload may claim.
pub(in crate::format) const EMPTY_ELEMENTS: usize = 65_536;

/// What is left of the limits.
pub(in crate::format) struct Limits {
    pub(super) kinds: Kinds,
    pub(super) payload_length: usize,
    elements_left: Cell<usize>,
    room_left: Cell<usize>,
    /// In bytes, of what is not a string: those are no longer than the payload.
    memory_left: Cell<Option<usize>>,
    pub(super) finding: Cell<Option<&'static str>>,
    pub(super) requests: Requests,
    /// Whether the type has asked for something that it is not known for.
    pub(super) is_of_another: Cell<bool>,
}

impl Limits {
    pub(in crate::format) fn new(kinds: Kinds, payload_length: usize, memory: usize) -> Self {
        Self {
            kinds,
            payload_length,
            // An element that takes bytes takes at least one that no other element counts.
            elements_left: Cell::new(payload_length.saturating_add(EMPTY_ELEMENTS)),
            room_left: Cell::new(payload_length),
            memory_left: Cell::new(Some(memory)),
            finding: Cell::new(None),
            requests: Requests::Unseen,
            is_of_another: Cell::new(false),
        }
    }

    /// `seed` or a deserializer within the limits.
    pub(in crate::format) fn around<T>(&self, inner: T) -> Bounded<'_, T> {
        Bounded {
            inner,
            depth_left: MAX_DEPTH,
            collections: 0,
            // As much as any type that is read in place: for the value itself the caller has room.
            place: usize::MAX,
            is_listed: false,
            node: self.requests.root(),
            limits: self,
        }
    }

    /// Whether more memory has been asked for than there may be.
    pub(in crate::format) fn is_over(&self) -> bool {
        self.memory_left.get().is_none()
    }

    /// Whether the type has asked for something else than it is known for, so that the payload means
    /// something else.
    pub(in crate::format) fn is_of_another(&self) -> bool {
        self.is_of_another.get()
    }

    pub(super) fn take_memory<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self
            .memory_left
            .get()
            .and_then(|left| left.checked_sub(bytes));
        self.memory_left.set(left);
        left.map(drop)
            .ok_or_else(|| E::custom("more memory than a value may take"))
    }

    pub(super) fn take_elements<E: Error>(&self, number: usize) -> Result<(), E> {
        let left = self
            .elements_left
            .get()
            .checked_sub(number)
            .ok_or_else(|| E::custom("more elements claimed than the payload can hold"))?;
        self.elements_left.set(left);
        Ok(())
    }

    /// The error of a level, as the level above is to see it. bincode quotes the message of an error
    /// that comes through an erased deserializer, quotation marks and backslashes escaped: every
    /// level of nesting would double it.
    pub(super) fn shortened<E: Error>(&self, error: E) -> E {
        match self.kinds {
            Kinds::FromType => E::custom("it does not fit the type"),
            // The kind of error is looked at, and the message does not grow.
            Kinds::FromPayload | Kinds::Foreign | Kinds::ForeignByName => error,
        }
    }

    /// For how many of `claimed` elements room may be reserved: for all of an honest payload, whose
    /// elements take a byte each where they need room. Nested claims share it: each level that
    /// reserves for the whole payload would multiply what one may.
    pub(super) fn take_room(&self, claimed: usize, collections: u8) -> usize {
        let left = self.room_left.get();
        let most = if collections > ROOMY_COLLECTIONS {
            left.min(DEEP_ROOM)
        } else {
            left
        };
        let room = claimed.min(most);
        self.room_left.set(left - room);
        room
    }
}
