//! Contexts that say what a typed read wants.

use hitbox_core::{BoxContext, ObjectType};

use crate::{Cacheable, object::type_of};

/// The context of one read, or those of many.
pub(super) trait Contexts {
    fn want(&mut self, wanted: Option<&'static ObjectType>);
}

impl Contexts for BoxContext {
    #[inline]
    fn want(&mut self, wanted: Option<&'static ObjectType>) {
        self.set_wanted_type(wanted);
    }
}

impl Contexts for [BoxContext] {
    #[inline]
    fn want(&mut self, wanted: Option<&'static ObjectType>) {
        self.iter_mut().for_each(|context| context.want(wanted));
    }
}

/// Contexts that say which type a read wants, for as long as it lasts.
pub(super) struct Wanting<'c, C: Contexts + ?Sized>(pub(super) &'c mut C);

impl<'c, C: Contexts + ?Sized> Wanting<'c, C> {
    #[inline]
    pub(super) fn an_object_of<T: Cacheable>(contexts: &'c mut C) -> Self {
        contexts.want(Some(type_of::<T>().erased()));
        Self(contexts)
    }
}

/// Also when the read is dropped: a context may be used again, for another type or for bytes.
impl<C: Contexts + ?Sized> Drop for Wanting<'_, C> {
    #[inline]
    fn drop(&mut self) {
        self.0.want(None);
    }
}
