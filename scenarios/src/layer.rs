use std::sync::Arc;

use hitbox_backend::{Backend, BackendError, CompositionLayer, DeleteStatus, conformance::Faults};
use hitbox_core::{CacheKey, CacheValue, Namespace, Raw, Stamp};

use super::{
    Outcome,
    watched::{Journal, signature},
};

/// A layer of the composition under test, to script its faults and to look and preload behind the
/// composition's back.
pub(super) struct Layer {
    backend: Arc<dyn Backend>,
    side: CompositionLayer,
    /// What the composition hands it keys in.
    namespace: Namespace,
    pub(super) faults: Faults,
    pub(super) journal: Journal,
}

impl Layer {
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        side: CompositionLayer,
        namespace: Namespace,
        faults: Faults,
        journal: Journal,
    ) -> Self {
        Self {
            backend,
            side,
            namespace,
            faults,
            journal,
        }
    }

    /// The key as it is there.
    pub(super) fn own(&self, key: &CacheKey) -> CacheKey {
        key.in_namespace(&self.namespace)
    }

    /// Puts a value there directly.
    pub(super) async fn put(&self, key: &CacheKey, value: &CacheValue<Raw>) -> Outcome {
        let put = self.backend.write(&self.own(key), value.clone()).await;
        put.map_err(|error| format!("{} refused a value put there: {error}", self.side))
    }

    /// What is there, asked directly.
    pub(super) async fn peek(&self, key: &CacheKey) -> Result<Option<CacheValue<Raw>>, String> {
        let found = self.backend.read(&self.own(key)).await;
        found.map_err(|error| format!("{} could not be looked into: {error}", self.side))
    }

    /// Holds if exactly this value is there.
    pub(super) async fn holds(
        &self,
        key: &CacheKey,
        expected: &CacheValue<Raw>,
        when: &str,
    ) -> Outcome {
        match self.peek(key).await? {
            Some(found) if found == *expected => Ok(()),
            found => Err(format!(
                "{} holds {} instead of {} {when}",
                self.side,
                shown(found.as_ref()),
                shown(Some(expected))
            )),
        }
    }

    /// Waits until this value is there.
    pub(super) async fn comes_to_hold(
        &self,
        key: &CacheKey,
        expected: &CacheValue<Raw>,
    ) -> Outcome {
        while self.peek(key).await?.as_ref() != Some(expected) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Holds if nothing is there.
    pub(super) async fn holds_nothing(&self, key: &CacheKey, when: &str) -> Outcome {
        match self.peek(key).await? {
            None => Ok(()),
            found => Err(format!(
                "{} holds {} instead of nothing {when}",
                self.side,
                shown(found.as_ref())
            )),
        }
    }

    /// How many layers a remove of one value counts: more than one if this is a composition itself.
    pub(super) async fn depth(&self, probe: &CacheKey) -> Result<u32, String> {
        let value = CacheValue::loaded(Raw::from(Vec::new()), Stamp::now());
        self.put(probe, &value).await?;
        match self.backend.remove(&self.own(probe)).await {
            Ok(DeleteStatus::Deleted(layers)) => Ok(layers),
            Ok(DeleteStatus::Missing) => Err(format!("{} lost a value put there", self.side)),
            Err(error) => Err(format!("{} failed to remove: {error}", self.side)),
        }
    }

    /// Whether objects that typed access puts there come out as the same objects.
    pub(super) fn keeps_objects(&self) -> bool {
        let capabilities = self.backend.capabilities();
        !capabilities.persistent && !capabilities.shared
    }

    /// Holds if an error from here, seen through compositions of this path, says so.
    pub(super) fn is_blamed_by(&self, error: &BackendError, path: &str) -> Outcome {
        let label = format!("{path}.{}", self.backend.label());
        if error.label().as_str() == label && error.to_string().contains(signature(self.side)) {
            Ok(())
        } else {
            Err(format!(
                "an error should name {label} ({}), but it is: {error}",
                signature(self.side)
            ))
        }
    }

    /// Holds if `source` says that the answer came from here through compositions of this path.
    pub(super) fn is_source(&self, source: &str, path: &str) -> Outcome {
        let label = format!("{path}.{}", self.backend.label());
        // A layer that is a composition adds where in it the value was.
        if source == label || source.starts_with(&format!("{label}.")) {
            Ok(())
        } else {
            Err(format!("the source is {source} instead of {label}"))
        }
    }
}

/// A value as it may be shown in a message: scenarios make up their payloads, so those are no
/// secret.
pub(super) fn shown(value: Option<&CacheValue<Raw>>) -> String {
    match value {
        None => String::from("nothing"),
        Some(value) => format!(
            "{:?} ({value:?})",
            value
                .data()
                .payload()
                .map(|payload| String::from_utf8_lossy(payload))
        ),
    }
}
