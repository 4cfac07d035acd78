//! Switches and counts, while the backend is in use.

use hitbox_backend::{
    Backend, BackendErrorKind, Operation,
    chaos::{Chaos, ChaosHandle, Fault, FaultKind, Late, Script},
};
use hitbox_core::{CacheValue, Raw, Stamp};

use crate::chaos::{build, builder, found, key, once, scripted, value, within};

#[tokio::test]
async fn calm_fail_everything_and_resume() {
    let (subject, handle) = build(builder().writes(Chaos::new().fail(1.0)));
    handle.calm();
    subject.write(&key(), value(1)).await.unwrap();
    assert_eq!(handle.injected_in_all(), 0);

    handle.fail_everything();
    let error = subject.read(&key()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(subject.write(&key(), value(2)).await.is_err());
    assert!(subject.remove(&key()).await.is_err());
    assert_eq!(within(&subject, &key()).await, Some(1));
    assert_eq!(handle.injected(FaultKind::Fail), 3);

    handle.resume();
    assert_eq!(found(&subject, &key()).await, Some(1));
    assert!(subject.write(&key(), value(3)).await.is_err());
    assert_eq!(handle.injected_in_all(), 4);
}

#[tokio::test]
async fn calls_in_the_calm_and_the_outage_change_nothing_that_comes_after() {
    async fn log(prepare: impl AsyncFnOnce(&crate::chaos::Subject, &ChaosHandle)) -> Vec<String> {
        let (subject, handle) = build(
            builder()
                .seed(3)
                .script(Script::reads([None, Some(Fault::LoseAnswer)]))
                .reads(Chaos::new().fail(0.5)),
        );
        prepare(&subject, &handle).await;
        handle.resume();
        let already = handle.recent().len();
        for _ in 0..50 {
            let _outcome = subject.read(&key()).await;
        }
        let recent = handle.recent().split_off(already);
        recent.iter().map(|one| format!("{one:?}")).collect()
    }
    let undisturbed = log(async |_, _| {}).await;
    let prepared = log(async |subject, handle| {
        handle.calm();
        subject.read(&key()).await.unwrap();
        handle.fail_everything();
        assert!(subject.read(&key()).await.is_err());
    });
    assert!(undisturbed.len() > 10);
    assert_eq!(undisturbed, prepared.await);
}

#[tokio::test]
async fn what_hangs_in_the_calm_hangs_until_it_is_let_go() {
    let (subject, handle) = scripted(Script::reads(once(Fault::Hang)));
    let key = key();
    let mut read = Box::pin(subject.read(&key));
    assert!(futures::poll!(&mut read).is_pending());
    handle.calm();
    assert!(futures::poll!(&mut read).is_pending());
    assert_eq!(handle.hanging(), 1);
    handle.release();
    assert!(futures::poll!(&mut read).is_ready());
}

#[tokio::test]
async fn every_kind_has_a_count_of_its_own() {
    for (index, kind) in FaultKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, index);
    }
    let (subject, handle) = scripted(Script::writes([
        Some(Fault::LoseAnswer),
        Some(Fault::Tear),
        Some(Fault::Tear),
    ]));
    for _ in 0..3 {
        let _outcome = subject.write(&key(), value(1)).await;
    }
    assert_eq!(handle.injected(FaultKind::LoseAnswer), 1);
    assert_eq!(handle.injected(FaultKind::Tear), 2);
    assert_eq!(handle.injected_in_all(), 3);
    let last = handle.recent().pop().unwrap();
    assert_eq!((last.operation, last.call), (Operation::Write, 3));
    assert_eq!((last.key, last.fault), (key(), Fault::Tear));
}

#[tokio::test]
async fn only_the_newest_faults_are_remembered() {
    let (subject, handle) = build(builder().removes(Chaos::new().fail(1.0)));
    for _ in 0..1_030 {
        assert!(subject.remove(&key()).await.is_err());
    }
    let calls: Vec<u64> = handle.recent().iter().map(|one| one.call).collect();
    assert_eq!(calls, (7..=1_030).collect::<Vec<_>>());
    assert_eq!(handle.injected_in_all(), 1_030);
}

#[tokio::test]
async fn no_value_is_shown() {
    let (subject, handle) =
        build(builder().writes(Chaos::new().late(1.0, Late::AFTER_THE_NEXT_CALL)));
    let secret = Raw::from(b"secret".to_vec());
    let secret = CacheValue::loaded(secret, Stamp::now());
    assert!(subject.write(&key(), secret).await.is_err());
    for shown in [format!("{subject:?}"), format!("{handle:?}")] {
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
        assert!(shown.contains("late: 1"), "{shown}");
    }
}
