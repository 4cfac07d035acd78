//! The same seed, the same faults, also with several tasks; and as many as were asked for.

use std::{sync::Arc, time::Duration};

use hitbox_backend::{
    Backend,
    chaos::{Chaos, FaultKind, Injection, Late},
};
use hitbox_core::CacheKey;

use crate::chaos::{build, builder, value};

fn everything() -> Chaos {
    Chaos::new()
        .fail(0.1)
        .delay(0.1, Duration::ZERO..=Duration::from_micros(200))
        .lose_answer(0.1)
        .break_off(0.1)
}

fn sorted(mut injections: Vec<Injection>) -> Vec<String> {
    injections.sort_by_key(|one| {
        (
            one.key.to_string(),
            format!("{:?}", one.operation),
            one.call,
        )
    });
    injections.iter().map(|one| format!("{one:?}")).collect()
}

/// One task a key; the order in which they come is the scheduler's.
async fn faults_with_tasks(seed: u64) -> Vec<String> {
    let (subject, handle) = build(
        builder()
            .seed(seed)
            .reads(everything().corrupt(0.1))
            .writes(everything().tear(0.1).late(0.1, Late::AFTER_THE_NEXT_CALL))
            .removes(everything()),
    );
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let subject = Arc::clone(&subject);
            tokio::spawn(async move {
                let key = CacheKey::from_pair("task", task.to_string());
                for round in 0..15 {
                    let _outcome = subject.write(&key, value(round)).await;
                    let _outcome = subject.read(&key).await;
                    tokio::task::yield_now().await;
                    let _outcome = subject.remove(&key).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let recent = handle.recent();
    // All of them are there to be compared.
    assert_eq!(recent.len() as u64, handle.injected_in_all());
    sorted(recent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_seed_replays_with_concurrent_tasks() {
    let first = faults_with_tasks(7).await;
    assert!(first.len() > 300, "{}", first.len());
    for _ in 0..3 {
        assert_eq!(faults_with_tasks(7).await, first);
    }
    assert_ne!(faults_with_tasks(8).await, first);
}

#[tokio::test]
async fn as_many_faults_as_were_asked_for() {
    let (subject, handle) = build(
        builder()
            .seed(7)
            .reads(Chaos::new().fail(0.1).lose_answer(0.05).corrupt(0.01)),
    );
    for call in 0..10_000 {
        let key = CacheKey::from_pair("id", (call % 100).to_string());
        let _outcome = subject.read(&key).await;
    }
    let injected = |kind| handle.injected(kind);
    let counts = [FaultKind::Fail, FaultKind::LoseAnswer, FaultKind::Corrupt].map(injected);
    // Within four standard deviations of 1,000, 500 and 100; exact, since the seed is.
    assert_eq!(counts, [1_027, 468, 103]);
    for (count, probability) in counts.into_iter().zip([0.1, 0.05, 0.01_f64]) {
        let deviation = (10_000.0 * probability * (1.0 - probability)).sqrt();
        assert!((count as f64 - 10_000.0 * probability).abs() < 4.0 * deviation);
    }
}

#[tokio::test]
async fn neither_never_nor_always_is_left_to_chance() {
    let (subject, handle) = build(
        builder()
            .reads(Chaos::new().hang(0.0))
            .writes(Chaos::new().hang(0.0).fail(1.0)),
    );
    for call in 0..1_000 {
        let key = CacheKey::from_pair("id", call.to_string());
        assert!(subject.read(&key).await.is_ok());
        assert!(subject.write(&key, value(1)).await.is_err());
    }
    assert_eq!(handle.injected(FaultKind::Fail), 1_000);
}

#[tokio::test]
async fn two_keys_do_not_meet_the_same_faults() {
    let (subject, handle) = build(builder().reads(Chaos::new().fail(0.5)));
    let [one, two] = crate::chaos::keys();
    for _ in 0..64 {
        let _outcome = subject.read(&one).await;
        let _outcome = subject.read(&two).await;
    }
    let calls_of = |key: &CacheKey| -> Vec<u64> {
        let of_key = handle.recent().into_iter().filter(|met| met.key == *key);
        of_key.map(|met| met.call).collect()
    };
    assert_ne!(calls_of(&one), calls_of(&two));
}
