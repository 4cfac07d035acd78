//! The proof that a type can be read back, asked for at its first write, and at each write of a type of which a
//! value could not be read.

use std::{
    any::TypeId,
    cell::RefCell,
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use hitbox_core::FormatId;

use super::FormatError;

type Subject = (TypeId, FormatId);

#[derive(Default)]
struct Proofs {
    /// What has survived encoding and decoding.
    proven: HashSet<Subject>,
    /// What no proof is good for: it holds for one value only.
    doubted: HashSet<Subject>,
}

thread_local! {
    /// What this thread has seen.
    ///
    /// Per thread, because one set for the process would be a lock, or a cache line that every
    /// core writes to, in every write of every cache. A thread pays with one decode per type.
    static PROOFS: RefCell<Proofs> = RefCell::default();
}

/// What threads tell each other: who reads a value need not be who writes the next one. Each thread takes
/// a copy when there are more than it has.
static DOUBTED: Mutex<Vec<Subject>> = Mutex::new(Vec::new());
static DOUBTS: AtomicUsize = AtomicUsize::new(0);

fn is_proven(subject: &Subject) -> bool {
    let known = PROOFS.try_with(|proofs| {
        let mut proofs = proofs.borrow_mut();
        if proofs.doubted.len() != DOUBTS.load(Ordering::Acquire) {
            let doubted = DOUBTED.lock().unwrap_or_else(PoisonError::into_inner);
            proofs.doubted.extend(doubted.iter().copied());
        }
        proofs.proven.contains(subject) && !proofs.doubted.contains(subject)
    });
    // While the thread ends its storage may be gone; then every write is a first one.
    known.unwrap_or(false)
}

/// On the first call for this type and format on this thread, and on each one if they are in doubt, calls
/// `decode` and passes its failure on as [`FormatError::NotRoundTrip`]. A failure proves nothing about the
/// next value, which is tried again.
pub(super) fn check_first<T: 'static>(
    (format, name): (FormatId, &'static str),
    decode: impl FnOnce() -> Result<T, FormatError>,
) -> Result<(), FormatError> {
    let subject = (TypeId::of::<T>(), format);
    if is_proven(&subject) {
        return Ok(());
    }
    // Not inside `with`: the type's own code runs here, and may use a cache itself.
    check(name, decode)?;
    let _gone = PROOFS.try_with(|proofs| proofs.borrow_mut().proven.insert(subject));
    Ok(())
}

/// Calls `decode` and passes its failure on as [`FormatError::NotRoundTrip`].
pub(super) fn check<T>(
    format: &'static str,
    decode: impl FnOnce() -> Result<T, FormatError>,
) -> Result<(), FormatError> {
    let reason = match decode() {
        Ok(_) => return Ok(()),
        Err(error @ (FormatError::NotRoundTrip { .. } | FormatError::OverLimit { .. })) => {
            return Err(error);
        }
        Err(FormatError::OtherType) => {
            "its Deserialize asks for other things than it did when it was tried out"
        }
        Err(FormatError::Encode { .. } | FormatError::Decode { .. }) => {
            "what was written for this value does not decode"
        }
    };
    Err(FormatError::NotRoundTrip { format, reason })
}

/// A value that was written could not be read. From now on each write of the type has to bring the proof.
pub(super) fn doubt<T: 'static>(format: FormatId) {
    let subject = (TypeId::of::<T>(), format);
    let mut doubted = DOUBTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !doubted.contains(&subject) {
        doubted.push(subject);
        DOUBTS.store(doubted.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails() -> Result<u8, FormatError> {
        Err(FormatError::decode("test", "for the test"))
    }

    #[test]
    fn the_first_success_is_remembered_until_it_is_doubted() {
        let format = (FormatId::custom(255), "test");
        assert!(check_first::<u8>(format, fails).is_err());
        assert!(check_first::<u8>(format, fails).is_err());
        assert!(check_first::<u8>(format, || Ok(1)).is_ok());
        assert!(check_first::<u8>(format, fails).is_ok());
        assert!(check_first::<u8>((FormatId::custom(254), "test"), fails).is_err());
        std::thread::spawn(move || doubt::<u8>(format.0))
            .join()
            .unwrap();
        assert!(check_first::<u8>(format, || Ok(1)).is_ok());
        assert!(check_first::<u8>(format, fails).is_err());
    }
}
