//! Each fault of single calls, one by one.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, DeleteStatus, Operation, Repeated,
    chaos::{Chaos, Failure, Fault, FaultKind, Late, Script},
};
use hitbox_core::{BoxContext, CacheStatus, ResponseSource};
use tokio::time::Instant;

use crate::chaos::{alive_tasks, build, builder, found, key, keys, once, scripted, value, within};

#[tokio::test(start_paused = true)]
async fn a_delay_comes_before_the_effect_and_keeps_to_its_range() {
    let range = Duration::from_millis(10)..=Duration::from_millis(20);
    let (subject, handle) = build(builder().writes(Chaos::new().delay(1.0, range.clone())));
    for round in 0..50 {
        let began = Instant::now();
        subject.write(&key(), value(round)).await.unwrap();
        let took = began.elapsed();
        // The timer rounds up to the next millisecond.
        let latest = *range.end() + Duration::from_millis(1);
        assert!(*range.start() <= took && took <= latest, "{took:?}");
    }
    assert_eq!(handle.injected(FaultKind::Delay), 50);

    let exact = Fault::Delay(Duration::from_millis(15));
    let (subject, _handle) = scripted(Script::writes(once(exact)));
    let writer = Arc::clone(&subject);
    let write = tokio::spawn(async move { writer.write(&key(), value(1)).await });
    tokio::time::sleep(Duration::from_millis(14)).await;
    assert_eq!(within(&subject, &key()).await, None);
    write.await.unwrap().unwrap();
    assert_eq!(within(&subject, &key()).await, Some(1));
}

#[tokio::test]
async fn a_failure_has_its_kind_and_no_effect() {
    let kinds = [
        (Failure::Unavailable, BackendErrorKind::Unavailable, false),
        (Failure::Timeout, BackendErrorKind::Timeout, false),
        (Failure::Throttled, BackendErrorKind::Throttled, true),
        (Failure::Full, BackendErrorKind::Full, true),
        (Failure::Denied, BackendErrorKind::Denied, true),
        (Failure::Internal, BackendErrorKind::Internal, false),
    ];
    for (failure, kind, is_definite) in kinds {
        let (subject, handle) = build(builder().writes(Chaos::new().fail_with(1.0, failure)));
        let error = subject.write(&key(), value(1)).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.is_definite(), is_definite, "{failure:?}");
        assert_eq!(error.operation(), Operation::Write);
        assert_eq!(error.label().as_str(), "memory");
        assert_eq!(within(&subject, &key()).await, None);
        assert_eq!(handle.injected(FaultKind::Fail), 1);
    }
}

