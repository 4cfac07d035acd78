//! A layer of which more repairs were pending than can be remembered is trusted again once it has been emptied, and
//! not before that is sound (G3, G4).

use std::{cell::Cell, convert::Infallible, num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use hitbox_backend::{
    Backend, Compose, CompositionBackend, CompositionLayer, CompositionPolicy, FenceStays,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw, Stamp};
use tokio::time::advance;

const L1: CompositionLayer = CompositionLayer::L1;
const L2: CompositionLayer = CompositionLayer::L2;

const CAPACITY: usize = 8;
/// Many more than are remembered.
const KEYS: usize = 200;
const FAILING: usize = 2 * CAPACITY;
const SECOND: Duration = Duration::from_secs(1);

type Memory = Arc<MemoryBackend>;
type Layer = FaultyBackend<Memory>;
type Cache = CompositionBackend<Layer, Layer, DisabledOffload>;

struct Stage {
    cache: Cache,
    memory: [Memory; 2],
    faults: [Faults; 2],
}

fn policy() -> CompositionPolicy {
    CompositionPolicy::new().record_capacity(NonZeroUsize::new(CAPACITY).unwrap())
}

fn stage() -> Stage {
    let memory = [(); 2].map(|()| Arc::new(MemoryBackend::new()));
    let (l1, l1_faults) = FaultyBackend::new(Arc::clone(&memory[0]));
    let (l2, l2_faults) = FaultyBackend::new(Arc::clone(&memory[1]));
    Stage {
        cache: l1.compose_with(l2, DisabledOffload, policy()),
        memory,
        faults: [l1_faults, l2_faults],
    }
}

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn value(text: &'static str) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(text.as_bytes())), Stamp::now())
}

/// Empties the store itself, past the composition.
async fn empty(memory: &Memory) -> Result<(), Infallible> {
    for number in 0..KEYS {
        memory.remove(&key(number)).await.unwrap();
    }
    Ok(())
}

async fn served(cache: &impl Backend) -> usize {
    let mut served = 0;
    for number in 0..KEYS {
        served += usize::from(cache.read(&key(number)).await.unwrap().is_some());
    }
    served
}

impl Stage {
    async fn write_all(&self) {
        for number in 0..KEYS {
            self.cache.write(&key(number), value("v")).await.unwrap();
        }
    }

    /// L1 fails more keys than can be remembered.
    async fn overburden_l1(&self) {
        self.faults[0].writes().always(Fault::FailBeforeEffect);
        for number in 0..FAILING {
            self.cache.write(&key(number), value("v")).await.unwrap();
        }
        self.faults[0].writes().heal();
        assert!(self.cache.layer_fence(L1).is_some());
    }

    /// How many keys L1 serves by itself, after it has had the occasion to be refilled.
    async fn served_by_l1(&self) -> usize {
        assert_eq!(served(&self.cache).await, KEYS);
        self.faults[1].reads().always(Fault::FailBeforeEffect);
        let served = served(&self.cache).await;
        self.faults[1].reads().heal();
        served
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_emptied_layer_is_refilled_with_is_served() {
    let stage = stage();
    stage.write_all().await;
    stage.overburden_l1().await;
    advance(61 * SECOND).await;
    assert!(stage.served_by_l1().await < KEYS);

    let emptied = stage
        .cache
        .clear_layer_fence(L1, || empty(&stage.memory[0]));
    emptied.await.unwrap();
    assert_eq!(stage.cache.layer_fence(L1), None);
    assert_eq!(stage.served_by_l1().await, KEYS);
    assert_eq!(stage.cache.pending_repairs(), []);
}

#[tokio::test(start_paused = true)]
async fn what_may_arrive_late_is_waited_for() {
    let stage = stage();
    let [l1, _] = &stage.faults;
    let late = value("late");
    l1.writes().next(1, Fault::FailBeforeEffect);
    stage.cache.write(&key(0), late.clone()).await.unwrap();
    advance(5 * SECOND).await;
    l1.removes().always(Fault::FailBeforeEffect);
    for number in 0..=CAPACITY {
        assert!(stage.cache.remove(&key(number)).await.is_err());
    }
    l1.heal();

    let calls = Cell::new(0);
    let try_to = || {
        stage.cache.clear_layer_fence(L1, || {
            calls.set(calls.get() + 1);
            empty(&stage.memory[0])
        })
    };
    let too_early = |left| Err(FenceStays::MayArriveLate { left });
    assert_eq!(try_to().await, too_early(60 * SECOND));
    advance(59 * SECOND).await;
    stage.memory[0].write(&key(0), late).await.unwrap();
    assert_eq!(try_to().await, too_early(SECOND));
    assert_eq!(stage.cache.read(&key(0)).await.unwrap(), None);
    assert_eq!(calls.get(), 0);

    advance(SECOND).await;
    assert_eq!(try_to().await, Ok(()));
    assert_eq!(calls.get(), 1);
    assert_eq!(stage.cache.layer_fence(L1), None);
    assert_eq!(stage.cache.read(&key(0)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_not_emptied_stays_distrusted() {
    let stage = stage();
    stage.overburden_l1().await;
    let fence = stage.cache.layer_fence(L1);
    advance(60 * SECOND).await;

    let failed = stage.cache.clear_layer_fence(L1, async || Err("no"));
    assert_eq!(failed.await, Err(FenceStays::NotEmptied("no")));
    let hung = std::future::pending::<Result<(), Infallible>>;
    assert!(
        stage
            .cache
            .clear_layer_fence(L1, hung)
            .now_or_never()
            .is_none()
    );
    assert_eq!(stage.cache.layer_fence(L1), fence);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_fails_while_it_is_emptied_stays_distrusted() {
    let stage = stage();
    stage.overburden_l1().await;
    let before = stage.cache.layer_fence(L1);
    advance(60 * SECOND).await;

    let emptied = stage.cache.clear_layer_fence(L1, async || {
        stage.overburden_l1().await;
        Ok::<_, Infallible>(())
    });
    assert_eq!(emptied.await, Err(FenceStays::FailedMeanwhile));
    assert!(stage.cache.layer_fence(L1) > before);
    // What has failed by now may arrive in another minute.
    let again = stage
        .cache
        .clear_layer_fence(L1, async || Ok::<_, Infallible>(()));
    let left = 60 * SECOND;
    assert_eq!(again.await, Err(FenceStays::MayArriveLate { left }));
}

#[tokio::test(start_paused = true)]
async fn what_single_keys_owe_stays() {
    let stage = stage();
    let [l1, _] = &stage.faults;
    let old = value("old");
    stage.cache.write(&key(KEYS), old.clone()).await.unwrap();
    stage.overburden_l1().await;
    advance(61 * SECOND).await;
    l1.removes().always(Fault::FailBeforeEffect);
    assert!(stage.cache.remove(&key(KEYS)).await.is_err());

    let emptied = stage
        .cache
        .clear_layer_fence(L1, || empty(&stage.memory[0]));
    emptied.await.unwrap();
    assert!(
        stage
            .cache
            .pending_repairs()
            .iter()
            .any(|pending| pending.key == key(KEYS))
    );
    assert!(stage.memory[0].read(&key(KEYS)).await.unwrap().is_some());
    assert_eq!(stage.cache.read(&key(KEYS)).await.unwrap(), None);
}

#[tokio::test]
async fn a_layer_that_is_trusted_is_not_emptied() {
    let stage = stage();
    let emptied = stage
        .cache
        .clear_layer_fence(L2, || -> std::future::Ready<Result<(), Infallible>> {
            panic!("it has lost nothing")
        });
    assert_eq!(emptied.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn each_level_is_trusted_again_by_itself() {
    let Stage {
        cache: inner,
        memory,
        faults,
    } = stage();
    let l1 = Arc::new(MemoryBackend::new());
    let outer = Arc::clone(&l1).compose_with(inner, DisabledOffload, policy());
    // Older than what fails.
    let values: Vec<_> = (0..KEYS).map(|_| value("v")).collect();
    for faults in &faults {
        faults.writes().always(Fault::FailBeforeEffect);
    }
    for number in KEYS..KEYS + FAILING {
        outer.write(&key(number), value("v")).await.unwrap();
    }
    faults.iter().for_each(Faults::heal);
    let distrusted = || {
        let inner = outer.l2();
        [
            outer.layer_fence(L2),
            inner.layer_fence(L1),
            inner.layer_fence(L2),
        ]
        .map(|fence| fence.is_some())
    };
    assert_eq!(distrusted(), [true; 3]);

    advance(61 * SECOND).await;
    let emptied = outer.clear_layer_fence(L2, async || {
        let inner = outer.l2();
        inner.clear_layer_fence(L1, || empty(&memory[0])).await?;
        inner.clear_layer_fence(L2, || empty(&memory[1])).await
    });
    emptied.await.unwrap();
    assert_eq!(distrusted(), [false; 3]);
    for (number, value) in values.into_iter().enumerate() {
        outer.write(&key(number), value).await.unwrap();
    }
    for memory in [&l1, &memory[0]] {
        empty(memory).await.unwrap();
    }
    assert_eq!(served(&outer).await, KEYS);
}
