mod access;

use std::{fmt, sync::Arc, time::Duration};

use hitbox_backend::{
    BackendError, BackendResult, CacheKeyFormat, Capabilities, Compressor, Format, StoreSettings,
    byte_store::Codec, stored_form,
};
use hitbox_core::BackendLabel;

use crate::{
    RedisBackend, RedisBackplane,
    announcer::{Announcer, known_by},
    commands::exchange::{AnnouncedServer, Exchange, Target},
    connection::{
        Limits,
        address::Address,
        clock::Clocks,
        incoming::Bounds,
        link::{Link, LinkSettings},
        place::Place,
    },
    inner::Inner,
};

/// The label of a backend that is given none.
const DEFAULT_LABEL: &str = "redis";

/// Redis does not store longer strings unless it is told to.
const LONGEST_STRING: usize = 512 << 20;

const SHORTEST_LIMIT: Duration = Duration::from_millis(1);
const LONGEST_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of a [`RedisBackend`]. Only where the server is must be given: by
/// [`url`](Self::url), [`host`](Self::host), `cluster_nodes` for a cluster, or `sentinel`.
///
/// ```
/// use std::time::Duration;
/// use hitbox_redis::RedisBackend;
///
/// let cache = RedisBackend::builder()
///     .url("redis://cache.internal:6379/2")
///     .password("from the secret store")
///     .namespace("shop")
///     .deadline(Duration::from_millis(200))
///     .build()?;
/// # Ok::<(), hitbox_backend::BackendError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build` or `connect` is called"]
pub struct RedisBackendBuilder {
    address: Address,
    settings: StoreSettings,
    connect_timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    deadline: Duration,
    announce: Option<RedisBackplane>,
    leases: Leases,
}

/// Whether loads take leases.
#[derive(Clone, Copy)]
enum Leases {
    /// If changes are announced.
    IfAnnounced,
    Always,
}

impl RedisBackend {
    /// A builder with the default settings.
    pub fn builder() -> RedisBackendBuilder {
        RedisBackendBuilder::new()
    }
}

impl RedisBackendBuilder {
    /// The default of [`largest_value`](Self::largest_value): 64 MiB.
    pub const DEFAULT_LARGEST_VALUE: usize = 64 << 20;
    /// The default of [`deadline`](Self::deadline): 0.8 seconds.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(800);

    pub(crate) fn new() -> Self {
        Self {
            address: Address::default(),
            settings: StoreSettings::new(),
            connect_timeout: None,
            attempt_timeout: None,
            deadline: Self::DEFAULT_DEADLINE,
            announce: None,
            leases: Leases::IfAnnounced,
        }
    }

    /// The settings that all adapters have, in place of those that were made so far. Each also has a
    /// setter here.
    pub fn settings(mut self, settings: StoreSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The name in source paths, errors and traces. Default: `redis`.
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.settings = self.settings.label(label);
        self
    }

    /// The namespace of all keys: see [`StoreSettings::namespace`]. Default: none.
    pub fn namespace(mut self, name: &str) -> Self {
        self.settings = self.settings.namespace(name);
        self
    }

    /// How keys become stored keys: see [`StoreSettings::key_format`].
    pub fn key_format(mut self, key_format: CacheKeyFormat) -> Self {
        self.settings = self.settings.key_format(key_format);
        self
    }

    /// The format that typed access encodes values in: see [`StoreSettings::value_format`]. Default:
    /// bincode.
    pub fn value_format(mut self, format: impl Format + 'static) -> Self {
        self.settings = self.settings.value_format(format);
        self
    }

    /// What payloads are compressed with: see [`StoreSettings::compressor`]. Default: nothing.
    pub fn compressor(mut self, compressor: impl Compressor + 'static) -> Self {
        self.settings = self.settings.compressor(compressor);
        self
    }

    /// The largest payload to store, in bytes: see [`StoreSettings::largest_value`]. At most 512 MiB less the
    /// 48 bytes of the stored form's header. Default: 64 MiB.
    ///
    /// What is stored by others and is longer, and longer than 64 MiB, is a miss: of such a string only the
    /// beginning is kept as it is read.
    ///
    /// While a large value is on its way, the other commands of this backend wait behind it.
    pub const fn largest_value(mut self, bytes: usize) -> Self {
        self.settings.largest_value = Some(bytes);
        self
    }

