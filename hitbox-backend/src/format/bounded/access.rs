//! What a visitor is given: the elements of a sequence, the entries of a map, a variant.

use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{Bounded, ENTRY_OVERHEAD, Kept, visitor::Length};

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
    /// Whether the type has met them by looking.
    is_looked_at: bool,
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
            (Length::Fixed | Length::Named, _) => (Budget::Settled, limits.payload_length),
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
            Length::Fixed | Length::Named => Some(size_of::<V>()),
            Length::Claimed | Length::Looked => None,
        };
        Ok(Self {
            access,
            budget,
            place_left,
            room,
            kept: Kept::default(),
            is_looked_at: matches!(length, Length::Looked),
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
        self.access.is_listed = self.is_looked_at;
        let seed = self.access.around(seed);
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
        let seed = self.access.around(seed);
        self.access.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.place(size_of::<S::Value>())?;
        let seed = self.access.around(seed);
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
        let rest = self.around(());
        // The seed goes in as it is: it is answered with the number of the variant.
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, rest.around(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let this = self.into_container()?.placed::<S::Value, A::Error>()?;
        let seed = this.around(seed);
        this.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let this = self.into_container()?.placed::<V::Value, A::Error>()?;
        let visitor = this.visitor(visitor, Length::Fixed);
        this.inner.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let this = self.into_container()?.placed::<V::Value, A::Error>()?;
        let visitor = this.visitor(visitor, Length::Named);
        this.inner.struct_variant(fields, visitor)
    }
}
