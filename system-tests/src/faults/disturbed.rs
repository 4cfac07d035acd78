//! Backends with a proxy between them and their server.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use hitbox_backend::{Backend, Compose, CompositionPolicy, OffloadManager};
use hitbox_moka::MokaBackend;
use hitbox_scenarios::{ReadKind, WriteKind};
use test_servers::proxy::Proxy;
use tokio::time::sleep;
use xtask::Failure;

use super::{
    caller::{Caller, Done, key, value},
    stage::{DEADLINE, Server, Stage, fresh_namespace, moka_over},
};

/// How long a backend may take to find its server again: the longest pause between its attempts,
/// and a busy machine.
const RECOVERY: Duration = Duration::from_secs(5);

/// The deadline of what only prepares and checks.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a backend of a server is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrangement {
    Alone,
    /// As L2 under moka.
    UnderMoka(ReadKind, WriteKind),
}

impl Arrangement {
    /// L2 under moka with the default policy.
    pub(super) const DEFAULT: Self =
        Self::UnderMoka(ReadKind::Sequential, WriteKind::OptimisticParallel);
    pub(super) const RACE: Self = Self::UnderMoka(ReadKind::Race, WriteKind::Race);
    pub(super) const STRICT: Self = Self::UnderMoka(ReadKind::Parallel, WriteKind::Strict);

    /// The oldest version that may be read after a write of `written`, or a remove in place of it,
    /// over `before`.
    ///
    /// By itself a backend promises nothing about a change that failed. A composition does not go
    /// back to what a layer held before a change that the other layer took, and moka takes them all.
    pub(super) const fn oldest_after(self, done: &Done, before: u64, written: u64) -> u64 {
        match (done, self) {
            (Done::Failed(_), Self::Alone) => before,
            (Done::Failed(_), Self::UnderMoka(..)) | (Done::Confirmed, _) => written,
        }
    }

    pub(super) fn of(self, server: Server) -> String {
        match self {
            Self::Alone => server.to_string(),
            Self::UnderMoka(read, write) => {
                format!("moka+{server} {}/{}", read.as_str(), write.as_str())
            }
        }
    }
}

/// A backend, and what is in the way.
pub(super) struct Disturbed {
    pub(super) proxy: Proxy,
    /// What callers use.
    pub(super) caller: Caller,
    /// The same entries by a way that is not disturbed.
    pub(super) direct: Arc<dyn Backend>,
    /// The backend behind the proxy.
    pub(super) layer: Arc<dyn Backend>,
    pub(super) arrangement: Arrangement,
    l1: Option<MokaBackend>,
}

impl Disturbed {
    pub(super) async fn new(
        stage: &Stage,
        server: Server,
        arrangement: Arrangement,
    ) -> Result<Self, Failure> {
        Self::within(DEADLINE, stage, server, arrangement).await
    }

    /// The same with another deadline for the backend behind the proxy.
    pub(super) async fn within(
        deadline: Duration,
        stage: &Stage,
        server: Server,
        arrangement: Arrangement,
    ) -> Result<Self, Failure> {
        let address = stage.address(server)?;
        let proxy = Proxy::start(address).await?;
        let namespace = fresh_namespace();
        let direct = stage.backend_within(PATIENCE, server, address, &namespace)?;
        let layer = stage.backend_within(deadline, server, proxy.address(), &namespace)?;
        let (backend, l1): (Arc<dyn Backend>, _) = match arrangement {
            Arrangement::Alone => (Arc::clone(&layer), None),
            Arrangement::UnderMoka(read, write) => {
                let l1 = moka_over(&*layer)?;
                let policy = CompositionPolicy::new().read(read).write(write);
                let offload = OffloadManager::builder().build()?;
                let composed = l1.clone().compose_with(Arc::clone(&layer), offload, policy);
                (Arc::new(composed), Some(l1))
            }
        };
        Ok(Self {
            proxy,
            caller: Caller::new(backend),
            direct,
            layer,
            arrangement,
            l1,
        })
    }

    /// Puts a value there that nobody has read yet, by the way that is not disturbed.
    pub(super) async fn put(&self, name: &str, version: u64) -> Result<(), Failure> {
        Ok(self.direct.write(&key(name), value(name, version)).await?)
    }

    /// Drops L1's copy, as an eviction would: the next read asks the server.
    pub(super) async fn evict(&self, name: &str) -> Result<(), Failure> {
        if let Some(l1) = &self.l1 {
            l1.remove(&key(name)).await?;
        }
        Ok(())
    }

    /// Waits until the backend has found its server again, and says how long that took.
    pub(super) async fn until_up(&self) -> Result<Duration, Failure> {
        let began = Instant::now();
        loop {
            let error = match self.layer.read(&key("probe")).await {
                Ok(_) => return Ok(began.elapsed()),
                Err(error) => error,
            };
            if began.elapsed() > RECOVERY {
                return Err(format!("not back {RECOVERY:?} after healing: {error}").into());
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl fmt::Debug for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disturbed")
            .field("proxy", &self.proxy)
            .field("arrangement", &self.arrangement)
            .finish_non_exhaustive()
    }
}