    /// The largest payload to decode, in bytes: see [`StoreSettings::largest_decoded`]. Default: 64 MiB.
    pub const fn largest_decoded(mut self, bytes: usize) -> Self {
        self.settings.largest_decoded = bytes;
        self
    }

    /// How long one attempt to open a connection may take, the look-up of the name and the login
    /// included. Default: five eighths of the
    /// [`deadline`](Self::deadline), which is half a second by default.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// How long one attempt may take, from its sending to its reply. Default: five eighths of the
    /// [`deadline`](Self::deadline), which is half a second by default.
    pub const fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// How long any call may take in all: waiting for a connection, the reply, and the second
    /// attempt on a connection that broke. Bulk calls too. Default: 0.8 seconds.
    ///
    /// This and the other limits are at least a millisecond and at most a day. They are measured by
    /// the timer of the tokio runtime that a call is made on. A runtime whose clock is paused
    /// (`#[tokio::test(start_paused = true)]`) skips to the next timer while it waits for a server, so
    /// every call there ends with [`Timeout`](hitbox_backend::BackendErrorKind::Timeout): pause the
    /// clock only where there is no server.
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// Announces whatever is written and removed, so that [coherent](hitbox_backend::coherence) compositions over this server
    /// hear of it.
    ///
    /// Each change goes to the server in one transaction with its news, in the same write: `MULTI`, the change, `XADD`,
    /// `EXEC`. Changes that go together, of a bulk call or of many tasks, are one transaction with one `XADD`; if the server
    /// refuses one of them, each goes in a transaction of its own. Where the server has no memory left for news, a remove
    /// is made all the same, and the log is emptied, which tells everybody that there may have been changes.
    ///
    /// The backplane has to be in the same server and database, given in the same words, and its namespace should be that of
    /// the backend. Not with a cluster. What else writes to the namespace has to announce, too: a backend that does not
    /// logs an error when it connects.
    ///
    /// Default: nothing is announced.
    pub fn announce(mut self, plane: &RedisBackplane) -> Self {
        self.announce = Some(plane.clone());
        self
    }

    /// Has the loads of all processes over this server know of each other: one of them at a time loads a key, and what it has
    /// loaded is not stored if another one has changed the key meanwhile. One that [announces](Self::announce) does so in any
    /// case.
    ///
    /// It is for who loads under [leases](hitbox_backend::load), as `hitbox::Cache` does. A load of a key that is not there then
    /// stores a marker under it, for 60 seconds at most, which readers take for nothing, and which it renews each 100
    /// milliseconds: `SET` with `NX` and `GET`. Whatever another process does to the key takes the marker away, and the value is
    /// stored only in its place: by `SET` with `IFEQ`, or where the server does not know that (before Valkey 8.1 and Redis
    /// 8.4), by a script. So no clocks are compared. A process that has not renewed its marker for 300 milliseconds is taken for
    /// dead: another one that waits loads. A user needs `+set +get +eval +getrange +unlink +pttl`.
    ///
    /// A load costs a round trip more. Default: only if changes are announced.
    pub const fn fleet_lease(mut self) -> Self {
        self.leases = Leases::Always;
        self
    }

    /// The backend. Does no I/O: the connection is opened when it is first used.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration) for settings
    /// that cannot work; the message names the setting.
    pub fn build(mut self) -> BackendResult<RedisBackend> {
        let announcer = self.announce.as_ref().map(|plane| {
            let log = plane.shared().log.clone();
            Arc::new(Announcer::new(log, &self.settings.key_format))
        });
        if announcer.is_none() {
            let others = known_by(&self.settings.key_format);
            self.address.access.others = Some(others.into());
        }
        let codec = self.codec()?;
        let refuse = |detail: &str| {
            let label = codec.label().clone();
            BackendError::invalid_configuration(label, detail)
        };
        self.check().map_err(|detail| refuse(&detail))?;
        let settings = LinkSettings {
            limits: self.limits(),
            label: codec.label().clone(),
            opened: Arc::default(),
            opening: Arc::default(),
            home: Arc::default(),
            learned: Arc::default(),
            clocks: Arc::new(Clocks::new()),
        };
        let target = match (&self.announce, announcer) {
            (Some(plane), Some(announcer)) => {
                let place = self.place_beside(plane, settings.limits);
                let place = place.map_err(refuse)?;
                let address = place.shown();
                let link = Link::new(place, settings.clone());
                let server = AnnouncedServer::new(link, announcer);
                Ok((Target::Announced(server), address))
            }
            _ => self.address.target(settings.clone()),
        };
        let (target, address) = target.map_err(refuse)?;
        Ok(RedisBackend::from(Inner {
            exchange: Exchange {
                target,
                deadline: self.deadline,
                settings,
            },
            address,
            codec,
        }))
    }

