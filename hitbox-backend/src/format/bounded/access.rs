//! What a visitor is given: the elements of a sequence, the entries of a map, a variant.

use std::cell::Cell;

use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{
    Bounded, ENTRY_OVERHEAD, Kept, NO_NAMES,
    named::Named,
    requests::{Requests, UNKNOWN},
    visitor::Length,
};
use crate::format::shape::{NodeId, Tag};

/// The elements of a sequence or the entries of a map.
pub(super) struct Elements<'l, A> {
    access: Bounded<'l, A>,
    budget: Budget,
    /// How much of the memory in their place is left for elements. `None` for those of a collection,
    /// which has none there.
    place_left: Option<usize>,
    /// For how many elements a collection may reserve room before it has them.
    room: usize,
    kept: Kept,
    length: Length,
    /// How many have been taken.
    taken: usize,
    /// Where the next name may stand, among those of the fields.
    next_name: usize,
    /// What is asked for in the value that a name has been taken of.
    value: NodeId,
}

#[derive(Clone, Copy)]
enum Budget {
    /// Nothing more to take off.
    Settled,
    /// To be taken off as the elements come.
    Each,
}

impl<'l, A> Elements<'l, A> {
    /// Of a visitor that makes a `V` of them.
    pub(super) fn of<V, E: Error>(
        access: Bounded<'l, A>,
        length: Length,
        size_hint: impl FnOnce(&A) -> Option<usize>,
    ) -> Result<Self, E> {
        let limits = access.limits;
        let (budget, room) = match (length, size_hint(&access.inner)) {
            (Length::Fixed | Length::Named(_), _) => (Budget::Settled, limits.payload_length),
            // The whole length before the first element: collections reserve room for what is
            // claimed, and nested ones could each claim all that is left.
            (Length::Claimed | Length::Looked, Some(claimed)) => {
                limits.take_elements(claimed)?;
                (
                    Budget::Settled,
                    limits.take_room(claimed, access.collections),
                )
            }
            // postcard keeps a length to itself that is longer than the payload.
            (Length::Claimed | Length::Looked, None) => (Budget::Each, 0),
        };
        let place_left = match length {
            Length::Fixed | Length::Named(_) => Some(size_of::<V>()),
            Length::Claimed | Length::Looked => None,
        };
        Ok(Self {
            access,
            budget,
            place_left,
            room,
            kept: Kept::default(),
            length,
            taken: 0,
            next_name: 0,
            value: UNKNOWN,
        })
    }

    /// Accounts for an element, and says where it is.
    fn place<E: Error>(&mut self, size: usize) -> Result<(), E> {
        let fits = self.place_left.and_then(|left| left.checked_sub(size));
        match fits {
            Some(left) => self.place_left = Some(left),
            None => self.access.limits.take_memory(size)?,
        }
        self.access.place = size;
        Ok(())
    }

    /// The same for a key. That of a struct is a name, which is not kept.
    fn place_key<E: Error>(&mut self, size: usize) -> Result<(), E> {
        match self.place_left {
            Some(_) => Ok(()),
            None => self.place(size.saturating_add(ENTRY_OVERHEAD)),
        }
    }

    fn next<E: Error>(&self) -> Result<(), E> {
        match self.budget {
            Budget::Settled => Ok(()),
            Budget::Each => self.access.limits.take_elements(1),
        }
    }

    fn capacity(&self, claimed: Option<usize>) -> Option<usize> {
        claimed.map(|claimed| claimed.min(self.room))
    }
}

impl<'de, A: MapAccess<'de>> Elements<'_, A> {
    /// The name of a field, which goes to the type as it is, where what it asks for is noted.
    fn next_name<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
        names: &'static [&'static str],
    ) -> Result<Option<S::Value>, A::Error> {
        let place = Cell::new(None);
        let seed = Named {
            inner: seed,
            names,
            place: &place,
        };
        let name = self.access.inner.next_key_seed(seed)?;
        let requests = &self.access.limits.requests;
        // A field that is not read, one that is not there, and two that have changed places.
        match (&name, place.get()) {
            (None, _) if self.taken == requests.fields(names) => {}
            (Some(_), Some(place)) if place >= self.next_name => {
                self.next_name = place + 1;
                self.taken += 1;
            }
            (None | Some(_), _) => return Err(self.access.does_not_read_it()),
        }
        Ok(name)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.next()?;
        let size = match self.place_left {
            Some(_) => size_of::<S::Value>(),
            None => self.kept.size_of_element(size_of::<S::Value>()),
        };
        self.place(size)?;
        self.access.is_listed = matches!(self.length, Length::Looked);
        let mut seed = self.access.around(seed);
        seed.node = match self.length {
            Length::Fixed | Length::Named(_) => self.access.part(self.taken),
            Length::Claimed | Length::Looked => self.access.part(0),
        };
        self.taken += 1;
        self.access.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.kept.ask();
        self.capacity(self.access.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.next()?;
        self.place_key(size_of::<S::Value>())?;
        self.access.is_listed = false;
        let are_noted = self.access.limits.requests.are_noted();
        if let (Length::Named(names), true) = (self.length, are_noted) {
            return self.next_name(seed, names);
        }
        let mut seed = self.access.around(seed);
        seed.node = self.access.part(0);
        // Of a struct the fields are not in order.
        self.value = match self.length {
            Length::Claimed => self.access.part(1),
            Length::Fixed | Length::Named(_) | Length::Looked => UNKNOWN,
        };
        self.access.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.place(size_of::<S::Value>())?;
        let mut seed = self.access.around(seed);
        seed.node = self.value;
        self.access.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.capacity(self.access.inner.size_hint())
    }
}

impl<'l, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'l, A> {
    type Error = A::Error;
    type Variant = Bounded<'l, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let mut rest = self.around(());
        let Requests::Like(shape) = &self.limits.requests else {
            // The seed goes in as it is: it is answered with the number of the variant.
            let (value, variant) = self.inner.variant_seed(seed)?;
            return Ok((value, rest.around(variant)));
        };
        let place = Cell::new(None);
        let seed = Named {
            inner: seed,
            names: shape
                .nodes
                .get(self.node)
                .map_or(NO_NAMES, |node| node.names),
            place: &place,
        };
        let (value, variant) = self.inner.variant_seed(seed)?;
        rest.node = place.get().map_or(UNKNOWN, |place| rest.part(place));
        Ok((value, rest.around(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.asks(Tag::UnitVariant, NO_NAMES, 0)?;
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.asks(Tag::NewtypeVariant, NO_NAMES, 0)?;
        let this = self.into_container()?.placed::<S::Value, A::Error>()?;
        let mut seed = this.around(seed);
        seed.node = this.part(0);
        this.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.asks(Tag::TupleVariant, NO_NAMES, length)?;
        let this = self.into_container()?.placed::<V::Value, A::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        this.inner.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.asks(Tag::StructVariant, fields, 0)?;
        let this = self.into_container()?.placed::<V::Value, A::Error>()?;
        let visitor = this.visitor(visitor, Length::Named(fields));
        this.inner.struct_variant(fields, visitor)
    }
}
