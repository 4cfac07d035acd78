use std::{fmt, sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendError, BackendExt, BackendResult, load::Fencing, tags::TagEar,
};
use tokio::runtime::Handle;

use crate::{
    Cache,
    key::KnownSpaces,
    settings::{Limits, Overrides, setters},
    shared::Shared,
    tags::Tags,
};

const TAG_MEMORY: usize = 16 << 20;

/// News have room for so much, in bytes.
const LONGEST_NAME: usize = 255;

/// Builds a [`Cache`].
///
/// It says for how long values are fresh: [`ttl`](Self::ttl) or [`never_expires`](Self::never_expires). Everything else
/// has a default. What is set here is in force where a keyspace or a call says nothing.
#[must_use = "a builder does nothing until it is built"]
pub struct CacheBuilder {
    backend: Box<dyn Backend>,
    overrides: Overrides,
    limits: Limits,
    runtime: Option<Handle>,
    name: String,
    tag_memory: usize,
}

impl Cache {
    /// Begins to build a cache over this backend. One that has no [fences](hitbox_backend::Fencing) of its own, as an adapter
    /// alone, is put behind some.
    pub fn builder(backend: impl Backend + 'static) -> CacheBuilder {
        CacheBuilder::new(backend)
    }
}

impl CacheBuilder {
    pub(crate) fn new(backend: impl Backend + 'static) -> Self {
        let backend: Box<dyn Backend> = match backend.fencing() {
            Fencing::Fenced => Box::new(backend),
            Fencing::Unfenced => Box::new(backend.fenced()),
        };
        Self {
            backend,
            overrides: Overrides::NONE,
            limits: Limits::default(),
            runtime: None,
            name: String::new(),
            tag_memory: TAG_MEMORY,
        }
    }

    setters!(const overrides);

    /// How many loads run at a time, at least 1. Others wait, up to their `load_deadline`, for as long as somebody waits for
    /// them: one that all have left while it waits is not begun. A load that is begun within a load, or that another load waits
    /// for, does not count, and a refresh in the background is begun only if there is a place. Default: 1,024.
    pub const fn max_loads(mut self, loads: usize) -> Self {
        self.limits.max_loads = loads;
        self
    }

    /// How many outcomes of loads are being stored at a time, at least 1. One more is handed to those who wait for it, and
    /// not stored. Default: 1,024.
    pub const fn max_fills(mut self, fills: usize) -> Self {
        self.limits.max_fills = fills;
        self
    }

    /// For how long the outcome of a load, while it is being stored, is handed to those who come. After that they load
    /// anew. Default: five seconds.
    pub const fn fill_patience(mut self, patience: Duration) -> Self {
        self.limits.fill_patience = patience;
        self
    }

    /// For how long a load waits while another process loads the key, where the backend
    /// [gives leases](hitbox_backend::Capabilities::gives_leases) that processes share. After that it loads all the same, and what it loads
    /// is kept in this process alone. Default: one second.
    pub const fn fleet_patience(mut self, patience: Duration) -> Self {
        self.limits.fleet_patience = patience;
        self
    }

    /// Where loads run. Default: on the runtime that a call is made on.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// What the cache is called, for [`clear`](Cache::clear) and tags: in a backend whose values outlive the process, what
    /// has been invalidated is kept by this name, and caches of other names over that backend do not look at it. Up to 255 bytes. Default: empty.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many bytes of memory may go into knowing which tags have been invalidated: about 160 for each, and its text. When that
    /// is not enough, the tags go whose invalidation is the longest ago; values with these that are older than that cost a
    /// look at the backend, if it outlives the process, and are misses if it does not. Default: 16 MB.
    pub const fn tag_memory(mut self, bytes: usize) -> Self {
        self.tag_memory = bytes;
        self
    }

    /// The cache.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration) for a setting that cannot work, or if nothing says
    /// for how long values are fresh. The message names the setting.
    pub fn build(self) -> BackendResult<Cache> {
        let name = match self.name.len() {
            0..=LONGEST_NAME => Ok(()),
            _ => Err(format!("`name` is longer than {LONGEST_NAME} bytes")),
        };
        let checked = name
            .and_then(|()| self.limits.check())
            .and_then(|()| self.overrides.of_cache());
        let settings = checked
            .map_err(|detail| BackendError::invalid_configuration(self.backend.label(), detail))?;
        let tags = Tags::new(&*self.backend, self.name, self.tag_memory);
        let shared = Shared::new(
            self.backend,
            tags,
            KnownSpaces::new(settings),
            self.limits,
            self.runtime,
        );
        let shared = Arc::new(shared);
        let ear: Arc<dyn TagEar> = Arc::<Shared>::clone(&shared);
        shared.tags.listen(&ear);
        Ok(Cache::new(shared))
    }
}

impl fmt::Debug for CacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("backend", &self.backend.label())
            .field("overrides", &self.overrides)
            .field("limits", &self.limits)
            .field("name", &self.name)
            .field("tag_memory", &self.tag_memory)
            .finish_non_exhaustive()
    }
}
