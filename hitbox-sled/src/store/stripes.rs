//! One change of a key at a time, and none that undoes what began after it.
//!
//! A change that is handed over to another thread is made later than it began, also where its caller
//! has dropped it. By then a change that began after it may have been made, and its caller may have
//! been told so. Then the older change is left out: the newer one has replaced it already.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Writers of different keys rarely meet on one of this many locks.
const STRIPES: usize = 64;

/// The locks under which keys are changed, each for the keys of one hash.
#[derive(Debug)]
pub(crate) struct Stripes {
    stripes: Box<[Mutex<Stripe>]>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
pub(crate) struct Stripe {
    /// The keys that have changes handed over and not made yet.
    keys: HashMap<Arc<[u8]>, HandedOver>,
    /// Changes are numbered in the order in which they begin.
    last: u64,
}

#[derive(Debug, Default)]
struct HandedOver {
    /// How many changes of the key are to come.
    to_come: usize,
    /// The newest change that has been made since the first of them began.
    newest_made: u64,
}

/// A change that has begun and is made later. Whoever drops it does not make it any more.
#[derive(Debug)]
pub(crate) struct Begun {
    stripes: Arc<Stripes>,
    tree_key: Arc<[u8]>,
    number: u64,
}

/// The permission to change a key. Nobody else changes it meanwhile.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    stripe: MutexGuard<'a, Stripe>,
    tree_key: &'a [u8],
    number: Option<u64>,
}

impl Default for Stripes {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Stripes {
    /// Begins a change that is to be handed over.
    pub(crate) fn begin(self: &Arc<Self>, tree_key: &[u8]) -> Begun {
        let tree_key = Arc::<[u8]>::from(tree_key);
        let mut stripe = self.lock(&tree_key);
        stripe.last += 1;
        let number = stripe.last;
        let key = stripe.keys.entry(Arc::clone(&tree_key)).or_default();
        key.to_come += 1;
        drop(stripe);
        Begun {
            stripes: Arc::clone(self),
            tree_key,
            number,
        }
    }

    /// The turn of a change that began when `begun` says, or begins now. `None` if a change that
    /// began later has been made.
    pub(crate) fn turn<'a>(
        &'a self,
        tree_key: &'a [u8],
        begun: Option<&Begun>,
    ) -> Option<Turn<'a>> {
        let stripe = self.lock(tree_key);
        let number = begun.map(|begun| begun.number);
        let is_overtaken = number.is_some_and(|number| {
            let key = stripe.keys.get(tree_key);
            key.is_some_and(|key| key.newest_made > number)
        });
        (!is_overtaken).then_some(Turn {
            stripe,
            tree_key,
            number,
        })
    }

    /// While it is held nobody changes a key of this stripe.
    pub(crate) fn lock(&self, tree_key: &[u8]) -> MutexGuard<'_, Stripe> {
        let hash = self.hasher.hash_one(tree_key);
        let stripe = usize::try_from(hash % STRIPES as u64).unwrap_or(0);
        // A panic under it leaves nothing half-changed that `reconcile` and the sweep do not cope
        // with, and at worst a key that is taken for one with a change to come.
        self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// To be called once the change is made: what began earlier is left out from now on.
    pub(crate) fn made(mut self) {
        let stripe = &mut *self.stripe;
        let Some(key) = stripe.keys.get_mut(self.tree_key) else {
            return;
        };
        key.newest_made = self.number.unwrap_or_else(|| {
            stripe.last += 1;
            stripe.last
        });
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut stripe = self.stripes.lock(&self.tree_key);
        let Some(key) = stripe.keys.get_mut(&self.tree_key) else {
            return;
        };
        key.to_come -= 1;
        if key.to_come == 0 {
            stripe.keys.remove(&self.tree_key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(stripes: &Stripes, begun: Option<&Begun>) -> bool {
        let turn = stripes.turn(b"k", begun);
        turn.map(Turn::made).is_some()
    }

    #[test]
    fn what_began_later_and_is_made_is_not_undone() {
        let stripes = Arc::new(Stripes::default());
        let [one, two, three] = [(); 3].map(|()| stripes.begin(b"k"));
        assert!(make(&stripes, Some(&two)));
        assert!(!make(&stripes, Some(&one)));
        assert!(make(&stripes, Some(&three)));
        let four = stripes.begin(b"k");
        assert!(make(&stripes, None));
        assert!(!make(&stripes, Some(&four)));
        assert!(make(&stripes, None));
        assert!(make(&stripes, Some(&stripes.begin(b"k"))));
    }

    #[test]
    fn a_change_of_another_key_overtakes_nothing() {
        let stripes = Arc::new(Stripes::default());
        let begun = stripes.begin(b"k");
        // More keys than stripes: some are in the same.
        for number in 0..STRIPES * 10 {
            let other = number.to_be_bytes();
            stripes.turn(&other, None).unwrap().made();
        }
        assert!(make(&stripes, Some(&begun)));
    }

    #[test]
    fn what_is_not_made_overtakes_nothing() {
        let stripes = Arc::new(Stripes::default());
        let (one, two) = (stripes.begin(b"k"), stripes.begin(b"k"));
        drop(stripes.turn(b"k", Some(&two)));
        drop(two);
        assert!(make(&stripes, Some(&one)));
    }

    #[test]
    fn nothing_is_remembered_of_a_key_once_nothing_is_to_come() {
        let stripes = Arc::new(Stripes::default());
        let (one, two) = (stripes.begin(b"k"), stripes.begin(b"k"));
        let remembered = || stripes.lock(b"k").keys.len();
        assert!(make(&stripes, Some(&two)));
        drop(two);
        assert_eq!(remembered(), 1);
        drop(one);
        assert_eq!(remembered(), 0);
        assert!(make(&stripes, None));
        assert_eq!(remembered(), 0);
    }
}
