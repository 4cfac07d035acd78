//! Values of types that cannot be told from all others, in place of a format that does not describe itself.

#[cfg(feature = "json")]
use std::marker::PhantomData;

#[cfg(feature = "json")]
use hitbox_core::FormatId;

use super::{Encoded, FormatError, bounded, shape::Why};
#[cfg(feature = "json")]
use super::{
    bounded::{Limits, Requests},
    checked::Demand,
    json, round_trip,
};
use crate::Cacheable;

/// In place of a format that does not describe itself: a value of a type that cannot be told from
/// others.
pub(super) fn encode<T: Cacheable>(
    format: &'static str,
    object: &T,
    why: Why,
    memory: usize,
) -> Result<Encoded, FormatError> {
    let reason = match why {
        Why::DecodesByLooking => bounded::DECODES_BY_LOOKING,
        #[cfg(feature = "json")]
        Why::Refuses => return in_json(object, memory),
        #[cfg(not(feature = "json"))]
        Why::Refuses => {
            let _stays_unwritten = (object, memory);
            "its Deserialize refuses the values that would tell the type from others; with the \
             feature json of hitbox-backend it is stored as JSON"
        }
    };
    Err(FormatError::NotRoundTrip { format, reason })
}

/// In JSON, whatever the backend's format. What the type asks for when it reads the value is noted beside
/// it, so each value is read once as it is written: of its type that is not known.
#[cfg(feature = "json")]
fn in_json<T: Cacheable>(object: &T, memory: usize) -> Result<Encoded, FormatError> {
    let written = json::encode(object)?;
    let payload = written.payload;
    let limits = noting::<T>(&payload, memory);
    round_trip::check(json::NAME, || {
        json::decode(&payload, &limits, PhantomData::<T>)
    })?;
    Ok(Encoded {
        shape: limits.noted(),
        payload,
        format: FormatId::JSON,
        demand: Demand::default(),
        needs_proof: false,
    })
}

/// A value of the type that the payload was written as, or of one that asks for the same.
#[cfg(feature = "json")]
pub(super) fn decode<T: Cacheable>(
    payload: &[u8],
    memory: usize,
    noted: u64,
) -> Result<T, FormatError> {
    let limits = noting::<T>(payload, memory);
    let value = match json::decode(payload, &limits, PhantomData) {
        // Whoever wrote it has read it.
        Err(FormatError::NotRoundTrip { .. }) => return Err(FormatError::OtherType),
        outcome => outcome?,
    };
    if limits.noted() == noted {
        Ok(value)
    } else {
        Err(FormatError::OtherType)
    }
}

#[cfg(feature = "json")]
fn noting<T: Cacheable>(payload: &[u8], memory: usize) -> Limits {
    let mut limits = json::limits(payload, memory);
    limits.see(Requests::noted::<T>());
    limits
}
