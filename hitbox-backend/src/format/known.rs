//! What is remembered of types.

use std::{
    any::TypeId,
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::{Mutex, PoisonError},
};

use serde::de::DeserializeOwned;

use super::shape::{self, Readable, Shape, Untraced};

/// A map from types. Their ids are hashes already, and nobody outside chooses them.
type ByType<V> = HashMap<TypeId, V, BuildHasherDefault<OwnHash>>;

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

/// What is known stays known: there is as much as the program has types.
type Known = Result<&'static Shape, &'static Untraced>;

/// A function's results, not a state: whoever asks gets the same.
static OF_THE_PROCESS: Mutex<BTreeMap<(TypeId, Readable), Known>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// For formats that machines read, and for those that people read.
    static OF_THE_THREAD: [RefCell<ByType<Known>>; 2] = Default::default();
}

/// [`shape::of`], asked once for each type: it makes many values of it.
pub(super) fn shape<T: DeserializeOwned + 'static>(readable: Readable) -> Known {
    let subject = TypeId::of::<T>();
    let whose = match readable {
        Readable::ByMachines => 0,
        Readable::ByHumans => 1,
    };
    // While the thread ends its storage may be gone.
    let known = OF_THE_THREAD.try_with(|shapes| shapes[whose].borrow().get(&subject).copied());
    if let Ok(Some(known)) = known {
        return known;
    }
    let known = of_the_process::<T>(readable);
    let _gone = OF_THE_THREAD.try_with(|shapes| shapes[whose].borrow_mut().insert(subject, known));
    known
}

fn of_the_process<T: DeserializeOwned + 'static>(readable: Readable) -> Known {
    let subject = (TypeId::of::<T>(), readable);
    let lock = || {
        OF_THE_PROCESS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    let known = lock().get(&subject).copied();
    if let Some(known) = known {
        return known;
    }
    // Not under the lock: the type's own code runs here, and may use a cache itself.
    let shape = shape::of::<T>(readable);
    // Another thread may have been first.
    *lock().entry(subject).or_insert_with(|| match shape {
        Ok(shape) => Ok(Box::leak(Box::new(shape))),
        Err(untraced) => Err(Box::leak(Box::new(untraced))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_a_shape_of_its_own_however_often_it_is_asked_for() {
        let of = |known: Known| known.unwrap().fingerprint;
        for readable in [Readable::ByMachines, Readable::ByHumans] {
            let first = shape::<(u8, String)>(readable).unwrap();
            assert!(std::ptr::eq(
                first,
                shape::<(u8, String)>(readable).unwrap()
            ));
            assert_ne!(first.fingerprint, of(shape::<u8>(readable)));
        }
        let address = shape::<std::net::IpAddr>;
        assert_ne!(
            of(address(Readable::ByMachines)),
            of(address(Readable::ByHumans))
        );
    }
}
