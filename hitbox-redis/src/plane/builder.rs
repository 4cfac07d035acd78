use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use hitbox_backend::{BackendError, BackendResult, coherence::news_form};
use hitbox_core::BackendLabel;

use super::{RedisBackplane, Shared};
use crate::{
    announcer::Log,
    connection::{
        Limits,
        address::Address,
        clock::Clocks,
        incoming::Bounds,
        link::{Link, LinkSettings},
    },
};

const LABEL: &str = "redis-backplane";

/// How long an answer may take beyond the patience that it is asked with, and a connection at the most.
const DEADLINE: Duration = Duration::from_millis(800);
const CONNECT: Duration = Duration::from_millis(500);

/// The settings of a [`RedisBackplane`]: where the server is, as for a [`RedisBackend`](crate::RedisBackend), and which of
/// its logs.
///
/// ```
/// use hitbox_redis::RedisBackplane;
///
/// let plane = RedisBackplane::builder()
///     .url("redis://cache.internal:6379/2")
///     .password("from the secret store")
///     .namespace("shop")
///     .build()?;
/// # Ok::<(), hitbox_backend::BackendError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build` is called"]
pub struct RedisBackplaneBuilder {
    pub(crate) address: Address,
    label: BackendLabel,
    namespace: String,
    max_entries: usize,
}

impl RedisBackplane {
    /// A builder with the default settings.
    pub fn builder() -> RedisBackplaneBuilder {
        RedisBackplaneBuilder {
            address: Address::default(),
            label: BackendLabel::new_static(LABEL),
            namespace: String::new(),
            max_entries: RedisBackplaneBuilder::DEFAULT_MAX_ENTRIES,
        }
    }
}

impl RedisBackplaneBuilder {
    /// The default of [`max_entries`](Self::max_entries): 100,000.
    pub const DEFAULT_MAX_ENTRIES: usize = 100_000;

    /// The name in errors and in the log. Default: `redis-backplane`.
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.label = label.into();
        self
    }

    /// Whose news: give the namespace of the backends that announce there. Default: none, as for these.
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = name.to_owned();
        self
    }

    /// How many entries the log keeps, roughly: the server takes out whole blocks of old ones. Whoever has not heard of one
    /// when it goes has a gap. An entry is one change, or several that were made together; one of a key of 26 bytes takes 56
    /// bytes of the server's memory. Default: 100,000. At least 1,000.
    pub const fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }

    /// The backplane. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration) for settings that cannot work, a
    /// cluster among them; the message names the setting.
    pub fn build(self) -> BackendResult<RedisBackplane> {
        let refuse = |why: &str| BackendError::invalid_configuration(self.label.clone(), why);
        if self.max_entries < 1_000 {
            return Err(refuse(
                "`max_entries` is too small for listeners to keep up: give 1,000 or more",
            ));
        }
        let limits = Limits {
            connect: CONNECT,
            // The question has a limit of its own.
            attempt: Duration::from_secs(24 * 60 * 60),
            bounds: Bounds {
                // Of a longer one so much that it is known to be too long.
                string: news_form::LARGEST_ENTRY + 1,
                reply: DEADLINE,
            },
        };
        let place = self.address.place_of_log(limits).map_err(refuse)?;
        let settings = LinkSettings {
            limits,
            label: self.label.clone(),
            opened: Arc::default(),
            opening: Arc::default(),
            home: Arc::default(),
            learned: Arc::default(),
            clocks: Arc::new(Clocks::new()),
        };
        Ok(RedisBackplane::from(Shared {
            log: Log::new(&self.namespace, self.max_entries),
            place: (place.shown(), place.database()),
            link: Link::new(place, settings),
            deadline: DEADLINE,
            idle: Mutex::default(),
            label: self.label,
        }))
    }
}

/// Shows no URL and no credentials.
impl fmt::Debug for RedisBackplaneBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackplaneBuilder")
            .field("label", &self.label)
            .field("namespace", &self.namespace)
            .field("max_entries", &self.max_entries)
            .finish_non_exhaustive()
    }
}
