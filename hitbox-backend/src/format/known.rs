//! What a thread remembers of types.

use std::{
    any::TypeId,
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use serde::de::DeserializeOwned;

use super::shape;

/// A map from types. Their ids are hashes already, and nobody outside chooses them.
pub(super) type ByType<V> = HashMap<TypeId, V, BuildHasherDefault<OwnHash>>;

/// Takes the hash that a [`TypeId`] is.
#[derive(Default)]
pub(super) struct OwnHash(u64);

impl Hasher for OwnHash {
    fn write(&mut self, bytes: &[u8]) {
        // Not what a type id calls today. Should it, any mixture will do.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

thread_local! {
    /// Per thread for the reason that `round_trip` gives.
    static SHAPES: RefCell<ByType<u32>> = RefCell::new(ByType::default());
}

/// [`shape::of`], asked once for each type and thread: it goes through every name in the type.
pub(super) fn shape<T: DeserializeOwned + 'static>() -> u32 {
    let subject = TypeId::of::<T>();
    // While the thread ends its storage may be gone.
    let known = SHAPES.try_with(|shapes| shapes.borrow().get(&subject).copied());
    if let Ok(Some(shape)) = known {
        return shape;
    }
    // Not inside `with`: the type's own code runs here, and may use a cache itself.
    let shape = shape::of::<T>();
    let _gone = SHAPES.try_with(|shapes| shapes.borrow_mut().insert(subject, shape));
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_a_shape_of_its_own_however_often_it_is_asked_for() {
        for _ in 0..2 {
            assert_eq!(shape::<u8>(), shape::of::<u8>());
            assert_eq!(shape::<(u8, String)>(), shape::of::<(u8, String)>());
        }
        assert_ne!(shape::<u8>(), shape::<(u8, String)>());
    }
}
