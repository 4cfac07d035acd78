use hitbox_core::{CacheKey, CacheValue, Raw};

use super::with_bytes;
use crate::{Backend, BackendError, BackendErrorKind, BackendResult, outcome::as_made};

/// What entries of a bulk write have been refused with, before the backend was asked.
#[derive(Default)]
pub(crate) struct Refused {
    /// By the places of the entries, ascending.
    errors: Vec<(usize, BackendError)>,
    /// The keys whose last value was too large: they are to be absent. By the places of their errors.
    too_large: Vec<(usize, CacheKey)>,
}

impl Refused {
    fn note(&mut self, place: usize, key: CacheKey, error: BackendError) {
        if error.kind() == BackendErrorKind::TooLarge {
            self.forget(&key);
            self.too_large.push((self.errors.len(), key));
        }
        self.errors.push((place, error));
    }

    /// A later entry of the same key decides.
    fn forget(&mut self, key: &CacheKey) {
        self.too_large.retain(|(_, noted)| noted != key);
    }

    /// Of things that stand beside the entries, those of the entries that have not been refused.
    pub(crate) fn leave_out<T>(&self, beside: Vec<T>) -> Vec<T> {
        let mut refused = self.errors.iter().map(|(place, _)| *place).peekable();
        let beside = beside.into_iter().enumerate();
        let left = beside.filter(|(place, _)| refused.next_if_eq(place).is_none());
        left.map(|(_, thing)| thing).collect()
    }

    /// The outcomes of all entries, of which `outcomes` are those of the others. Removes what is to be absent; an
    /// error of that takes the place of the refusal.
    pub(crate) async fn settle<B: Backend + ?Sized, T>(
        mut self,
        backend: &B,
        mut outcomes: Vec<BackendResult<T>>,
    ) -> Vec<BackendResult<T>> {
        if !self.too_large.is_empty() {
            let (places, keys): (Vec<_>, Vec<_>) = self.too_large.into_iter().unzip();
            for (place, removed) in places.into_iter().zip(backend.remove_many(&keys).await) {
                if let Err(error) = as_made(removed) {
                    self.errors[place].1 = error;
                }
            }
        }
        // In ascending order, so that each insertion lands at its final index.
        for (place, error) in self.errors {
            outcomes.insert(place.min(outcomes.len()), Err(error));
        }
        outcomes
    }
}

/// [`with_bytes`] of many entries: those that the backend is to be given.
pub(crate) fn with_bytes_each(
    backend: &dyn Backend,
    entries: impl IntoIterator<Item = (CacheKey, CacheValue<Raw>)>,
) -> (Vec<(CacheKey, CacheValue<Raw>)>, Refused) {
    let entries = entries.into_iter();
    let mut refused = Refused::default();
    let mut given = Vec::with_capacity(entries.size_hint().0);
    for (place, (key, value)) in entries.enumerate() {
        match with_bytes(backend, value) {
            Ok(value) => {
                refused.forget(&key);
                given.push((key, value));
            }
            Err(error) => refused.note(place, key, error),
        }
    }
    (given, refused)
}
