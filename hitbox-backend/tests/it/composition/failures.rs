//! What a context says of layers that failed a read.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, BackendExt, BoxContext, CacheBackend, CacheContext, CacheKey,
    CacheStatus, CacheValue, Compose, CompositionLayer, CompositionPolicy, Context,
    DisabledOffload, Failures, LayerFailure, ParallelReadPolicy, RaceReadPolicy, Raw, RefillPolicy,
    ResponseSource, SequentialReadPolicy, Stamp,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};

type Layer = Arc<dyn Backend>;

/// How layers are read.
#[derive(Clone, Copy, Debug)]
enum Way {
    InPlace,
    /// L1 in place, L2 waited for.
    L1InPlace,
    Awaited,
    Bulk,
}

const WAYS: [Way; 4] = [Way::InPlace, Way::L1InPlace, Way::Awaited, Way::Bulk];

struct Stage {
    cache: Layer,
    memory: [Arc<MemoryBackend>; 2],
    faults: [Faults; 2],
    way: Way,
}

fn key() -> CacheKey {
    CacheKey::from_pair("key", "k")
}

fn value() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(vec![1]), Stamp::now())
}

fn layers(way: Way) -> ([Layer; 2], [Arc<MemoryBackend>; 2], [Faults; 2]) {
    let memory = [(); 2].map(|()| Arc::new(MemoryBackend::new()));
    let (l1, in_l1) = FaultyBackend::new(Arc::clone(&memory[0]));
    let (l2, in_l2) = FaultyBackend::new(Arc::clone(&memory[1]));
    let awaited = |layer: FaultyBackend<Arc<MemoryBackend>>| -> Layer {
        Arc::new(layer.deadline(Duration::from_secs(1)).unwrap())
    };
    let layers: [Layer; 2] = match way {
        Way::InPlace | Way::Bulk => [Arc::new(l1), Arc::new(l2)],
        Way::L1InPlace => [Arc::new(l1), awaited(l2)],
        Way::Awaited => [awaited(l1), awaited(l2)],
    };
    (layers, memory, [in_l1, in_l2])
}

/// A stage for each read policy and refill policy.
fn stages(way: Way) -> Vec<(String, Stage)> {
    let mut stages = Vec::new();
    for refill in [
        RefillPolicy::Always,
        RefillPolicy::Never,
        RefillPolicy::Repair,
    ] {
        for read in ["sequential", "race", "parallel"] {
            let ([l1, l2], memory, faults) = layers(way);
            let policy = CompositionPolicy::new().refill(refill);
            let cache: Layer = match read {
                "sequential" => {
                    let policy = policy.read(SequentialReadPolicy::new());
                    Arc::new(l1.compose_with(l2, DisabledOffload, policy))
                }
                "race" => {
                    let policy = policy.read(RaceReadPolicy::new());
                    Arc::new(l1.compose_with(l2, DisabledOffload, policy))
                }
                _ => {
                    let policy = policy.read(ParallelReadPolicy::new());
                    Arc::new(l1.compose_with(l2, DisabledOffload, policy))
                }
            };
            let stage = Stage {
                cache,
                memory,
                faults,
                way,
            };
            stages.push((format!("{way:?} {read} {refill:?}"), stage));
        }
    }
    stages
}

impl Stage {
    /// The status of a read, if it succeeds, and what failed.
    async fn read(&self, context: &mut BoxContext) -> Option<CacheStatus> {
        let outcome = match self.way {
            Way::InPlace | Way::L1InPlace | Way::Awaited => {
                self.cache.read_with(&key(), context).await
            }
            Way::Bulk => {
                let other = CacheKey::from_pair("key", "other");
                let mut contexts = [context.clone(), BoxContext::default()];
                let keys = [key(), other];
                let outcomes = self.cache.read_many_with(&keys, &mut contexts).await;
                let [noted, _] = contexts;
                *context = noted;
                outcomes.into_iter().next().unwrap()
            }
        };
        outcome.ok().map(|_| context.status())
    }
}

/// What a context says, in words.
fn told(context: &BoxContext) -> Vec<String> {
    context.failures().iter().map(ToString::to_string).collect()
}

const IN_L1: &str = "composition.memory L1: unavailable";
const IN_L2: &str = "composition.memory L2: unavailable";

