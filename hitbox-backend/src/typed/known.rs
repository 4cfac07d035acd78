//! What typed access knows of a key.

use std::{fmt, sync::Arc};

use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Meta, Raw, ResponseSource};

use crate::{
    Attempt, Backend, BackendResult, Cacheable, ReadOutcome,
    object::{NoObject, object_of, type_of},
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

/// The answer to a typed read: a live value, or `None` for a miss.
pub type GetOutcome<T> = BackendResult<Option<CacheValue<Arc<T>>>>;

/// The answer to a typed read that tells what is absent from what is not known: `None` is a miss.
pub type KnownOutcome<T> = BackendResult<Option<CacheValue<Known<T>>>>;

/// The answer to a typed read that tells the metadata of a value, too: `None` is a miss.
pub type DescribedOutcome<T> = BackendResult<Option<CacheValue<Described<T>>>>;

/// How far [`CacheBackend::try_get_known`](super::CacheBackend::try_get_known) got. One that is pending gives the
/// context back with the outcome.
pub type KnownAttempt<'a, T> = Attempt<'a, KnownOutcome<T>, (KnownOutcome<T>, BoxContext)>;

/// What is known of the thing that a key stands for, and metadata of that.
pub struct Described<T> {
    /// What is known.
    pub known: Known<T>,
    /// What else; `None`: nothing.
    pub meta: Option<Arc<Meta>>,
}

impl<T> Clone for Described<T> {
    fn clone(&self) -> Self {
        Self {
            known: self.known.clone(),
            meta: self.meta.clone(),
        }
    }
}

/// Shows no object.
impl<T> fmt::Debug for Described<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Described")
            .field("known", &self.known)
            .field("meta", &self.meta)
            .finish()
    }
}

/// What typed access stores: [`Known`], or [`Described`] with metadata.
pub trait Storable: sealed::Sealed + Send + 'static {
    /// As backends are given it, without bytes of an object.
    #[doc(hidden)]
    fn into_raw(self) -> Raw;
}

impl<T: Cacheable> Storable for Known<T> {
    fn into_raw(self) -> Raw {
        match self {
            Self::Present(object) => Raw::of_object(object, type_of::<T>()),
            Self::Absent => Raw::absent(),
        }
    }
}

impl<T: Cacheable> Storable for Described<T> {
    fn into_raw(self) -> Raw {
        let is_absent = self.known.present().is_none();
        let raw = self.known.into_raw();
        match self.meta {
            Some(meta) if is_absent => {
                raw.with_meta(Some(Arc::new(Meta::clone(&meta).of_absence())))
            }
            meta @ Some(_) => raw.with_meta(meta),
            None => raw,
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Known<T> {}
    impl<T> Sealed for super::Described<T> {}
}

/// The value as backends are given it, without bytes of an object.
pub(super) fn to_raw<S: Storable>(value: CacheValue<S>) -> CacheValue<Raw> {
    restamp_if_skewed(value).map(S::into_raw)
}

/// What a backend has answered, to who tells what is absent from what is not known.
#[inline]
pub(super) fn known_outcome<B: Backend + ?Sized, T: Cacheable>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    outcome: ReadOutcome,
) -> KnownOutcome<T> {
    let known = |raw| match object_of(&backend, raw) {
        Ok(object) => Ok(Known::Present(object)),
        Err(NoObject::Absent) => Ok(Known::Absent),
        Err(rejected @ NoObject::Rejected(_)) => Err(rejected),
    };
    typed_outcome(backend, key, context, outcome, known)
}

/// What a backend has answered, to who wants to know its metadata, too.
#[inline]
pub(super) fn described_outcome<B: Backend + ?Sized, T: Cacheable>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    outcome: ReadOutcome,
) -> DescribedOutcome<T> {
    let described = |raw: Raw| {
        let meta = raw.meta().cloned();
        let known = match object_of(&backend, raw) {
            Ok(object) => Known::Present(object),
            Err(NoObject::Absent) => Known::Absent,
            Err(rejected @ NoObject::Rejected(_)) => return Err(rejected),
        };
        Ok(Described { known, meta })
    };
    typed_outcome(backend, key, context, outcome, described)
}

/// What a backend has answered, to who takes what is absent for a miss.
#[inline]
pub(super) fn present_outcome<B: Backend + ?Sized, T: Cacheable>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    outcome: ReadOutcome,
) -> GetOutcome<T> {
    typed_outcome(backend, key, context, outcome, |raw| {
        object_of(&backend, raw)
    })
}

/// The typed form of what a backend answered; a miss, noted in the context, if it is of no use. A composition has
/// decoded what it answers with already.
#[inline]
fn typed_outcome<B: Backend + ?Sized, V>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    outcome: ReadOutcome,
    read: impl FnOnce(Raw) -> Result<V, NoObject>,
) -> BackendResult<Option<CacheValue<V>>> {
    let Some(value) = outcome? else {
        return Ok(None);
    };
    match value.try_map(read) {
        Ok(value) => Ok(Some(value)),
        Err(why) => {
            note_miss(backend, key, context, why);
            Ok(None)
        }
    }
}

#[cold]
fn note_miss<B: Backend + ?Sized>(
    backend: &B,
    key: &CacheKey,
    context: &mut BoxContext,
    why: NoObject,
) {
    if let NoObject::Rejected(rejection) = why {
        backend.reject(key, rejection);
    }
    context.set_status(CacheStatus::Miss);
    context.set_source(ResponseSource::Upstream);
}
