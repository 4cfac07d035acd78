//! What typed access knows of a key.

use std::{fmt, sync::Arc};

use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Meta, Raw, ResponseSource};

use super::GetOutcome;
use crate::{
    Attempt, Backend, BackendResult, Cacheable, ReadOutcome, Rejection,
    object::{object_of, type_of},
    skew::restamp_if_skewed,
};

/// What is known of the thing that a key stands for.
///
/// ```
/// use std::sync::Arc;
/// use hitbox_backend::Known;
///
/// let known = Known::Present(Arc::new(7));
/// assert_eq!(known.present(), Some(&Arc::new(7)));
/// assert_eq!(Known::<u32>::Absent.into_present(), None);
/// ```
pub enum Known<T> {
    /// It is this.
    Present(Arc<T>),
    /// There is no such thing: somebody has looked, and has found none.
    Absent,
}

impl<T> Known<T> {
    /// The thing, if there is one.
    #[must_use]
    pub const fn present(&self) -> Option<&Arc<T>> {
        match self {
            Self::Present(object) => Some(object),
            Self::Absent => None,
        }
    }

    /// The thing, if there is one.
    #[must_use]
    pub fn into_present(self) -> Option<Arc<T>> {
        match self {
            Self::Present(object) => Some(object),
            Self::Absent => None,
        }
    }
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Present(object) => Self::Present(Arc::clone(object)),
            Self::Absent => Self::Absent,
        }
    }
}

impl<T: PartialEq> PartialEq for Known<T> {
    fn eq(&self, other: &Self) -> bool {
        self.present() == other.present()
    }
}

impl<T: Eq> Eq for Known<T> {}

/// Shows no object: cached values do not belong in logs.
impl<T> fmt::Debug for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Present(_) => "Present",
            Self::Absent => "Absent",
        })
    }
}

impl<T> From<Arc<T>> for Known<T> {
    fn from(object: Arc<T>) -> Self {
        Self::Present(object)
    }
}

/// The answer to a typed read that tells what is absent from what is not known: `None` is a miss.
pub type KnownOutcome<T> = BackendResult<Option<CacheValue<Known<T>>>>;

/// How far [`CacheBackend::try_get_known`](super::CacheBackend::try_get_known) got. One that is pending gives the
/// context back with the outcome.
pub type KnownAttempt<'a, T> = Attempt<'a, KnownOutcome<T>, (KnownOutcome<T>, BoxContext)>;

/// The value as backends are given it, without bytes of an object.
pub(super) fn to_raw<T: Cacheable>(value: CacheValue<Known<T>>) -> CacheValue<Raw> {
    let value = restamp_if_skewed(value);
    let meta = match value.data() {
        Known::Present(_) => None,
        Known::Absent => Some(Arc::new(Meta::absent())),
    };
    let value = value.map(|known| match known {
        Known::Present(object) => Raw::of_object(object, type_of::<T>()),
        Known::Absent => Raw::absent(),
    });
    value.with_meta(meta)
}

/// What a backend has answered, as typed access answers it. What cannot be read as a `T` is a miss, and noted as one
/// in the context. A composition has decoded what it answers with already.
#[inline]
pub(super) fn known_outcome<B: Backend + ?Sized, T: Cacheable>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    outcome: ReadOutcome,
) -> KnownOutcome<T> {
    let Some(value) = outcome? else {
        return Ok(None);
    };
    match to_known(&backend, value) {
        Ok(value) => Ok(Some(value)),
        Err(rejection) => {
            backend.reject(key, rejection);
            note_miss(context);
            Ok(None)
        }
    }
}

#[inline]
fn to_known<T: Cacheable>(
    backend: &dyn Backend,
    value: CacheValue<Raw>,
) -> Result<CacheValue<Known<T>>, Rejection> {
    if value.is_absent() {
        return Ok(value.map(|_| Known::Absent).with_meta(None));
    }
    value.try_map(|raw| object_of(backend, raw).map(Known::Present))
}

/// The answer of a read that takes what is absent for a miss.
#[inline]
pub(super) fn present_outcome<T>(
    context: &mut BoxContext,
    outcome: KnownOutcome<T>,
) -> GetOutcome<T> {
    let Some(value) = outcome? else {
        return Ok(None);
    };
    let present = value.try_map(|known| known.into_present().ok_or(()));
    if present.is_err() {
        note_miss(context);
    }
    Ok(present.ok())
}

fn note_miss(context: &mut BoxContext) {
    context.set_status(CacheStatus::Miss);
    context.set_source(ResponseSource::Upstream);
}
