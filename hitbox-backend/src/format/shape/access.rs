//! What a visitor is given by the probe: elements, entries, fields, a variant.

use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::{StrDeserializer, U32Deserializer},
};

use super::{
    graph::Neighbours,
    probe::{NO_NAMES, Open, Probe, Stop},
    tag::Tag,
};
use crate::format::bounded::Kept;

/// The value at a place of a node. If it is refused, then what is at that place is at fault.
fn seeded<'de, S: DeserializeSeed<'de>>(seed: S, probe: Probe<'_>) -> Result<S::Value, Stop> {
    seeded_into(size_of::<S::Value>(), seed, probe)
}

/// The same, where another size than its own is accounted for.
fn seeded_into<'de, S: DeserializeSeed<'de>>(
    size: usize,
    seed: S,
    probe: Probe<'_>,
) -> Result<S::Value, Stop> {
    probe.graph.borrow_mut().is_kept_in(probe.place, size);
    let outcome = seed.deserialize(probe);
    if outcome.is_err() {
        probe.graph.borrow_mut().fail_at(probe.place);
    }
    outcome
}

/// The parts of a node, each once.
pub(super) struct InOrder<'g, 't> {
    open: Open<'g>,
    parts: usize,
    taken: &'t mut usize,
}

impl<'g, 't> InOrder<'g, 't> {
    pub(super) fn new(open: Open<'g>, parts: usize, taken: &'t mut usize) -> Self {
        Self { open, parts, taken }
    }
}

impl<'de> SeqAccess<'de> for InOrder<'_, '_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        if *self.taken == self.parts {
            return Ok(None);
        }
        let part = *self.taken;
        *self.taken += 1;
        seeded(seed, self.open.part(part)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.parts - *self.taken)
    }
}

/// The fields of a struct that are not known yet, by name, in whatever order: for one whose fields
/// cannot be had one after the other.
pub(super) struct ByName<'g> {
    open: Open<'g>,
    fields: &'static [&'static str],
    next: usize,
}

impl<'g> ByName<'g> {
    pub(super) fn new(open: Open<'g>, fields: &'static [&'static str]) -> Self {
        Self {
            open,
            fields,
            next: 0,
        }
    }
}

impl<'de> MapAccess<'de> for ByName<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        let fields = self.fields.iter().enumerate().skip(self.next);
        let graph = self.open.graph().borrow();
        let mut unknown =
            fields.filter(|(field, _)| graph.part_is_unexplored(self.open.node, *field));
        let (field, name) = unknown.next().ok_or(Stop)?;
        self.next = field + 1;
        drop(unknown);
        drop(graph);
        let name: StrDeserializer<'_, Stop> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        let field = self.next.checked_sub(1).ok_or(Stop)?;
        seeded(seed, self.open.part(field))
    }
}

/// Two names of a struct, one of which follows the other. Whether they are of one field is seen by what
/// its visitor does with the second: it refuses a field that it has, before it asks for the value.
pub(super) struct TwoNames<'g, 't> {
    open: Open<'g>,
    names: [&'static str; 2],
    field: usize,
    given: usize,
    neighbours: &'t mut Neighbours,
}

impl<'g, 't> TwoNames<'g, 't> {
    /// The name with this number and the one before, which is of this field.
    pub(super) fn new(
        open: Open<'g>,
        (names, (second, field)): (&'static [&'static str], (usize, usize)),
        neighbours: &'t mut Neighbours,
    ) -> Self {
        Self {
            open,
            names: [names[second - 1], names[second]],
            field,
            given: 0,
            neighbours,
        }
    }
}

impl<'de> MapAccess<'de> for TwoNames<'_, '_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        let name = self.names.get(self.given).ok_or(Stop)?;
        self.given += 1;
        let name: StrDeserializer<'_, Stop> = name.into_deserializer();
        let field = seed.deserialize(name)?;
        if self.given == 2 {
            *self.neighbours = Neighbours::OneField;
        }
        Ok(Some(field))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        if self.given == 2 {
            *self.neighbours = Neighbours::TwoFields;
            return Err(Stop);
        }
        *self.neighbours = Neighbours::Refused;
        let value = seeded(seed, self.open.part(self.field))?;
        *self.neighbours = Neighbours::Unknown;
        Ok(value)
    }
}

/// Elements that share one place, or entries that share two: they are alike.
pub(super) struct Pairs<'g> {
    open: Open<'g>,
    left: usize,
    kept: Kept,
}

impl<'g> Pairs<'g> {
    pub(super) fn new(open: Open<'g>, left: usize) -> Self {
        Self {
            open,
            left,
            kept: Kept::default(),
        }
    }

    fn next<'de, S: DeserializeSeed<'de>>(
        &mut self,
        size: usize,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seeded_into(size, seed, self.open.part(0)).map(Some)
    }
}

impl<'de> SeqAccess<'de> for Pairs<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        let size = self.kept.size_of_element(size_of::<S::Value>());
        self.next(size, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.kept.ask();
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        self.next(size_of::<S::Value>(), seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        seeded(seed, self.open.part(1))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The variant of an enum with this number.
pub(super) struct Chosen<'g> {
    open: Open<'g>,
    number: usize,
}

impl<'g> Chosen<'g> {
    pub(super) fn new(open: Open<'g>, number: usize) -> Self {
        Self { open, number }
    }

    fn probe(&self) -> Probe<'g> {
        self.open.part(self.number)
    }
}

impl<'de> EnumAccess<'de> for Chosen<'_> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        // By number, as formats without names have it.
        let number = u32::try_from(self.number).map_err(|_too_many| Stop)?;
        let number: U32Deserializer<Stop> = number.into_deserializer();
        match seed.deserialize(number) {
            Ok(variant) => Ok((variant, self)),
            Err(Stop) => {
                let mut graph = self.open.graph().borrow_mut();
                graph.has_no_variant(self.open.node, self.number);
                Err(Stop)
            }
        }
    }
}

/// Stands for the visitor that a variant has none of, or that its content brings.
struct NoVisitor;

impl Visitor<'_> for NoVisitor {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing")
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        let request = (Tag::UnitVariant, NO_NAMES, 0);
        self.probe()
            .answer(request, None, NoVisitor, |_open, _visitor| Ok(()))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        let request = (Tag::NewtypeVariant, NO_NAMES, 1);
        let mut seed = Some(seed);
        let mut value = None;
        self.probe()
            .answer(request, None, NoVisitor, |open, _visitor| {
                value = Some(seeded(seed.take().ok_or(Stop)?, open.part(0))?);
                Ok(())
            })?;
        value.ok_or(Stop)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Stop> {
        self.probe()
            .in_order((Tag::TupleVariant, NO_NAMES, length), None, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.probe()
            .in_order((Tag::StructVariant, fields, fields.len()), None, visitor)
    }
}
