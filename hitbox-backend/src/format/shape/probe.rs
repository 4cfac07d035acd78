//! The deserializer that a type is traced with: it takes note of what it is asked for, and answers
//! with made-up values.

use std::{any::type_name, cell::RefCell, fmt};

use serde::de::{Deserializer, Error, StdError, Visitor};

use super::{
    Readable,
    access::{ByName, Chosen, InOrder, Pairs, TwoNames},
    graph::{Graph, Neighbours, NodeId, Request},
    tag::Tag,
    values,
};

/// The end of a pass.
#[derive(Debug)]
pub(super) struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a probe has no more values")
    }
}

impl StdError for Stop {}

impl Error for Stop {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

#[derive(Clone, Copy)]
pub(super) struct Probe<'g> {
    pub(super) graph: &'g RefCell<Graph>,
    /// Where the node is to go that the next request makes.
    pub(super) place: (NodeId, usize),
    /// Is added to the choice of each value: those around have refused the ones before.
    pub(super) variation: usize,
    pub(super) readable: Readable,
}

/// A node that is being answered.
#[derive(Clone, Copy)]
pub(super) struct Open<'g> {
    pub(super) probe: Probe<'g>,
    pub(super) node: NodeId,
}

impl<'g> Open<'g> {
    pub(super) fn part(self, part: usize) -> Probe<'g> {
        Probe {
            place: (self.node, part),
            ..self.probe
        }
    }

    pub(super) fn graph(self) -> &'g RefCell<Graph> {
        self.probe.graph
    }
}

pub(super) const NO_NAMES: &[&str] = &[];

impl<'g> Probe<'g> {
    /// Opens the node of a request, has it answered, and closes it.
    pub(super) fn answer<'de, V: Visitor<'de>, T>(
        self,
        (tag, names, parts): (Tag, &'static [&'static str], usize),
        name: Option<&'static str>,
        visitor: V,
        visit: impl FnOnce(Open<'g>, V) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        // One type stands for all there.
        if type_name::<V>().contains("erased_serde") {
            self.graph.borrow_mut().given_up = true;
            return Err(Stop);
        }
        let request = Request {
            tag,
            names,
            parts,
            visitor: typeid::of::<V>(),
            name,
            size: size_of::<V::Value>(),
        };
        let entered = self.graph.borrow_mut().enter(self.place, request);
        let node = entered.ok_or(Stop)?;
        // These have a choice of their own, of how many parts there are or which.
        let choice = if matches!(tag, Tag::Option | Tag::Seq | Tag::Map | Tag::Enum) {
            0
        } else {
            self.graph.borrow().choice(node)
        };
        let probe = Probe {
            variation: self.variation + choice,
            ..self
        };
        let outcome = visit(Open { probe, node }, visitor);
        self.graph.borrow_mut().leave(node, outcome.is_err());
        outcome
    }

    fn value<'de, V: Visitor<'de>>(self, tag: Tag, visitor: V) -> Result<V::Value, Stop> {
        self.answer((tag, NO_NAMES, 0), None, visitor, |open, visitor| {
            values::visit(tag, open.probe.variation, visitor)
        })
    }

    /// Has the parts taken one after the other.
    pub(super) fn in_order<'de, V: Visitor<'de>>(
        self,
        request: (Tag, &'static [&'static str], usize),
        name: Option<&'static str>,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.answer(request, name, visitor, |open, visitor| {
            if open.graph().borrow().is_by_name(open.node) {
                return visitor.visit_map(ByName::new(open, request.1));
            }
            let undecided = open.graph().borrow().undecided(open.node);
            if let Some(undecided) = undecided {
                let mut neighbours = Neighbours::Unknown;
                let names = TwoNames::new(open, (request.1, undecided), &mut neighbours);
                let outcome = visitor.visit_map(names);
                open.graph().borrow_mut().decide(open.node, neighbours);
                return outcome;
            }
            let mut taken = 0;
            let outcome = visitor.visit_seq(InOrder::new(open, request.2, &mut taken));
            if outcome.is_ok() {
                open.graph().borrow_mut().took(open.node, taken);
            }
            outcome
        })
    }
}

macro_rules! values {
    ($($method:ident => $tag:ident,)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
                self.value(Tag::$tag, visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    values! {
        deserialize_any => Any,
        deserialize_ignored_any => Any,
        deserialize_identifier => Identifier,
        deserialize_bool => Bool,
        deserialize_i8 => I8,
        deserialize_i16 => I16,
        deserialize_i32 => I32,
        deserialize_i64 => I64,
        deserialize_i128 => I128,
        deserialize_u8 => U8,
        deserialize_u16 => U16,
        deserialize_u32 => U32,
        deserialize_u64 => U64,
        deserialize_u128 => U128,
        deserialize_f32 => F32,
        deserialize_f64 => F64,
        deserialize_char => Char,
        deserialize_str => Str,
        deserialize_string => Str,
        deserialize_bytes => Bytes,
        deserialize_byte_buf => Bytes,
        deserialize_unit => Unit,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.value(Tag::Unit, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.answer(
            (Tag::Option, NO_NAMES, 1),
            None,
            visitor,
            |open, visitor| {
                // Not in the condition: the graph is borrowed for as long as that is evaluated.
                let is_some = open.graph().borrow().is_some(open.node);
                if is_some {
                    let place = (open.node, 0);
                    let outcome = visitor.visit_some(open.part(0));
                    if outcome.is_err() {
                        open.graph().borrow_mut().fail_at(place);
                    }
                    outcome
                } else {
                    visitor.visit_none()
                }
            },
        )
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let request = (Tag::Newtype, NO_NAMES, 1);
        self.answer(request, Some(name), visitor, |open, visitor| {
            visitor.visit_newtype_struct(open.part(0))
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.answer((Tag::Seq, NO_NAMES, 1), None, visitor, |open, visitor| {
            let length = open.graph().borrow().length(open.node);
            visitor.visit_seq(Pairs::new(open, length))
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.in_order((Tag::Tuple, NO_NAMES, length), None, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.in_order((Tag::Tuple, NO_NAMES, length), Some(name), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.answer((Tag::Map, NO_NAMES, 2), None, visitor, |open, visitor| {
            let length = open.graph().borrow().length(open.node);
            visitor.visit_map(Pairs::new(open, length))
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.in_order((Tag::Struct, fields, fields.len()), Some(name), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let request = (Tag::Enum, variants, variants.len());
        self.answer(request, Some(name), visitor, |open, visitor| {
            let variant = open.graph().borrow_mut().variant(open.node).ok_or(Stop)?;
            visitor.visit_enum(Chosen::new(open, variant))
        })
    }

    fn is_human_readable(&self) -> bool {
        match self.readable {
            Readable::ByMachines => false,
            Readable::ByHumans => true,
        }
    }
}
