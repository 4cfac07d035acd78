//! Compositions whose L1 is never staler than a bound.

mod conformance;
mod copies;
mod credit;
mod fleet;
mod joined;
mod kept_out;
mod news;
mod refusals;
mod silence;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use futures::future;
use hitbox_backend::{
    Backend, BackendResult, CacheBackend, Compose, CompositionBackend, CompositionPolicy,
    RepairPolicy, SequentialReadPolicy, StrictWritePolicy,
    coherence::{
        Announcing, Backplane, Coherence, Heard, HearingStatus, LocalBackplane, Mark, PlaneId,
    },
    conformance::{Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, DisabledOffload, Stamp, clock::VirtualTime};
use tokio::time::advance;

const BOUND: Duration = Duration::from_millis(100);

/// Longer than a listener takes to hear what has been announced.
const HEARD: Duration = Duration::from_millis(10);

type Store = FaultyBackend<Announcing<Arc<MemoryBackend>>>;
type Process = CompositionBackend<
    Arc<MemoryBackend>,
    Store,
    DisabledOffload,
    SequentialReadPolicy,
    StrictWritePolicy,
>;

/// Two processes over one store, in time that stands still.
struct Stage {
    clock: VirtualTime,
    plane: LocalBackplane,
    processes: [Process; 2],
    /// Of the store, as each process sees it.
    faults: [Faults; 2],
    key: CacheKey,
}

fn policy() -> CompositionPolicy<SequentialReadPolicy, StrictWritePolicy> {
    CompositionPolicy::new()
        .write(StrictWritePolicy::new())
        .repair(RepairPolicy::OnNextOperation)
}

impl Stage {
    fn new() -> Self {
        Self::with(&policy())
    }

    fn with(policy: &CompositionPolicy<SequentialReadPolicy, StrictWritePolicy>) -> Self {
        let clock = VirtualTime::start(Utc::now());
        let plane = LocalBackplane::new();
        let store = Arc::new(MemoryBackend::new());
        let (processes, faults): (Vec<_>, Vec<_>) = (0..2)
            .map(|_| {
                let (l2, faults) = FaultyBackend::new(plane.announcing(Arc::clone(&store)));
                let process = Arc::new(MemoryBackend::new())
                    .compose_with(l2, DisabledOffload, policy.clone())
                    .coherent(plane.clone(), Coherence::within(BOUND))
                    .unwrap();
                (process, faults)
            })
            .unzip();
        Self {
            clock,
            plane,
            processes: processes.try_into().unwrap_or_else(|_| unreachable!()),
            faults: faults.try_into().unwrap_or_else(|_| unreachable!()),
            key: CacheKey::from_pair("id", "1"),
        }
    }

    /// Lets time pass, in steps that a listener keeps up with.
    async fn pass(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(Duration::from_millis(1));
            self.clock.advance(TimeDelta::from_std(step).unwrap());
            advance(step).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            left -= step;
        }
    }

    async fn set(&self, process: usize, data: u32) {
        let value = CacheValue::loaded(Arc::new(data), Stamp::now());
        self.processes[process].set(&self.key, value).await.unwrap();
    }

    async fn get(&self, process: usize) -> Option<u32> {
        get(&self.processes[process], &self.key).await
    }

    /// What this process's L1 holds, whatever it is worth.
    async fn copy(&self, process: usize) -> Option<u32> {
        get(self.processes[process].l1(), &self.key).await
    }

    fn status(&self, process: usize) -> HearingStatus {
        self.processes[process].hearing().unwrap()
    }
}

async fn get(backend: &(impl Backend + ?Sized), key: &CacheKey) -> Option<u32> {
    let found = backend.get::<u32>(key).await.unwrap();
    found.map(|value| **value.data())
}

/// One that can be cut off.
struct Link {
    plane: LocalBackplane,
    is_cut: Arc<AtomicBool>,
}

impl Link {
    fn to(plane: &LocalBackplane) -> (Self, Arc<AtomicBool>) {
        let is_cut = Arc::new(AtomicBool::new(false));
        let link = Self {
            plane: plane.clone(),
            is_cut: Arc::clone(&is_cut),
        };
        (link, is_cut)
    }
}

#[async_trait]
impl Backplane for Link {
    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> BackendResult<Heard> {
        if self.is_cut.load(Ordering::Relaxed) {
            future::pending::<()>().await;
        }
        self.plane.ask(mark, patience).await
    }

    fn id(&self) -> PlaneId {
        self.plane.id()
    }

    fn label(&self) -> BackendLabel {
        self.plane.label()
    }
}
