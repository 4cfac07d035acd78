use std::{
    any::{Any, TypeId},
    fmt,
};

/// A type that a reader wants an object of, and what makes one of bytes.
///
/// Made by typed access. Only that knows its maker: formats are not this crate's business.
pub struct WantedType {
    id: TypeId,
    maker: &'static (dyn Any + Send + Sync),
}

impl WantedType {
    /// The type `T`, objects of which this makes.
    #[must_use]
    pub const fn of<T: 'static, M: Any + Send + Sync>(maker: &'static M) -> Self {
        Self {
            id: TypeId::of::<T>(),
            maker,
        }
    }

    /// Whether it is this type.
    #[inline]
    #[must_use]
    pub fn is(&self, id: TypeId) -> bool {
        self.id == id
    }

    /// What makes objects of the type, if it is an `M`.
    #[must_use]
    pub fn maker<M: Any>(&self) -> Option<&'static M> {
        self.maker.downcast_ref()
    }
}

impl fmt::Debug for WantedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WantedType").finish_non_exhaustive()
    }
}
