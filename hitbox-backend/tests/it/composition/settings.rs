//! No builder panics at any value of any setting, and what cannot work is refused by name (G5, C4).

use std::{fmt::Debug, num::NonZeroUsize, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, BackendExt, BackendResult, CacheKeyFormat, CircuitBreakerConfig,
    Compose, CompositionPolicy, FailureRate, OffloadManager, RepairBackoff, RepairPolicy,
    RetryConfig,
    chaos::{Chaos, ChaosBackend, Fault, Late, Script},
    conformance::{Fault as Scripted, FaultyBackend, MemoryBackend},
};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

const DURATIONS: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_micros(1),
    Duration::from_millis(1),
    Duration::from_secs(60),
    Duration::from_secs(24 * 60 * 60),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];
const NUMBERS: [u32; 4] = [0, 1, 1_000, u32::MAX];
const SIZES: [usize; 4] = [0, 1, 1_000, usize::MAX];
const PARTS: [f64; 8] = [
    f64::NAN,
    f64::NEG_INFINITY,
    -0.1,
    0.0,
    f64::MIN_POSITIVE,
    1.0,
    1.1,
    f64::INFINITY,
];

/// What was built, if it was; else it is told which setting is wrong.
fn built<T>(outcome: BackendResult<T>, setting: &str, value: impl Debug) -> Option<T> {
    match outcome {
        Ok(built) => Some(built),
        Err(error) => {
            let shown = error.to_string();
            assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
            assert!(shown.contains(setting), "{setting} = {value:?}: {shown}");
            assert!(shown.contains(": use "), "what to do? {shown}");
            None
        }
    }
}

/// Calls of all kinds, of which some fail: none panics.
async fn call(backend: &impl Backend) {
    let key = CacheKey::from_pair("id", "42");
    let value = || CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
    for _ in 0..3 {
        let _whatever = backend.write(&key, value()).await;
        let _whatever = backend.read(&key).await;
        let _whatever = backend.write_many(vec![(key.clone(), value())]).await;
        let _whatever = backend.remove(&key).await;
    }
}

/// A backend of which each operation fails twice.
fn failing() -> FaultyBackend<MemoryBackend> {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    for switch in [faults.reads(), faults.writes(), faults.removes()] {
        switch.next(2, Scripted::FailBeforeEffect);
    }
    backend
}

