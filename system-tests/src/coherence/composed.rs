//! The composition of one process.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendResult, Compose, CompositionPolicy, OffloadManager, RefillPolicy,
    StrictWritePolicy,
    coherence::{Backplane, Coherence, Heard, Mark, PlaneId},
};
use hitbox_core::BackendLabel;
use hitbox_moka::MokaBackend;
use hitbox_quick_cache::QuickCacheBackend;
use hitbox_redis::{RedisBackend, RedisBackplane};
use hitbox_scenarios::ReadKind;
use test_servers::redis::RedisSentinels;
use xtask::Failure;

use super::settings::{Broken, Place, Settings};

pub(super) const NAMESPACE: &str = "coherence";

/// Where the store and the log that is heard from are, at the ends of their links.
pub(super) const STORE: &str = "redis";

/// So short that a process whose store hangs does not stand still for long.
const DEADLINE: Duration = Duration::from_millis(400);

/// What a bound is in place of that which is checked, where it is to be broken.
const LOOSE: Duration = Duration::from_secs(30);

/// What a process is made of, so that all that a coherent composition admits takes part.
struct Variant {
    l1: L1,
    read: ReadKind,
    refill: RefillPolicy,
    /// A coherent composition as L2, which is read by this policy.
    nested: Option<ReadKind>,
}

#[derive(Clone, Copy)]
enum L1 {
    Moka,
    QuickCache,
}

impl Variant {
    fn of(number: usize) -> Self {
        use ReadKind::{Parallel, Race, Sequential};
        let (l1, read, refill, nested) = match number % 8 {
            0 => (L1::Moka, Sequential, RefillPolicy::Always, None),
            1 => (L1::QuickCache, Parallel, RefillPolicy::Always, None),
            2 => (L1::Moka, Race, RefillPolicy::Always, None),
            3 => (L1::QuickCache, Sequential, RefillPolicy::Never, None),
            4 => (L1::Moka, Sequential, RefillPolicy::Always, Some(Parallel)),
            5 => (L1::QuickCache, Race, RefillPolicy::Always, Some(Sequential)),
            6 => (L1::QuickCache, Sequential, RefillPolicy::Always, None),
            _ => (L1::Moka, Parallel, RefillPolicy::Never, Some(Sequential)),
        };
        Self {
            l1,
            read,
            refill,
            nested,
        }
    }
}

/// The composition of this process. In a tokio runtime.
pub(super) fn compose(settings: &Settings) -> Result<Arc<dyn Backend>, Failure> {
    let (store, plane) = links(&settings.place)?;
    let bound = match settings.broken {
        Some(Broken::Loose) => LOOSE,
        Some(Broken::Deaf) | None => settings.bound,
    };
    let coherent = Coherent {
        listener: Listener {
            plane,
            is_deaf: settings.broken == Some(Broken::Deaf),
        },
        within: Coherence::within(bound),
        offload: OffloadManager::builder().build()?,
    };
    let variant = Variant::of(settings.number);
    let l2 = match variant.nested {
        None => Arc::new(store) as Arc<dyn Backend>,
        Some(read) => {
            let l1 = in_process(L1::QuickCache)?;
            coherent.compose(l1, Arc::new(store), read, RefillPolicy::Always)?
        }
    };
    coherent.compose(in_process(variant.l1)?, l2, variant.read, variant.refill)
}

/// The store, and the log: each at the end of a link of its own if there are two.
fn links(place: &Place) -> Result<(RedisBackend, RedisBackplane), Failure> {
    let (store, plane) = (RedisBackend::builder(), RedisBackplane::builder());
    let (store, beside, plane) = match place {
        Place::Links {
            store: at,
            listener,
        } => (
            store.url(at),
            RedisBackplane::builder().url(at),
            plane.url(listener),
        ),
        Place::Sentinels(urls) => {
            let (urls, name) = (|| urls.iter().cloned(), RedisSentinels::NAME);
            (
                store.sentinel(urls(), name),
                RedisBackplane::builder().sentinel(urls(), name),
                plane.sentinel(urls(), name),
            )
        }
    };
    let store = store
        .label(STORE)
        .namespace(NAMESPACE)
        .deadline(DEADLINE)
        .announce(&beside.namespace(NAMESPACE).build()?);
    Ok((store.build()?, plane.namespace(NAMESPACE).build()?))
}

fn in_process(l1: L1) -> Result<Arc<dyn Backend>, Failure> {
    Ok(match l1 {
        L1::Moka => Arc::new(MokaBackend::builder().max_entries(10_000).build()?),
        L1::QuickCache => Arc::new(QuickCacheBackend::builder().max_entries(10_000).build()?),
    })
}

/// How compositions of this process are made coherent.
struct Coherent {
    listener: Listener,
    within: Coherence,
    offload: OffloadManager,
}

impl Coherent {
    fn compose(
        &self,
        l1: Arc<dyn Backend>,
        l2: Arc<dyn Backend>,
        read: ReadKind,
        refill: RefillPolicy,
    ) -> Result<Arc<dyn Backend>, Failure> {
        let policy = CompositionPolicy::new()
            .read(read)
            .write(StrictWritePolicy::new())
            .refill(refill);
        let composed = l1.compose_with(l2, self.offload.clone(), policy);
        Ok(Arc::new(
            composed.coherent(self.listener.clone(), self.within)?,
        ))
    }
}

/// Where a process hears from.
#[derive(Clone)]
struct Listener {
    plane: RedisBackplane,
    /// Whether it vouches for what it has not listened to.
    is_deaf: bool,
}

#[async_trait]
impl Backplane for Listener {
    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> BackendResult<Heard> {
        let mut heard = self.plane.ask(mark, patience).await?;
        if self.is_deaf {
            heard.news.clear();
        }
        Ok(heard)
    }

    fn id(&self) -> PlaneId {
        self.plane.id()
    }

    fn label(&self) -> BackendLabel {
        self.plane.label()
    }
}
