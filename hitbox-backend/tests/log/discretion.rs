//! No part of a value is logged, whatever goes wrong with it.

use std::{fmt::Debug, sync::Arc, time::Duration};

use bytes::Bytes;
use hitbox_backend::{
    Backend, BackendExt, BincodeFormat, CacheBackend, CircuitBreakerConfig, Compose,
    CompositionPolicy, Format, JsonFormat, OffloadManager, PostcardFormat, RefillPolicy, Rejection,
    RetryConfig,
    chaos::{ChaosBackend, Failure, Fault as ChaosFault, Late, Script},
    conformance::{Fault, FaultyBackend, MemoryBackend},
};
use hitbox_core::{
    CacheContext, CacheKey, CacheValue, CompressorId, DisabledOffload, Encoding, Offload, Raw,
    Stamp,
};
use test_servers::log::record_all;
use tokio::time::sleep;

/// What values are full of.
const MARK: &str = "hunter2";
const SECOND: Duration = Duration::from_secs(1);

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("number", number.to_string())
}

fn marked() -> CacheValue<Raw> {
    CacheValue::loaded(Raw::from(Bytes::from(MARK.repeat(20))), Stamp::now())
}

/// As text, as a list of numbers and in hexadecimal digits.
fn assert_discreet(shown: &str) {
    let bytes = MARK.as_bytes();
    let list = format!("{bytes:?}");
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    for form in [MARK, list.trim_matches(['[', ']']), &digits] {
        assert!(!shown.to_lowercase().contains(form), "{shown}");
    }
}

/// All that was told is discreet, and these were told.
fn assert_all_discreet(lines: &[String], told: &[&str]) {
    lines.iter().for_each(|line| assert_discreet(line));
    for message in told {
        let found = lines.iter().any(|line| line.contains(message));
        assert!(found, "nobody told {message:?}: {lines:#?}");
    }
}

fn assert_error_discreet<T: Debug>(outcome: Result<T, hitbox_backend::BackendError>) {
    let error = outcome.unwrap_err();
    assert_discreet(&format!("{error} {error:?} {error:#?}"));
}

