//! A change that a repeated attempt has made, while the first attempt may yet take effect.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendExt, BackendResult, CacheBackend, Compose, CompositionBackend,
    CompositionLayer, CompositionPolicy, DeleteStatus, RefillPolicy, RepairCause, Repeated,
    RetryConfig,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
    wrapper::WriteRetry,
};
use hitbox_core::{CacheKey, CacheValue, DisabledOffload, Raw, Stamp};

const KEY: &str = "k";

/// How the layers are written.
#[derive(Clone, Copy, Debug)]
enum Way {
    InPlace,
    /// L1 in place, L2 waited for.
    L1InPlace,
    Awaited,
    Bulk,
}

const WAYS: [Way; 4] = [Way::InPlace, Way::L1InPlace, Way::Awaited, Way::Bulk];

/// A composition of two layers that repeat changes when they are told to.
struct Stage {
    cache: CompositionBackend<Arc<dyn Backend>, Arc<dyn Backend>, DisabledOffload>,
    memory: [Arc<MemoryBackend>; 2],
    faults: [Faults; 2],
    way: Way,
}

impl Stage {
    fn new(way: Way, refill: RefillPolicy) -> Self {
        let memory = [(); 2].map(|()| Arc::new(MemoryBackend::new()));
        let (l1, in_l1) = FaultyBackend::new(Arc::clone(&memory[0]));
        let (l2, in_l2) = FaultyBackend::new(Arc::clone(&memory[1]));
        let awaited = |layer: FaultyBackend<_>| -> Arc<dyn Backend> {
            Arc::new(layer.deadline(Duration::from_secs(1)).unwrap())
        };
        let (l1, l2): (Arc<dyn Backend>, Arc<dyn Backend>) = match way {
            Way::InPlace | Way::Bulk => (Arc::new(l1), Arc::new(l2)),
            Way::L1InPlace => (Arc::new(l1), awaited(l2)),
            Way::Awaited => (awaited(l1), awaited(l2)),
        };
        let policy = CompositionPolicy::new().refill(refill);
        Self {
            cache: l1.compose_with(l2, DisabledOffload, policy),
            memory,
            faults: [in_l1, in_l2],
            way,
        }
    }

    async fn write(&self, value: &CacheValue<Raw>) -> BackendResult<()> {
        match self.way {
            Way::InPlace | Way::L1InPlace | Way::Awaited => {
                self.cache.write(&key(), value.clone()).await
            }
            Way::Bulk => {
                let other = CacheKey::from_pair("key", "other");
                let entries = vec![(key(), value.clone()), (other, value.clone())];
                self.cache.write_many(entries).await.swap_remove(0)
            }
        }
    }

    async fn remove(&self) -> BackendResult<DeleteStatus> {
        match self.way {
            Way::InPlace | Way::L1InPlace | Way::Awaited => self.cache.remove(&key()).await,
            Way::Bulk => self.cache.remove_many(&[key()]).await.swap_remove(0),
        }
    }

    async fn read(&self) -> Option<CacheValue<Raw>> {
        match self.way {
            Way::InPlace | Way::L1InPlace | Way::Awaited => self.cache.read(&key()).await.unwrap(),
            Way::Bulk => self.cache.read_many(&[key()]).await.swap_remove(0).unwrap(),
        }
    }

    fn memory(&self, layer: CompositionLayer) -> &MemoryBackend {
        &self.memory[layer as usize]
    }

    fn causes(&self) -> Vec<(CompositionLayer, RepairCause)> {
        let pending = self.cache.pending_repairs().into_iter();
        let of_key = pending.filter(|pending| pending.key == key());
        of_key
            .map(|pending| (pending.layer, pending.cause))
            .collect()
    }
}

fn key() -> CacheKey {
    CacheKey::from_pair("key", KEY)
}

fn value(payload: u8) -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![payload]), Stamp::now())
}

