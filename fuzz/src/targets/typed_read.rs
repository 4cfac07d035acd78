//! A typed read, from the stored form to the object.

use bytes::Bytes;
use hitbox_backend::{BincodeFormat, Cacheable, Rejection, stored_form};
use hitbox_core::CacheValue;

use super::forge;
use crate::{
    Observed, Target,
    shelf::{Contents, Shelf},
    targets::format::LIMIT,
    values::{Headers, Record, Tree},
};

pub(crate) const TARGET: Target = Target {
    name: "typed_read",
    about: "a stored form, read as several types",
    run,
    adapt: forge::whole,
    seeds: forge::seeds,
    tokens: &[
        b"\xfd\0\0\0\0\x01\0\0\0",
        b"\xff\xff\xff\xff\x0f",
        b"[[[[[[[[",
        b"\"\\u0000\"",
    ],
};

/// Reads the bytes, as the store of a backend has them, as several types.
///
/// # Panics
///
/// On anything but a hit or a miss with its one reason, and on an allocation beyond the limit.
pub fn run(stored: &[u8]) -> Observed {
    let mut observed = Observed::default();
    let stored = Bytes::copy_from_slice(stored);
    check::<String>(&stored, &mut observed);
    check::<Record>(&stored, &mut observed);
    check::<Tree>(&stored, &mut observed);
    check::<Headers>(&stored, &mut observed);
    observed
}

fn check<T: Cacheable>(stored: &Bytes, observed: &mut Observed) {
    let shelf = Shelf::new(Contents::Stored(stored.clone()), &BincodeFormat, LIMIT);
    let found = observed.bounded(LIMIT, || shelf.get::<T>());
    observed.count(found.as_ref());
    let decoded = stored_form::decode(stored);
    let is_lease = decoded == Err(Rejection::Lease);
    let value = decoded.ok();
    // An expired value is a miss like any other, and so is a lease, and what says that there is no such thing.
    let expired = value.as_ref().is_some_and(CacheValue::is_expired);
    let absent = value
        .as_ref()
        .is_some_and(|value| value.data().meta().is_some_and(|meta| meta.is_absent()));
    assert!(found.is_none() || !absent, "an object of what is absent");
    let rejected = u64::from(found.is_none() && !expired && !is_lease && !absent);
    assert_eq!(shelf.rejected(), rejected);
    if let Some(found) = found {
        assert!(!found.is_expired(), "an expired value");
        let times = value.map(|value| (value.expire(), value.stale(), value.created()));
        assert_eq!(
            times,
            Some((found.expire(), found.stale(), found.created()))
        );
    }
}