#[tokio::test(start_paused = true)]
async fn a_miss_beside_a_failure_names_the_layer_and_the_kind() {
    for way in WAYS {
        for (case, stage) in stages(way) {
            for failing in CompositionLayer::BOTH {
                let reads = stage.faults[failing as usize].reads();
                reads.always(Fault::FailBeforeEffect);
                let mut context = BoxContext::default();
                let status = stage.read(&mut context).await;
                assert_eq!(status, Some(CacheStatus::Miss), "{case} {failing}");
                let failure = &context.failures()[0];
                assert_eq!(failure.layer(), Some(failing), "{case}");
                assert_eq!(failure.kind(), BackendErrorKind::Unavailable, "{case}");
                assert_eq!(failure.backend().as_str(), "composition.memory", "{case}");
                assert_eq!(context.failures().len(), 1, "{case} {failing}");
                reads.heal();

                // The same context again: what it was told before is gone.
                let status = stage.read(&mut context).await;
                assert_eq!(status, Some(CacheStatus::Miss), "{case} {failing}");
                assert_eq!(told(&context), [""; 0], "{case} {failing}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hit_beside_a_failure_says_so_where_the_layer_was_waited_for() {
    for way in WAYS {
        for (case, stage) in stages(way) {
            stage.memory[1].write(&key(), value()).await.unwrap();
            stage.faults[0].reads().always(Fault::FailBeforeEffect);
            let mut context = BoxContext::default();
            let status = stage.read(&mut context).await;
            assert_eq!(status, Some(CacheStatus::Hit), "{case}");
            let source = ResponseSource::Backend("composition.memory".into());
            assert_eq!(context.source(), &source, "{case}");
            // A race may be over before L1 has failed.
            if !(case.contains("race") && context.failures().is_empty()) {
                assert_eq!(told(&context), [IN_L1], "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_both_names_both() {
    for way in WAYS {
        for (case, stage) in stages(way) {
            for faults in &stage.faults {
                faults.reads().always(Fault::FailBeforeEffect);
            }
            let mut context = BoxContext::default();
            assert_eq!(stage.read(&mut context).await, None, "{case}");
            let mut told = told(&context);
            told.sort();
            assert_eq!(told, [IN_L1, IN_L2], "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_way_to_a_nested_layer_is_told() {
    for way in WAYS {
        let ([l1, l2], _, faults) = layers(way);
        let inner = l1.compose(l2, DisabledOffload).with_label("inner".into());
        let outer = MemoryBackend::new().compose(inner, DisabledOffload);
        faults[1].reads().always(Fault::FailBeforeEffect);
        let mut contexts = [BoxContext::default()];
        match way {
            Way::Bulk => {
                let outcomes = outer.read_many_with(&[key()], &mut contexts).await;
                assert_eq!(outcomes[0].as_ref().unwrap(), &None);
            }
            Way::InPlace | Way::L1InPlace | Way::Awaited => {
                let outcome = outer.read_with(&key(), &mut contexts[0]).await;
                assert_eq!(outcome.unwrap(), None);
            }
        }
        let expected = "composition.inner.memory L2.L2: unavailable";
        assert_eq!(told(&contexts[0]), [expected], "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn typed_reads_tell_it_too() {
    let ([l1, l2], _, faults) = layers(Way::InPlace);
    let cache = l1.compose(l2, DisabledOffload);
    faults[1].reads().always(Fault::FailBeforeEffect);
    let mut context = BoxContext::default();
    let found = cache.get_with::<u8>(&key(), &mut context).await.unwrap();
    assert_eq!((found, told(&context)), (None, vec![IN_L2.to_owned()]));
    let mut contexts = [BoxContext::default(), BoxContext::default()];
    let keys = [key(), key()];
    let _found = cache.get_many_with::<u8>(&keys, &mut contexts).await;
    assert!(contexts.iter().all(|context| told(context) == [IN_L2]));
    // A backend that is no composition says nothing of its own, and nothing of others.
    let memory = MemoryBackend::new();
    memory.get_with::<u8>(&key(), &mut context).await.unwrap();
    assert_eq!(told(&context), [""; 0]);
    let _found = memory.get_many_with::<u8>(&keys, &mut contexts).await;
    assert!(contexts.iter().all(|context| !context.has_failures()));
}

/// A context of another type.
#[derive(Clone, Debug, Default)]
struct Other {
    inner: CacheContext,
    failures: Failures,
}

impl Context for Other {
    fn status(&self) -> CacheStatus {
        self.inner.status()
    }
    fn set_status(&mut self, status: CacheStatus) {
        self.inner.set_status(status);
    }
    fn source(&self) -> &ResponseSource {
        self.inner.source()
    }
    fn set_source(&mut self, source: ResponseSource) {
        self.inner.set_source(source);
    }
    fn clone_box(&self) -> Box<dyn Context> {
        Box::new(self.clone())
    }
    fn failures(&self) -> &[LayerFailure] {
        &self.failures
    }
    fn set_failures(&mut self, failures: Failures) {
        self.failures = failures;
    }
    fn take_failures(&mut self) -> Failures {
        std::mem::take(&mut self.failures)
    }
}

#[tokio::test(start_paused = true)]
async fn contexts_of_other_types_may_keep_them() {
    for way in [Way::InPlace, Way::Awaited] {
        for (case, stage) in stages(way) {
            stage.faults[1].reads().always(Fault::FailBeforeEffect);
            let mut context = BoxContext::new(Other::default());
            assert_eq!(stage.read(&mut context).await, Some(CacheStatus::Miss));
            assert_eq!(told(&context), [IN_L2], "{case}");
        }
    }
}