#[tokio::test]
async fn each_operation_meets_its_own_faults() {
    let (subject, _handle) = build(
        builder()
            .reads(Chaos::new().fail_with(1.0, Failure::Denied))
            .removes(Chaos::new().fail_with(1.0, Failure::Throttled)),
    );
    subject.write(&key(), value(1)).await.unwrap();
    subject.refill(&key(), value(2)).await.unwrap();
    let error = subject.read(&key()).await.unwrap_err();
    assert_eq!(error.operation(), Operation::Read);
    assert_eq!(error.kind(), BackendErrorKind::Denied);
    let error = subject.remove(&key()).await.unwrap_err();
    assert_eq!(error.operation(), Operation::Remove);
    assert_eq!(error.kind(), BackendErrorKind::Throttled);
    assert_eq!(within(&subject, &key()).await, Some(2));

    let (subject, _handle) = build(builder().writes(Chaos::new().fail(1.0)));
    assert!(subject.refill(&key(), value(1)).await.is_err());
    assert_eq!(found(&subject, &key()).await, None);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_effect() {
    let (subject, handle) = build(
        builder()
            .writes(Chaos::new().lose_answer(1.0))
            .removes(Chaos::new().lose_answer(1.0)),
    );
    let error = subject.write(&key(), value(1)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Timeout);
    assert!(!error.is_definite());
    assert_eq!(within(&subject, &key()).await, Some(1));
    assert!(subject.remove(&key()).await.is_err());
    assert_eq!(within(&subject, &key()).await, None);
    assert_eq!(handle.injected(FaultKind::LoseAnswer), 2);
}

#[tokio::test]
async fn a_read_whose_answer_is_lost_leaves_no_trace_in_the_context() {
    let (subject, _handle) = scripted(Script::reads(once(Fault::LoseAnswer)));
    subject.write(&key(), value(1)).await.unwrap();
    let mut context = BoxContext::default();
    assert!(subject.read_with(&key(), &mut context).await.is_err());
    assert_eq!(context.status(), CacheStatus::Miss);
    assert_eq!(*context.source(), ResponseSource::Upstream);
    subject.read_with(&key(), &mut context).await.unwrap();
    assert_eq!(context.status(), CacheStatus::Hit);
    assert_eq!(context.source().to_string(), "memory");
}

#[tokio::test]
async fn what_hangs_takes_effect_when_let_go_and_never_when_dropped() {
    let (subject, handle) = scripted(Script::writes([Some(Fault::Hang); 2]));
    let writer = Arc::clone(&subject);
    let write = tokio::spawn(async move { writer.write(&key(), value(1)).await });
    handle.wait_until_hanging(1).await;
    assert_eq!(within(&subject, &key()).await, None);
    handle.release();
    write.await.unwrap().unwrap();
    assert_eq!(within(&subject, &key()).await, Some(1));
    assert_eq!(handle.hanging(), 0);

    let writer = Arc::clone(&subject);
    let write = tokio::spawn(async move { writer.write(&key(), value(2)).await });
    handle.wait_until_hanging(1).await;
    write.abort();
    assert!(write.await.unwrap_err().is_cancelled());
    assert_eq!((handle.hanging(), alive_tasks()), (0, 0));
    handle.release();
    assert_eq!(within(&subject, &key()).await, Some(1));
}

#[tokio::test]
async fn what_hangs_after_its_effect_has_it_even_when_dropped() {
    let (subject, handle) = scripted(Script::removes(once(Fault::HangAfterEffect)));
    subject.write(&key(), value(1)).await.unwrap();
    let remover = Arc::clone(&subject);
    let remove = tokio::spawn(async move { remover.remove(&key()).await });
    handle.wait_until_hanging(1).await;
    assert_eq!(within(&subject, &key()).await, None);
    remove.abort();
    assert!(remove.await.unwrap_err().is_cancelled());
    assert_eq!((handle.hanging(), alive_tasks()), (0, 0));
}

#[tokio::test]
async fn a_release_before_the_call_gets_to_hang_does_not_end_a_later_one() {
    let (subject, handle) = scripted(Script::reads(once(Fault::Hang)));
    handle.release();
    let key = key();
    let mut read = Box::pin(subject.read(&key));
    assert!(futures::poll!(&mut read).is_pending());
    handle.release();
    assert!(futures::poll!(&mut read).is_ready());
}

#[tokio::test]
async fn a_late_write_undoes_what_came_after_it() {
    let late = Fault::Late(Late::AFTER_THE_NEXT_CALL);
    let (subject, handle) = scripted(Script::writes(once(late)));
    let error = subject.write(&key(), value(1)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Timeout);
    assert_eq!(handle.late(), 1);
    let [other] = keys();
    subject.write(&other, value(9)).await.unwrap();
    assert_eq!(within(&subject, &key()).await, None);

    subject.write(&key(), value(2)).await.unwrap();
    assert_eq!(within(&subject, &key()).await, Some(1));
    assert_eq!((handle.late(), alive_tasks()), (0, 0));
}

#[tokio::test]
async fn the_first_attempt_of_a_repeated_write_undoes_what_came_after_it() {
    let repeat = Fault::Repeat(Late::AFTER_THE_NEXT_CALL);
    let (subject, handle) = scripted(Script::writes(once(repeat)));
    let error = subject.write(&key(), value(1)).await.unwrap_err();
    assert_eq!(error.repeated(), Some(Repeated::Write));
    assert_eq!(within(&subject, &key()).await, Some(1));
    subject.write(&key(), value(2)).await.unwrap();
    assert_eq!(within(&subject, &key()).await, Some(1));
    assert_eq!(handle.late(), 0);
    assert_eq!(handle.injected(FaultKind::Repeat), 1);
}

#[tokio::test]
async fn a_repeated_remove_says_what_it_found() {
    let repeat = Fault::Repeat(Late::AFTER_THE_NEXT_CALL);
    let (subject, _handle) = scripted(Script::removes(once(repeat)));
    subject.write(&key(), value(1)).await.unwrap();
    let error = subject.remove(&key()).await.unwrap_err();
    assert_eq!(
        error.repeated(),
        Some(Repeated::Remove(DeleteStatus::Deleted(1)))
    );
    subject.write(&key(), value(2)).await.unwrap();
    assert_eq!(within(&subject, &key()).await, None);
}

#[tokio::test]
async fn a_late_remove_comes_after_as_many_calls_as_told() {
    let late = Late::AfterCalls(NonZeroU32::new(3).unwrap());
    let (subject, _handle) = scripted(Script::removes(once(Fault::Late(late))));
    subject.write(&key(), value(1)).await.unwrap();
    assert!(subject.remove(&key()).await.is_err());
    assert_eq!(found(&subject, &key()).await, Some(1));
    assert_eq!(found(&subject, &key()).await, Some(1));
    // The third call itself still finds the value.
    assert_eq!(found(&subject, &key()).await, Some(1));
    assert_eq!(found(&subject, &key()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_comes_when_its_time_has_passed() {
    let late = Late::After(Duration::from_secs(1));
    let (subject, handle) = scripted(Script::writes(once(Fault::Late(late))));
    assert!(subject.write(&key(), value(1)).await.is_err());
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(found(&subject, &key()).await, None);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(found(&subject, &key()).await, Some(1));
    assert_eq!(handle.late(), 0);
}

#[tokio::test]
async fn late_effects_can_be_called_for() {
    let late = |calls| {
        Some(Fault::Late(Late::AfterCalls(
            NonZeroU32::new(calls).unwrap(),
        )))
    };
    let (subject, handle) = scripted(Script::writes([late(9), late(8)]));
    assert!(subject.write(&key(), value(1)).await.is_err());
    assert!(subject.refill(&key(), value(2)).await.is_err());
    assert_eq!(handle.late(), 2);
    subject.carry_out_late().await;
    // The oldest first.
    assert_eq!(within(&subject, &key()).await, Some(2));
    assert_eq!(handle.late(), 0);
}

#[tokio::test]
async fn a_connection_that_breaks_has_no_effect_on_a_single_call() {
    let (subject, handle) = scripted(Script::removes(once(Fault::BreakOff)));
    subject.write(&key(), value(1)).await.unwrap();
    let error = subject.remove(&key()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert_eq!(found(&subject, &key()).await, Some(1));
    assert_eq!(handle.injected(FaultKind::BreakOff), 1);
    assert_eq!(
        subject.remove(&key()).await.unwrap(),
        DeleteStatus::Deleted(1)
    );
}