    /// [`build`](Self::build), and a connection at once, for those who would rather fail now than at
    /// the first use.
    ///
    /// # Errors
    ///
    /// What [`build`](Self::build) returns, and if the server cannot be reached or refuses the
    /// credentials, what is listed for [`RedisBackend`]. It is not tried again, and nothing of it is logged
    /// but at DEBUG.
    pub async fn connect(self) -> BackendResult<RedisBackend> {
        let backend = self.build()?;
        backend.open().await?;
        Ok(backend)
    }

    /// Where the server is, which is to have the log, too.
    fn place_beside(&self, plane: &RedisBackplane, limits: Limits) -> Result<Place, &'static str> {
        let place = self.address.place_of_log(limits)?;
        if (place.shown(), place.database()) != plane.shared().place {
            return Err(
                "`announce`: the backplane is elsewhere: give it the same server and database, in the same words",
            );
        }
        Ok(place)
    }

    fn codec(&self) -> BackendResult<Codec> {
        let mut capabilities = Capabilities::default();
        capabilities.largest_value = Some(Self::DEFAULT_LARGEST_VALUE);
        // Beyond a restart of this process; beyond one of the server if that is set up to.
        capabilities.persistent = true;
        capabilities.shared = true;
        capabilities.gives_leases = match self.leases {
            Leases::IfAnnounced => self.announce.is_some(),
            Leases::Always => true,
        };
        Codec::new(self.settings.clone(), DEFAULT_LABEL, capabilities)
    }

    fn most_bytes(&self) -> usize {
        let set = self.settings.largest_value;
        set.unwrap_or(Self::DEFAULT_LARGEST_VALUE)
    }

    fn limits(&self) -> Limits {
        let default = self.deadline / 8 * 5;
        Limits {
            connect: self.connect_timeout.unwrap_or(default),
            attempt: self.attempt_timeout.unwrap_or(default),
            bounds: Bounds {
                string: self.most_bytes().max(Self::DEFAULT_LARGEST_VALUE)
                    + stored_form::HEADER_LENGTH,
                reply: self.deadline,
            },
        }
    }

    fn check(&self) -> Result<(), String> {
        let largest = self.most_bytes();
        if largest > LONGEST_STRING - stored_form::HEADER_LENGTH {
            return Err(format!(
                "`largest_value` is {largest}: Redis's own limit is {LONGEST_STRING} bytes, {} of which \
                 are the header's; lower it",
                stored_form::HEADER_LENGTH
            ));
        }
        check_span("deadline", self.deadline)?;
        let limits = [
            ("connect_timeout", self.connect_timeout),
            ("attempt_timeout", self.attempt_timeout),
        ];
        for (setting, limit) in limits {
            let Some(limit) = limit else { continue };
            check_span(setting, limit)?;
            // Else it would not be a limit at all.
            if limit >= self.deadline {
                return Err(format!(
                    "`{setting}` is {limit:?}, and `deadline` is {:?}: lower the one, or raise the \
                     other",
                    self.deadline
                ));
            }
        }
        Ok(())
    }
}

/// Timers count in milliseconds, and nobody waits for longer than a day.
fn check_span(setting: &str, limit: Duration) -> Result<(), String> {
    if limit < SHORTEST_LIMIT {
        return Err(format!(
            "`{setting}` is {limit:?}: no call could succeed; give {SHORTEST_LIMIT:?} or more"
        ));
    }
    if limit > LONGEST_LIMIT {
        return Err(format!(
            "`{setting}` is {limit:?}: that is no limit; give a day or less"
        ));
    }
    Ok(())
}

/// Shows no URL and no credentials.
impl fmt::Debug for RedisBackendBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackendBuilder")
            .field("settings", &self.settings)
            .field("connect_timeout", &self.connect_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