fn cases() -> impl Iterator<Item = (Way, CompositionLayer)> {
    let of_way = |way| CompositionLayer::BOTH.map(|layer| (way, layer));
    WAYS.into_iter().flat_map(of_way)
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_of_a_write_does_not_undo_a_newer_one() {
    for (way, layer) in cases() {
        let case = format!("{way:?} {layer}");
        let stage = Stage::new(way, RefillPolicy::Never);
        let (old, new) = (value(1), value(2));
        stage.faults[layer as usize].writes().next(1, Fault::Repeat);
        stage.write(&old).await.unwrap();
        assert_eq!(stage.causes(), [(layer, RepairCause::InDoubt)], "{case}");
        stage.memory(layer.other()).remove(&key()).await.unwrap();
        assert_eq!(stage.read().await, Some(old.clone()), "{case}: it is there");

        stage.write(&new).await.unwrap();
        stage
            .memory(layer)
            .write(&key(), old.clone())
            .await
            .unwrap();
        assert_eq!(stage.read().await, Some(new.clone()), "{case}");
        // The other layer evicts.
        stage.memory(layer.other()).remove(&key()).await.unwrap();
        assert_eq!(stage.read().await, None, "{case}");

        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(
            stage.read().await,
            None,
            "{case}: nothing can arrive any more"
        );
        assert_eq!(stage.causes(), [], "{case}: looked at");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_of_a_write_does_not_undo_a_remove() {
    for (way, layer) in cases() {
        let case = format!("{way:?} {layer}");
        let stage = Stage::new(way, RefillPolicy::Always);
        let old = value(1);
        stage.faults[layer as usize].writes().next(1, Fault::Repeat);
        stage.write(&old).await.unwrap();
        assert_eq!(
            stage.remove().await.unwrap(),
            DeleteStatus::Deleted(2),
            "{case}"
        );
        stage.memory(layer).write(&key(), old).await.unwrap();
        assert_eq!(stage.read().await, None, "{case}");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(
            stage.read().await,
            None,
            "{case}: nothing can arrive any more"
        );
        assert_eq!(
            stage.memory(layer).read(&key()).await.unwrap(),
            None,
            "{case}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_remove_is_made_and_what_it_undoes_late_is_made_good() {
    for (way, layer) in cases() {
        let case = format!("{way:?} {layer}");
        let stage = Stage::new(way, RefillPolicy::Never);
        stage.write(&value(1)).await.unwrap();
        stage.faults[layer as usize]
            .removes()
            .next(1, Fault::Repeat);
        assert_eq!(
            stage.remove().await.unwrap(),
            DeleteStatus::Deleted(2),
            "{case}"
        );
        assert_eq!(stage.causes(), [(layer, RepairCause::InDoubt)], "{case}");
        let new = value(2);
        stage.write(&new).await.unwrap();
        stage.memory(layer).remove(&key()).await.unwrap();
        assert_eq!(stage.read().await, Some(new.clone()), "{case}");

        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(stage.read().await, Some(new.clone()), "{case}");
        assert_eq!(
            stage.memory(layer).read(&key()).await.unwrap(),
            Some(new),
            "{case}"
        );
        assert_eq!(stage.causes(), [], "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_of_a_refill_does_not_undo_a_write() {
    for way in WAYS {
        let stage = Stage::new(way, RefillPolicy::Always);
        let (old, new) = (value(1), value(2));
        stage.memory[1].write(&key(), old.clone()).await.unwrap();
        stage.faults[0].writes().next(1, Fault::Repeat);
        assert_eq!(stage.read().await, Some(old.clone()), "{way:?}");
        assert_eq!(
            stage.memory[0].read(&key()).await.unwrap(),
            Some(old.clone()),
            "{way:?}"
        );

        stage.write(&new).await.unwrap();
        stage.memory[0].write(&key(), old).await.unwrap();
        assert_eq!(stage.read().await, Some(new), "{way:?}");
    }
}

/// What a layer failed to take is made good by a repair whose first attempt is in doubt.
#[tokio::test(start_paused = true)]
async fn the_first_attempt_of_a_repair_does_not_undo_a_write() {
    for (way, layer) in cases() {
        let case = format!("{way:?} {layer}");
        let stage = Stage::new(way, RefillPolicy::Never);
        let (old, new) = (value(1), value(2));
        stage.faults[layer as usize]
            .writes()
            .next(1, Fault::FailBeforeEffect);
        stage.write(&old).await.unwrap();
        // Of the write that failed nothing can arrive any more: what is in doubt is the repair.
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(
            stage.causes(),
            [(layer, RepairCause::Unconfirmed)],
            "{case}"
        );
        stage.faults[layer as usize].writes().next(1, Fault::Repeat);
        assert_eq!(stage.read().await, Some(old.clone()), "{case}");
        assert_eq!(stage.causes(), [(layer, RepairCause::InDoubt)], "{case}");

        stage.write(&new).await.unwrap();
        stage.memory(layer).write(&key(), old).await.unwrap();
        assert_eq!(stage.read().await, Some(new), "{case}");
        stage.memory(layer.other()).remove(&key()).await.unwrap();
        assert_eq!(stage.read().await, None, "{case}");
    }
}

/// The inner composition keeps what arrives late from the outer one, so it need not hear of it.
#[tokio::test(start_paused = true)]
async fn a_composition_answers_for_its_layers() {
    let memory = [(); 2].map(|()| Arc::new(MemoryBackend::new()));
    let (faulty, faults) = FaultyBackend::new(Arc::clone(&memory[0]));
    let inner = faulty.compose(Arc::clone(&memory[1]), DisabledOffload);
    let outer = MemoryBackend::new().compose(inner, DisabledOffload);
    let (old, new) = (value(1), value(2));
    faults.writes().next(1, Fault::Repeat);
    outer.write(&key(), old.clone()).await.unwrap();
    assert_eq!(outer.pending_repairs(), []);
    assert_eq!(outer.l2().pending_repairs().len(), 1);

    outer.write(&key(), new).await.unwrap();
    memory[0].write(&key(), old).await.unwrap();
    for memory in [outer.l1(), &*memory[1]] {
        memory.remove(&key()).await.unwrap();
    }
    assert_eq!(outer.read(&key()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn typed_access_takes_it_for_done() {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let typed = |payload: u8| CacheValue::loaded(Arc::new(payload), Stamp::now());
    faults.writes().always(Fault::Repeat);
    faults.removes().always(Fault::Repeat);
    backend.set(&key(), typed(1)).await.unwrap();
    let status = backend.delete(&key()).await.unwrap();
    assert_eq!(status, DeleteStatus::Deleted(1));
    for outcome in backend.set_many(vec![(key(), typed(2))]).await {
        outcome.unwrap();
    }
    for outcome in backend.delete_many(&[key(), key()]).await {
        outcome.unwrap();
    }
    let error = backend.write(&key(), value(3)).await.unwrap_err();
    assert_eq!(error.repeated(), Some(Repeated::Write));
}

/// The wrapper says so of what it has repeated itself, and passes on what it is told.
#[tokio::test(start_paused = true)]
async fn what_the_retry_wrapper_repeats_is_in_doubt() {
    let config = RetryConfig::new().writes(WriteRetry::Always);
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let backend = backend.retry(config).unwrap();
    let mark = |outcome: BackendResult<()>| outcome.unwrap_err().repeated().unwrap();
    for fault in [
        Fault::FailBeforeEffect,
        Fault::FailAfterEffect,
        Fault::Repeat,
    ] {
        let written = || {
            vec![
                (key(), value(1)),
                (CacheKey::from_pair("key", "other"), value(1)),
            ]
        };
        faults.writes().next(1, fault);
        assert_eq!(mark(backend.write(&key(), value(1)).await), Repeated::Write);
        faults.writes().next(1, fault);
        assert_eq!(
            mark(backend.refill(&key(), value(1)).await),
            Repeated::Write
        );
        faults.writes().next(1, fault);
        let [first, second] = backend.write_many(written()).await.try_into().unwrap();
        assert_eq!(mark(first), Repeated::Write);
        second.unwrap();
        faults.writes().next(1, fault);
        let [first, second] = backend.refill_many(written()).await.try_into().unwrap();
        assert_eq!(mark(first), Repeated::Write);
        second.unwrap();
        let absent = if fault == Fault::FailAfterEffect {
            DeleteStatus::Missing
        } else {
            DeleteStatus::Deleted(1)
        };
        faults.removes().next(1, fault);
        let removed = mark(backend.remove(&key()).await.map(drop));
        assert_eq!(removed, Repeated::Remove(absent), "{fault:?}");
        backend.write(&key(), value(1)).await.unwrap();
        faults.removes().next(1, fault);
        let removed = backend.remove_many(&[key()]).await.swap_remove(0);
        assert_eq!(
            mark(removed.map(drop)),
            Repeated::Remove(absent),
            "{fault:?}"
        );
    }
    // What certainly did nothing is not in doubt, nor is a read.
    faults.reads().next(1, Fault::FailBeforeEffect);
    backend.read(&key()).await.unwrap();
}

/// The whole way: a layer behind the wrapper.
#[tokio::test(start_paused = true)]
async fn a_composition_of_a_layer_that_is_retried_serves_nothing_older() {
    let memory = Arc::new(MemoryBackend::new());
    let (faulty, faults) = FaultyBackend::new(Arc::clone(&memory));
    let config = RetryConfig::new().writes(WriteRetry::Always);
    let l2 = faulty.retry(config).unwrap();
    let cache = MemoryBackend::new().compose(l2, DisabledOffload);
    let (old, new) = (value(1), value(2));
    faults.writes().next(1, Fault::FailBeforeEffect);
    cache.write(&key(), old.clone()).await.unwrap();
    cache.write(&key(), new).await.unwrap();
    memory.write(&key(), old).await.unwrap();
    cache.l1().remove(&key()).await.unwrap();
    assert_eq!(cache.read(&key()).await.unwrap(), None);
}
