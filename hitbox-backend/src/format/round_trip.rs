//! The proof that a type can be read back, asked for at its first write.

use std::{any::TypeId, cell::RefCell, collections::HashSet};

use hitbox_core::FormatId;

use super::FormatError;

thread_local! {
    /// What this thread has seen to survive encoding and decoding.
    ///
    /// Per thread, because one set for the process would be a lock, or a cache line that every
    /// core writes to, in every write of every cache. A thread pays with one decode per type.
    static PROVEN: RefCell<HashSet<(TypeId, FormatId)>> = RefCell::new(HashSet::new());
}

/// On the first call for this type and format on this thread, calls `decode` and passes its
/// failure on as [`FormatError::NotRoundTrip`]. A failure proves nothing about the next value, which
/// is tried again.
pub(super) fn check_first<T: 'static>(
    format: FormatId,
    decode: impl FnOnce() -> Result<T, FormatError>,
) -> Result<(), FormatError> {
    let subject = (TypeId::of::<T>(), format);
    // While the thread ends its storage may be gone; then every write is a first one.
    let proven = PROVEN.try_with(|proven| proven.borrow().contains(&subject));
    if proven.unwrap_or(false) {
        return Ok(());
    }
    // Not inside `with`: the type's own code runs here, and may use a cache itself.
    check(decode)?;
    let _gone = PROVEN.try_with(|proven| proven.borrow_mut().insert(subject));
    Ok(())
}

/// Calls `decode` and passes its failure on as [`FormatError::NotRoundTrip`].
pub(super) fn check<T>(decode: impl FnOnce() -> Result<T, FormatError>) -> Result<(), FormatError> {
    match decode() {
        Ok(_) => Ok(()),
        Err(error @ FormatError::NotRoundTrip { .. }) => Err(error),
        Err(error @ (FormatError::OtherType | FormatError::OverLimit { .. })) => Err(error),
        Err(FormatError::Encode { format, .. } | FormatError::Decode { format, .. }) => {
            Err(FormatError::NotRoundTrip {
                format,
                reason: "what was written for this value does not decode",
            })
        }
    }
}

/// Forgets the proof, so that the next write on this thread has to bring it anew.
pub(super) fn doubt<T: 'static>(format: FormatId) {
    let subject = (TypeId::of::<T>(), format);
    let _gone = PROVEN.try_with(|proven| proven.borrow_mut().remove(&subject));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails() -> Result<u8, FormatError> {
        Err(FormatError::decode("test", "for the test"))
    }

    #[test]
    fn the_first_success_is_remembered_until_it_is_doubted() {
        let format = FormatId::custom(255);
        assert!(check_first::<u8>(format, fails).is_err());
        assert!(check_first::<u8>(format, fails).is_err());
        assert!(check_first::<u8>(format, || Ok(1)).is_ok());
        assert!(check_first::<u8>(format, fails).is_ok());
        assert!(check_first::<u8>(FormatId::custom(254), fails).is_err());
        doubt::<u8>(format);
        assert!(check_first::<u8>(format, fails).is_err());
    }
}
