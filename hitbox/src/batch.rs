use std::{borrow::Borrow, collections::HashMap, error::Error, fmt, hash::Hash};

use crate::{Loaded, error::SharedError, load::Outcomes};

/// The ids that a loader of many keys is to load, and what it has found of each.
///
/// An id of which the loader says nothing is [absent](Loaded::absent). What it says of one that nobody asked for is
/// dropped.
///
/// ```
/// use hitbox::Batch;
///
/// fn load(mut missing: Batch<u64, String>) -> Batch<u64, String> {
///     for (id, name) in [(1, "Ada"), (2, "Grace")] {
///         missing.found(id, name.to_owned());
///     }
///     missing
/// }
/// # let _ = load;
/// ```
#[must_use = "a loader returns it"]
pub struct Batch<I, V> {
    ids: Vec<I>,
    found: HashMap<I, Result<Loaded<V>, SharedError>>,
}

impl<I: Hash + Eq + Clone, V> Batch<I, V> {
    pub(crate) fn of(ids: Vec<I>) -> Self {
        Self {
            found: HashMap::with_capacity(ids.len()),
            ids,
        }
    }

    /// What is to be loaded: each id once.
    pub fn ids(&self) -> &[I] {
        &self.ids
    }

    /// This is what the id stands for.
    pub fn found(&mut self, id: impl Borrow<I>, value: impl Into<Loaded<V>>) {
        self.found.insert(id.borrow().clone(), Ok(value.into()));
    }

    /// There is no such thing.
    pub fn absent(&mut self, id: impl Borrow<I>) {
        self.found.insert(id.borrow().clone(), Ok(Loaded::absent()));
    }

    /// This id could not be loaded. The others can have been.
    pub fn fail(&mut self, id: impl Borrow<I>, error: impl Into<Box<dyn Error + Send + Sync>>) {
        let error = SharedError::from(error.into());
        self.found.insert(id.borrow().clone(), Err(error));
    }

    /// What has come of each id, in their order.
    pub(crate) fn into_outcomes(mut self) -> Outcomes<V> {
        let outcome = |id| {
            self.found
                .remove(&id)
                .unwrap_or_else(|| Ok(Loaded::absent()))
        };
        self.ids.into_iter().map(outcome).collect()
    }
}

/// Shows no values.
impl<I: fmt::Debug, V> fmt::Debug for Batch<I, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("ids", &self.ids)
            .field("found", &self.found.len())
            .finish()
    }
}
