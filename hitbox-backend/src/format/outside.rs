//! Values on their way through a format that hitbox does not bring.

use std::cell::Cell;

use serde::{Serialize, Serializer, ser::Error};

use super::{
    Encoded, Format, FormatError,
    bounded::{Kinds, Limits, Requests},
    checked::{Check, Demand, Rules},
    in_bytes, is_of, known,
    shape::{Readable, Why},
    stand_in,
};
use crate::Cacheable;

pub(super) const NAME: &str = "the format";

/// What came of a value on its way into the format.
#[derive(Clone, Copy)]
enum Way {
    /// The format has not asked for it, or not to its end.
    Unknown,
    /// With this fingerprint of its type, or 0; and what it takes to decode it.
    Checked(u64, Demand),
    Unreadable(&'static str),
    /// Its type cannot be told from others.
    Untraced(Why),
}

struct Outgoing<'o, T> {
    object: &'o T,
    is_named: bool,
    way: Cell<Way>,
}

impl<T: Cacheable> Serialize for Outgoing<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let readable = Readable::of(serializer.is_human_readable());
        let shape = if self.is_named {
            None
        } else {
            match known::shape::<T>(readable) {
                Ok(shape) => Some(shape),
                Err(untraced) => {
                    self.way.set(Way::Untraced(untraced.why));
                    return Err(S::Error::custom("its type cannot be told from others"));
                }
            }
        };
        let check = Check::new(Rules::Outside, shape);
        let outcome = self.object.serialize(check.around(serializer));
        self.way.set(match check.finding() {
            Some(reason) => Way::Unreadable(reason),
            None => {
                let fingerprint = shape.map_or(0, |shape| shape.fingerprint);
                Way::Checked(fingerprint, check.demand())
            }
        });
        outcome
    }
}

pub(super) fn encode<T: Cacheable>(
    format: &dyn Format,
    object: &T,
    memory: usize,
) -> Result<Encoded, FormatError> {
    let outgoing = Outgoing {
        object,
        is_named: format.is_self_describing(),
        way: Cell::new(Way::Unknown),
    };
    let outcome = format.encode(&outgoing);
    // Before the outcome: the format may have swallowed the error.
    let (shape, demand) = match outgoing.way.get() {
        Way::Untraced(why) => return stand_in::encode(NAME, object, why, memory),
        Way::Unreadable(reason) => {
            let format = NAME;
            return Err(FormatError::NotRoundTrip { format, reason });
        }
        Way::Checked(shape, demand) => (shape, demand),
        Way::Unknown => (0, Demand::default()),
    };
    let payload = outcome?;
    let demand = if outgoing.is_named {
        in_bytes::<T>(demand, payload.len())
    } else {
        demand
    };
    Ok(Encoded {
        payload,
        format: format.id(),
        shape,
        demand,
        needs_proof: false,
    })
}

pub(super) fn decode<T: Cacheable>(
    format: &dyn Format,
    (payload, memory): (&[u8], usize),
    shape: u64,
) -> Result<T, FormatError> {
    let kinds = if format.is_self_describing() {
        Kinds::ForeignByName
    } else {
        Kinds::Foreign
    };
    let mut limits = Limits::new(kinds, payload.len(), memory);
    let mut decoded = None;
    let mut is_of_another = false;
    let outcome = format.decode(payload, &mut |deserializer| {
        let readable = Readable::of(serde::Deserializer::is_human_readable(&deserializer));
        if !format.is_self_describing() && !is_of::<T>(shape, readable) {
            is_of_another = true;
            return Err(serde::de::Error::custom("it is of another type"));
        }
        if !format.is_self_describing() {
            limits.see(Requests::like::<T>(shape, readable));
        }
        decoded = Some(T::deserialize(limits.around(deserializer))?);
        Ok(())
    });
    if limits.is_over() {
        return Err(FormatError::OverLimit { format: NAME });
    }
    if is_of_another || limits.is_of_another() {
        return Err(FormatError::OtherType);
    }
    outcome?;
    decoded.ok_or_else(|| FormatError::decode(NAME, "it did not decode anything"))
}
