//! Values to write.
//!
//! A value is stamped as it is made. Checks make the values of one key in the order in which they
//! write them, and after a removal anew: a composition takes no value that is older than what
//! happened to its key.

use chrono::{DateTime, TimeDelta, Utc};
use hitbox_core::{CacheValue, Raw, Stamp, clock};

/// A payload of this many bytes that no compressor makes smaller, the same on every call.
pub(super) fn incompressible(length: usize) -> Vec<u8> {
    let mut payload = vec![0; length];
    fastrand::Rng::with_seed(length as u64).fill(&mut payload);
    payload
}

/// A value that outlives every check. `payload` tells it from other values.
pub fn lasting(payload: impl Into<Vec<u8>>) -> CacheValue<Raw> {
    expiring(payload, from_now(TimeDelta::hours(1)))
}

/// A value that expires at this time.
pub fn expiring(payload: impl Into<Vec<u8>>, at: DateTime<Utc>) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(payload.into()), Stamp::now()).expires_at(at)
}

/// A value that never expires.
pub fn immortal(payload: impl Into<Vec<u8>>) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(payload.into()), Stamp::now())
}

/// The time that is this far from now.
pub fn from_now(span: TimeDelta) -> DateTime<Utc> {
    clock::now() + span
}