#[tokio::test(start_paused = true)]
async fn deadlines() {
    for time in DURATIONS {
        if let Some(backend) = built(failing().deadline(time), "deadline", time) {
            call(&backend).await;
        }
        let minute = failing().deadline(Duration::from_secs(60)).unwrap();
        if let Some(backend) = built(minute.changes_within(time), "deadline of changes", time) {
            call(&backend).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn circuit_breakers() {
    let mut configs = Vec::new();
    for number in NUMBERS {
        configs.push((
            "consecutive_failures",
            CircuitBreakerConfig::new().consecutive_failures(number),
        ));
    }
    for part in PARTS {
        configs.push(("jitter", CircuitBreakerConfig::new().jitter(part)));
        let rate = FailureRate::new(part);
        configs.push((
            "failure_rate",
            CircuitBreakerConfig::new().failure_rate(rate),
        ));
    }
    for size in SIZES {
        let rate = FailureRate::new(0.5);
        configs.push((
            "window",
            CircuitBreakerConfig::new().failure_rate(rate.window(size)),
        ));
        configs.push((
            "minimum_calls",
            CircuitBreakerConfig::new().failure_rate(rate.minimum_calls(size)),
        ));
    }
    for time in DURATIONS {
        configs.push((
            "open_for",
            CircuitBreakerConfig::new()
                .consecutive_failures(1)
                .open_for(time)
                .jitter(1.0),
        ));
        configs.push((
            "open_for_at_most",
            CircuitBreakerConfig::new()
                .consecutive_failures(1)
                .open_for_at_most(time),
        ));
    }
    for (setting, config) in configs {
        let shown = format!("{config:?}");
        if let Some(backend) = built(failing().circuit_breaker(config), setting, shown) {
            call(&backend).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retries() {
    let mut configs = Vec::new();
    for number in NUMBERS {
        configs.push(("retries", RetryConfig::new().retries(number)));
    }
    for time in DURATIONS {
        configs.push(("within", RetryConfig::new().within(time)));
        configs.push((
            "pauses",
            RetryConfig::new().pauses(time, Duration::from_secs(1)),
        ));
        configs.push((
            "pauses",
            RetryConfig::new().pauses(Duration::from_millis(1), time),
        ));
        configs.push((
            "pauses",
            RetryConfig::new().pauses(time, time).within(Duration::MAX),
        ));
    }
    for (setting, config) in configs {
        let shown = format!("{config:?}");
        if let Some(backend) = built(failing().retry(config), setting, shown) {
            call(&backend).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn offload_managers() {
    use hitbox_core::Offload;
    let mut builders = Vec::new();
    for size in SIZES {
        builders.push(("max_running", OffloadManager::builder().max_running(size)));
        builders.push(("max_pending", OffloadManager::builder().max_pending(size)));
    }
    for time in DURATIONS {
        builders.push(("task_timeout", OffloadManager::builder().task_timeout(time)));
    }
    for (setting, builder) in builders {
        let shown = format!("{builder:?}");
        let Some(offload) = built(builder.build(), setting, shown) else {
            continue;
        };
        offload.register("work", async {});
        for time in DURATIONS {
            offload.register_after(time, "later", async {});
        }
        offload.drain().await;
        offload.close(Duration::MAX).await;
    }
}

/// They are infallible, so every value has to mean something.
#[tokio::test(start_paused = true)]
async fn compositions() {
    let pace = RepairBackoff::new();
    let mut policies = Vec::new();
    for time in DURATIONS {
        policies.push(CompositionPolicy::new().l1_ttl(time));
        for pace in [
            pace.initial(time),
            pace.max(time),
            pace.initial(time).max(time),
            pace.attempt_timeout(time),
        ] {
            policies.push(CompositionPolicy::new().repair(RepairPolicy::Background(pace)));
        }
    }
    for size in SIZES.into_iter().filter_map(NonZeroUsize::new) {
        policies.push(CompositionPolicy::new().record_capacity(size));
    }
    for policy in policies {
        let offload = OffloadManager::builder().build().unwrap();
        let cache = failing().compose_with(failing(), offload.clone(), policy);
        call(&cache).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        offload.close(Duration::from_secs(60)).await;
    }
}

/// Documented at `l1_ttl`: an L1 that may keep values for no time keeps none.
#[tokio::test]
async fn a_first_layer_with_no_time_to_live_keeps_nothing() {
    let policy = CompositionPolicy::new().l1_ttl(Duration::ZERO);
    let offload = OffloadManager::builder().build().unwrap();
    let cache = MemoryBackend::new().compose_with(MemoryBackend::new(), offload, policy);
    let key = CacheKey::from_pair("id", "42");
    let value = CacheValue::loaded(Raw::from(vec![1]), Stamp::now());
    cache.write(&key, value).await.unwrap();
    assert!(cache.l1().read(&key).await.unwrap().is_none());
    assert!(cache.read(&key).await.unwrap().is_some());
    assert!(cache.l1().read(&key).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn chaos() {
    let mut faults = Vec::new();
    for part in PARTS {
        faults.push(("hang", Chaos::new().hang(part)));
        faults.push((
            "delay",
            Chaos::new().delay(part, Duration::ZERO..=Duration::ZERO),
        ));
    }
    for time in DURATIONS {
        faults.push(("delay", Chaos::new().delay(1.0, Duration::ZERO..=time)));
        faults.push(("delay", Chaos::new().delay(1.0, time..=Duration::MAX)));
        faults.push(("delay", Chaos::new().delay(1.0, time..=time)));
    }
    for (setting, chaos) in faults {
        let shown = format!("{chaos:?}");
        let builder = ChaosBackend::builder(MemoryBackend::new())
            .reads(chaos.clone())
            .writes(chaos);
        if let Some(backend) = built(builder.build(), setting, shown) {
            let _in_time = tokio::time::timeout(Duration::from_secs(1), call(&backend)).await;
        }
    }
    for time in DURATIONS {
        let script = Script::writes([
            Some(Fault::Late(Late::After(time))),
            Some(Fault::Delay(time)),
        ]);
        let backend = ChaosBackend::builder(MemoryBackend::new())
            .script(script)
            .build()
            .unwrap();
        let _in_time = tokio::time::timeout(Duration::from_secs(1), call(&backend)).await;
    }
}

/// A number without its unit or range would leave its reader to guess.
#[test]
fn what_is_refused_says_which_values_are_taken() {
    let refused = [
        failing().deadline(Duration::ZERO).err(),
        failing()
            .retry(RetryConfig::new().within(Duration::ZERO))
            .err(),
        OffloadManager::builder()
            .task_timeout(Duration::ZERO)
            .build()
            .err(),
    ];
    for error in refused {
        let shown = error.unwrap().to_string();
        assert!(shown.ends_with("use a millisecond or more"), "{shown}");
    }
}

#[test]
fn namespaces() {
    for name in [
        "",
        ":",
        "::",
        "a::b",
        "%",
        "\0",
        "\u{10FFFF}",
        &"n".repeat(100_000),
    ] {
        let format = CacheKeyFormat::namespaced(name);
        assert_eq!(format.namespace().is_empty(), name.is_empty());
    }
}
