//! An outage in which more keys are written than the record holds costs those keys, not the layer: what nobody
//! touched stays trusted, and no forgotten key yields an old value (G3, G4).

use std::{num::NonZeroUsize, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use hitbox_backend::{
    Backend, BackendError, Compose, CompositionBackend, CompositionLayer, CompositionPolicy,
    RepairPolicy,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw, Stamp};
use tokio::time::{Instant, advance};

const L1: CompositionLayer = CompositionLayer::L1;
const L2: CompositionLayer = CompositionLayer::L2;

type Memory = Arc<MemoryBackend>;
type Layer = FaultyBackend<Memory>;

struct Stage {
    cache: CompositionBackend<Layer, Layer, DisabledOffload>,
    memory: [Memory; 2],
    faults: [Faults; 2],
}

fn stage(policy: CompositionPolicy) -> Stage {
    let memory = [(); 2].map(|()| Arc::new(MemoryBackend::new()));
    let (l1, l1_faults) = FaultyBackend::new(Arc::clone(&memory[0]));
    let (l2, l2_faults) = FaultyBackend::new(Arc::clone(&memory[1]));
    Stage {
        cache: l1.compose_with(l2, DisabledOffload, policy),
        memory,
        faults: [l1_faults, l2_faults],
    }
}

fn capacity(keys: usize) -> CompositionPolicy {
    CompositionPolicy::new().record_capacity(NonZeroUsize::new(keys).unwrap())
}

fn key(name: &'static str, number: usize) -> CacheKey {
    CacheKey::from_pair(name, number.to_string())
}

fn value(text: &'static str) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from_static(text.as_bytes())), Stamp::now())
}

fn is(found: &Option<CacheValue<Raw>>, text: &str) -> bool {
    found
        .as_ref()
        .is_some_and(|found| found.data().payload().unwrap() == text.as_bytes())
}

/// How many of the keys the cache answers with this text.
async fn answered(cache: &impl Backend, name: &'static str, keys: usize, text: &str) -> usize {
    let mut answered = 0;
    for number in 0..keys {
        let found = cache.read(&key(name, number)).await.unwrap();
        answered += usize::from(is(&found, text));
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_the_keys_that_were_written_in_it() {
    const WRITTEN: usize = 20_480;
    const UNTOUCHED: usize = 2_000;
    let Stage {
        cache,
        memory,
        faults,
    } = stage(CompositionPolicy::new());
    for number in 0..UNTOUCHED {
        memory[1]
            .write(&key("untouched", number), value("shared"))
            .await
            .unwrap();
    }
    for number in 0..WRITTEN {
        let written = key("written", number);
        cache.write(&written, value("old")).await.unwrap();
    }
    faults[1].writes().always(Fault::FailBeforeEffect);
    for number in 0..WRITTEN {
        let written = key("written", number);
        cache.write(&written, value("new")).await.unwrap();
        memory[0].remove(&written).await.unwrap();
    }
    assert!(cache.layer_fence(L2).is_some());
    faults[1].heal();
    advance(Duration::from_secs(30)).await;

    assert_eq!(answered(&cache, "written", WRITTEN, "old").await, 0);
    // At a sixteenth of what the filter is made for, a false positive is next to impossible.
    assert!(answered(&cache, "untouched", UNTOUCHED, "shared").await >= UNTOUCHED - 1);

    // A newer write is trusted, and what a layer is refilled with.
    cache
        .write(&key("written", 0), value("newer"))
        .await
        .unwrap();
    memory[0].remove(&key("written", 0)).await.unwrap();
    assert_eq!(answered(&cache, "written", 1, "newer").await, 1);
    memory[1].remove(&key("written", 0)).await.unwrap();
    assert_eq!(answered(&cache, "written", 1, "newer").await, 1);
}

#[tokio::test]
async fn far_more_forgotten_keys_than_the_filter_holds_cost_the_layer() {
    const CAPACITY: usize = 16;
    const KEYS: usize = 20_000;
    let Stage {
        cache,
        memory,
        faults,
    } = stage(capacity(CAPACITY));
    for number in 0..KEYS {
        memory[1]
            .write(&key("written", number), value("old"))
            .await
            .unwrap();
        memory[1]
            .write(&key("untouched", number), value("shared"))
            .await
            .unwrap();
    }
    faults[1].writes().always(Fault::FailBeforeEffect);
    for number in 0..KEYS {
        cache
            .write(&key("written", number), value("new"))
            .await
            .unwrap();
        memory[0].remove(&key("written", number)).await.unwrap();
    }
    faults[1].heal();
    assert_eq!(answered(&cache, "written", KEYS, "old").await, 0);
    assert!(answered(&cache, "untouched", KEYS, "shared").await < KEYS / 20);
}

const KEYS: usize = 48;

/// A composition that remembers few keys, over layers that fail at times, and what is known of its keys.
struct Run {
    stage: Stage,
    random: fastrand::Rng,
    /// What a key must not be older than, once it has been written or removed.
    settled: [Option<Stamp>; KEYS],
    failing: [bool; 2],
    /// Writes without an answer: the layer that they may take effect in, and until when.
    in_doubt: Vec<(usize, Instant, CacheKey, CacheValue<Raw>)>,
    served: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let repairs = [RepairPolicy::Never, RepairPolicy::OnNextOperation];
        let policy = capacity(random.usize(1..8)).repair(repairs[random.usize(..2)]);
        Self {
            stage: stage(policy),
            random,
            settled: [None; KEYS],
            failing: [false; 2],
            in_doubt: Vec::new(),
            served: 0,
        }
    }

    async fn step(&mut self) {
        let number = self.random.usize(..KEYS);
        let key = key("number", number);
        match self.random.u32(..100) {
            0..4 => self.fail(),
            4..8 => self.heal(),
            8..40 => self.write(number, &key).await,
            40..50 => {
                let stamp = Stamp::now();
                if self.stage.cache.remove(&key).await.is_ok() {
                    self.settled[number] = Some(stamp);
                }
            }
            50..60 => _ = self.stage.memory[0].remove(&key).await.unwrap(),
            60..68 => self.take_effect_late().await,
            68..71 => advance(Duration::from_secs(self.random.u64(..30))).await,
            71..73 => self.clear_layer_fence().await,
            _ => self.read(number, &key).await,
        }
    }

    fn fail(&mut self) {
        let layer = self.random.usize(..2);
        let faults = [Fault::FailBeforeEffect, Fault::FailAfterEffect];
        let switch = &self.stage.faults[layer];
        switch.writes().always(faults[self.random.usize(..2)]);
        switch.removes().always(faults[self.random.usize(..2)]);
        self.failing[layer] = true;
    }

    fn heal(&mut self) {
        self.stage.faults.iter().for_each(Faults::heal);
        self.failing = [false; 2];
    }

    async fn write(&mut self, number: usize, key: &CacheKey) {
        let value = value("v");
        if self.stage.cache.write(key, value.clone()).await.is_ok() {
            self.settled[number] = Some(value.created());
        }
        let until = Instant::now() + Duration::from_secs(60);
        for layer in (0..2).filter(|layer| self.failing[*layer]) {
            self.in_doubt
                .push((layer, until, key.clone(), value.clone()));
        }
    }

    async fn take_effect_late(&mut self) {
        self.in_doubt
            .retain(|(_, until, ..)| *until > Instant::now());
        if !self.in_doubt.is_empty() {
            let late = self.random.usize(..self.in_doubt.len());
            let (layer, _, key, value) = self.in_doubt.swap_remove(late);
            self.stage.memory[layer].write(&key, value).await.unwrap();
        }
    }

    async fn clear_layer_fence(&mut self) {
        let layer = [L1, L2][self.random.usize(..2)];
        let memory = &self.stage.memory[layer as usize];
        let emptied = self.stage.cache.clear_layer_fence(layer, async || {
            for number in 0..KEYS {
                memory.remove(&key("number", number)).await?;
            }
            Ok::<_, BackendError>(())
        });
        // Something may arrive late: then it stays distrusted.
        _ = emptied.await;
    }

    async fn read(&mut self, number: usize, key: &CacheKey) {
        let found = self.stage.cache.read(key).await.unwrap();
        self.served += usize::from(found.is_some());
        if let (Some(found), Some(settled)) = (found, self.settled[number]) {
            let created = found.created();
            assert!(
                created >= settled,
                "{key}: {created:?} is older than {settled:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_key_never_yields_an_old_value() {
    let mut served = 0;
    for seed in 0..500 {
        let mut run = Run::new(seed);
        for step in 0..600 {
            let checked = AssertUnwindSafe(run.step()).catch_unwind().await;
            assert!(checked.is_ok(), "seed {seed}, step {step}");
        }
        served += run.served;
    }
    // It is not for want of answers.
    assert!(served > 30_000, "{served}");
}
