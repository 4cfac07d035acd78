use std::{
    any::{Any, TypeId},
    fmt,
    marker::PhantomData,
};

/// A type of cached objects, and what turns them into bytes and back.
///
/// Made by typed access. Only that knows its codec: formats are not this crate's business.
pub struct ObjectType {
    id: TypeId,
    codec: &'static (dyn Any + Send + Sync),
}

impl ObjectType {
    /// Whether it is this type.
    #[inline]
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// What turns objects of the type into bytes and back, if it is a `C`.
    #[must_use]
    pub fn codec<C: Any>(&self) -> Option<&'static C> {
        self.codec.downcast_ref()
    }
}

impl fmt::Debug for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectType").finish_non_exhaustive()
    }
}

/// The [`ObjectType`] that is that of `T`.
pub struct TypeOf<T> {
    erased: ObjectType,
    object: PhantomData<fn() -> T>,
}

impl<T: 'static> TypeOf<T> {
    /// The type, with what turns its objects into bytes and back.
    #[must_use]
    pub const fn with_codec<C: Any + Send + Sync>(codec: &'static C) -> Self {
        Self {
            erased: ObjectType {
                id: TypeId::of::<T>(),
                codec,
            },
            object: PhantomData,
        }
    }

    /// The type, where it is no longer known which.
    #[must_use]
    pub const fn erased(&self) -> &ObjectType {
        &self.erased
    }
}

impl<T> fmt::Debug for TypeOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.erased.fmt(f)
    }
}
