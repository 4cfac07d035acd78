//! A call to a layer that hangs ends at its deadline, to the millisecond.

use std::{future::Future, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind, BackendExt, BackendResult, Deadline,
    conformance::{Fault, Faults, FaultyBackend, MemoryBackend},
};
use hitbox_core::{BoxContext, CacheStatus, ResponseSource};
use tokio::time::Instant;

use super::scripted::{key, value};

const READS: Duration = Duration::from_millis(50);
const CHANGES: Duration = Duration::from_millis(120);

fn hanging(fault: Fault) -> (Deadline<FaultyBackend<MemoryBackend>>, Faults) {
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    for switch in [faults.reads(), faults.writes(), faults.removes()] {
        switch.always(fault);
    }
    let backend = backend.deadline(READS).unwrap();
    (backend.changes_within(CHANGES).unwrap(), faults)
}

/// Holds if all of `call` fail by `Timeout`, exactly at `limit`.
async fn assert_times_out<T>(call: impl Future<Output = Vec<BackendResult<T>>>, limit: Duration) {
    let began = Instant::now();
    let outcomes = call.await;
    assert_eq!(began.elapsed(), limit);
    for outcome in outcomes {
        let error = outcome.map(drop).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Timeout);
        assert_eq!(error.label().as_str(), "memory");
        assert!(error.is_retryable() && !error.is_definite(), "{error:?}");
        assert!(error.to_string().contains(&format!("{limit:?}")), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_to_a_hanging_layer_ends_in_time() {
    for fault in [Fault::HangBeforeEffect, Fault::HangAfterEffect] {
        let (backend, faults) = hanging(fault);
        let (one, two) = (key("1"), key("2"));
        let keys = [one.clone(), two.clone()];
        let entries = || vec![(one.clone(), value(1)), (two.clone(), value(2))];
        assert_times_out(async { vec![backend.read(&one).await] }, READS).await;
        assert_times_out(backend.read_many(&keys), READS).await;
        assert_times_out(async { vec![backend.write(&one, value(1)).await] }, CHANGES).await;
        assert_times_out(
            async { vec![backend.refill(&one, value(1)).await] },
            CHANGES,
        )
        .await;
        assert_times_out(backend.write_many(entries()), CHANGES).await;
        assert_times_out(backend.refill_many(entries()), CHANGES).await;
        assert_times_out(async { vec![backend.remove(&one).await] }, CHANGES).await;
        assert_times_out(backend.remove_many(&keys), CHANGES).await;
        for switch in [faults.reads(), faults.writes(), faults.removes()] {
            assert_eq!(switch.hanging(), 0, "what was cut off still hangs");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_was_cut_off_counts_as_a_miss_in_its_context() {
    let (backend, _faults) = hanging(Fault::HangAfterEffect);
    let noted = || {
        let mut context = BoxContext::default();
        context.set_status(CacheStatus::Hit);
        context.set_source(ResponseSource::Backend("before".into()));
        context
    };
    let mut contexts = [noted(), noted(), noted()];
    let [single, in_bulk @ ..] = &mut contexts;
    assert!(backend.read_with(&key("1"), single).await.is_err());
    let outcomes = backend.read_many_with(&[key("1"), key("2")], in_bulk).await;
    assert!(outcomes.iter().all(Result::is_err));
    for context in contexts {
        assert_eq!(context.status(), CacheStatus::Miss);
        assert_eq!(*context.source(), ResponseSource::Upstream);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_passed_on() {
    let (backend, faults) = hanging(Fault::HangBeforeEffect);
    faults.heal();
    let key = key("1");
    backend.write(&key, value(1)).await.unwrap();
    faults.reads().always(Fault::HangBeforeEffect);
    let heal_just_in_time = async {
        tokio::time::sleep(READS - Duration::from_millis(1)).await;
        faults.heal();
    };
    let (found, ()) = futures::join!(backend.read(&key), heal_just_in_time);
    assert_eq!(found.unwrap().unwrap().data().payload().unwrap()[..], [1]);
}

#[test]
fn a_deadline_of_zero_is_refused() {
    let refused = MemoryBackend::new().deadline(Duration::ZERO).unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::InvalidConfiguration);
    let backend = MemoryBackend::new().deadline(READS).unwrap();
    let refused = backend.changes_within(Duration::ZERO).unwrap_err();
    assert_eq!(refused.kind(), BackendErrorKind::InvalidConfiguration);
    assert!(refused.to_string().contains("changes"), "{refused}");
}

#[tokio::test]
async fn leads_back_to_the_backend() {
    let backend = MemoryBackend::new().with_label("mine").deadline(READS);
    let backend = backend.unwrap();
    assert_eq!(backend.get_ref().label().as_str(), "mine");
    assert_eq!(backend.into_inner().label().as_str(), "mine");
}
