use std::{borrow::Borrow, collections::HashMap, error::Error, fmt, hash::Hash, sync::Arc};

use crate::{Loaded, call_tags::CallTags, error::SharedError, load::Outcomes};

/// The ids that a loader of many keys is to load, and what it has found of each.
///
/// An id of which the loader says nothing is [absent](Loaded::absent). What it says of one that nobody asked for is
/// dropped. It returns the batch that it was given: any other is an error of all keys.
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
    /// The load that it was made for.
    load: BatchId,
    found: HashMap<I, Result<Loaded<V>, SharedError>>,
    /// Those of the call, for each id.
    tags: CallTags,
}

impl<I: Hash + Eq + Clone, V> Batch<I, V> {
    pub(crate) fn of(ids: Vec<I>, load: BatchId) -> Self {
        Self {
            found: HashMap::with_capacity(ids.len()),
            ids,
            load,
            tags: CallTags::default(),
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

    /// With the tags of the call.
    pub(crate) fn with_tags(mut self, tags: CallTags) -> Self {
        self.tags = tags;
        self
    }

    /// What has come of each id, in their order, if it was made for this load.
    ///
    /// # Errors
    ///
    /// The loader has returned another one, whose ids have nothing to do with those that it was to load.
    pub(crate) fn into_outcomes(mut self, load: &BatchId) -> Result<Outcomes<V>, SharedError> {
        if !self.load.is(load) {
            return Err(Arc::new(ForeignBatch));
        }
        let outcome = |id| {
            let found = self.found.remove(&id);
            let loaded = found.unwrap_or_else(|| Ok(Loaded::absent()))?;
            Ok(self.tags.on(loaded))
        };
        Ok(self.ids.into_iter().map(outcome).collect())
    }
}

/// Tells the batches of one load from all others.
#[derive(Clone)]
pub(crate) struct BatchId(Arc<()>);

impl BatchId {
    pub(crate) fn new() -> Self {
        Self(Arc::new(()))
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Debug)]
struct ForeignBatch;

impl fmt::Display for ForeignBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the loader has returned a batch that is not the one that it was given")
    }
}

impl Error for ForeignBatch {}

/// Shows no values.
impl<I: fmt::Debug, V> fmt::Debug for Batch<I, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("ids", &self.ids)
            .field("found", &self.found.len())
            .finish()
    }
}