#[tokio::test(start_paused = true)]
async fn of_a_layer_that_fails() {
    let recorder = record_all();
    let (l1, l1_faults) = FaultyBackend::new(MemoryBackend::new());
    let (l2, l2_faults) = FaultyBackend::new(MemoryBackend::new());
    let offload = OffloadManager::builder().build().unwrap();
    let cache = l1.compose(l2, offload.clone());

    let overtaken = marked();
    l1_faults.writes().always(Fault::FailBeforeEffect);
    cache.write(&key(0), marked()).await.unwrap();
    sleep(SECOND).await;
    l1_faults.writes().always(Fault::HangBeforeEffect);
    sleep(60 * SECOND).await;
    l1_faults.heal();
    sleep(60 * SECOND).await;
    assert_eq!(cache.pending_repairs(), []);

    l1_faults.reads().always(Fault::FailBeforeEffect);
    l1_faults.writes().always(Fault::FailBeforeEffect);
    assert!(cache.read(&key(0)).await.unwrap().is_some());
    cache.write(&key(0), overtaken).await.unwrap();
    for faults in [&l1_faults, &l2_faults] {
        faults.reads().always(Fault::FailBeforeEffect);
        faults.writes().always(Fault::FailBeforeEffect);
        faults.removes().always(Fault::FailBeforeEffect);
    }
    assert_error_discreet(cache.read(&key(0)).await);
    assert_error_discreet(cache.write(&key(0), marked()).await);
    assert_error_discreet(cache.remove(&key(0)).await);
    assert_discreet(&format!("{:?} {cache:?}", cache.pending_repairs()));
    offload.close(SECOND).await;

    assert_all_discreet(
        &recorder.take_of_this_thread(),
        &[
            "a layer fails",
            "an operation on a layer failed",
            "a repair failed",
            "a repair took too long",
            "a layer answers again",
            "a write was older than what was done to the key since",
            "the background is closed",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn of_repairs_in_both_directions_and_without_a_background() {
    let recorder = record_all();
    let (l1, faults) = FaultyBackend::new(MemoryBackend::new());
    let policy = CompositionPolicy::new().refill(RefillPolicy::Repair);
    let cache = l1.compose_with(MemoryBackend::new(), DisabledOffload, policy);
    faults.writes().always(Fault::FailBeforeEffect);
    cache.write(&key(0), marked()).await.unwrap();
    assert!(cache.read(&key(0)).await.unwrap().is_some());
    assert_all_discreet(
        &recorder.take_of_this_thread(),
        &["a layer fails", "a repair failed"],
    );
}

#[tokio::test]
async fn of_what_is_rejected() {
    let recorder = record_all();
    let cache = MemoryBackend::new().compose(MemoryBackend::new(), DisabledOffload);
    let text = MARK.repeat(20);
    let formats: [&dyn Format; 3] = [&BincodeFormat, &JsonFormat, &PostcardFormat];
    for format in formats {
        let whole = format.encode(&text).unwrap();
        let cut = whole[..whole.len() - 1].to_vec();
        for payload in [whole, cut, text.clone().into_bytes()] {
            let encoding = Encoding {
                format: format.id(),
                compressor: CompressorId::NONE,
                shape: 0,
            };
            let raw = Raw::new(Bytes::from(payload), encoding);
            cache
                .write(&key(0), CacheValue::loaded(raw, Stamp::now()))
                .await
                .unwrap();
            let mut context = CacheContext::default().boxed();
            let found = cache
                .get_with::<Vec<Option<bool>>>(&key(0), &mut context)
                .await;
            assert!(found.unwrap().is_none());
            let found = cache
                .get_with::<(u8, bool, char)>(&key(0), &mut context)
                .await;
            assert!(found.unwrap().is_none());
        }
    }
    // A value that was written as another type than it is asked for.
    let value = CacheValue::loaded(Arc::new(text), Stamp::now());
    cache.set(&key(0), value).await.unwrap();
    let mut context = CacheContext::default().boxed();
    assert!(
        cache
            .get_with::<u64>(&key(0), &mut context)
            .await
            .unwrap()
            .is_none()
    );
    for reason in [
        Rejection::Foreign,
        Rejection::Checksum,
        Rejection::Compression,
    ] {
        cache.reject(&key(0), reason);
    }
    assert_all_discreet(
        &recorder.take_of_this_thread(),
        &[
            "stored bytes not served",
            &Rejection::Undecodable.to_string(),
            &Rejection::Type.to_string(),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn of_chaos_and_of_the_wrappers_around_it() {
    let recorder = record_all();
    let faults = [
        ChaosFault::Delay(SECOND),
        ChaosFault::Fail(Failure::Internal),
        ChaosFault::LoseAnswer,
        ChaosFault::Late(Late::AFTER_THE_NEXT_CALL),
        ChaosFault::BreakOff,
        ChaosFault::Tear,
        ChaosFault::Corrupt,
        ChaosFault::Distort,
    ];
    for fault in faults {
        let chaos = ChaosBackend::builder(MemoryBackend::new())
            .script(Script::writes([Some(fault)]))
            .script(Script::reads([
                None,
                Some(ChaosFault::Corrupt),
                Some(ChaosFault::BreakOff),
            ]))
            .build()
            .unwrap();
        let retry = RetryConfig::new().within(60 * SECOND);
        let cache = chaos.retry(retry).unwrap();
        let _whatever_comes_of_it = cache.write(&key(0), marked()).await;
        for _ in 0..3 {
            let _whatever_comes_of_it = cache.read(&key(0)).await;
        }
        assert_discreet(&format!("{cache:?}"));
    }
    let (down, faults) = FaultyBackend::new(MemoryBackend::new());
    faults.writes().always(Fault::HangBeforeEffect);
    let down = down.deadline(SECOND).unwrap();
    let breaker = down.circuit_breaker(CircuitBreakerConfig::new()).unwrap();
    for _ in 0..6 {
        assert_error_discreet(breaker.write(&key(0), marked()).await);
    }
    assert_all_discreet(
        &recorder.take_of_this_thread(),
        &[
            "fault injected",
            "trying again",
            "stored bytes not served",
            "circuit opened",
        ],
    );
}

#[tokio::test]
async fn of_work_that_is_lost() {
    let recorder = record_all();
    let offload = OffloadManager::builder().max_running(1).max_pending(0);
    let offload = offload.build().unwrap();
    for _ in 0..2 {
        let value = marked();
        offload.register("write", async move {
            std::future::pending::<()>().await;
            drop(value);
        });
    }
    assert_all_discreet(&recorder.take_of_this_thread(), &["offloaded work lost"]);
}
