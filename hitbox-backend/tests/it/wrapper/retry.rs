//! What is repeated, how often, and within which time.

use std::{future::Future, time::Duration};

use hitbox_backend::{
    Backend, BackendError, BackendErrorKind as Kind, BackendExt, BackendResult,
    CircuitBreakerConfig, Retry, RetryConfig,
    conformance::{Fault, FaultyBackend, MemoryBackend},
    wrapper::{Calls, CircuitOpen, WriteRetry},
};
use hitbox_core::{BoxContext, CacheStatus, ResponseSource};
use tokio::time::Instant;

use super::scripted::{Answer, Scripted, key, value};

const ALL: [Kind; 9] = [
    Kind::Unavailable,
    Kind::Timeout,
    Kind::Throttled,
    Kind::TooLarge,
    Kind::InvalidConfiguration,
    Kind::NotStorable,
    Kind::Full,
    Kind::Denied,
    Kind::Internal,
];

const FAILS: Answer = Answer::Fails(Kind::Timeout);

fn retried(
    config: RetryConfig,
    answers: impl IntoIterator<Item = Answer>,
) -> (Retry<Scripted>, Scripted) {
    let scripted = Scripted::answering(answers);
    (scripted.clone().retry(config).unwrap(), scripted)
}

fn is_retryable(kind: Kind) -> bool {
    BackendError::new(kind, hitbox_backend::Operation::Read, "any".into()).is_retryable()
}

/// How many calls reach the backend when all of them fail like this.
async fn attempts<T, F>(
    config: RetryConfig,
    answer: Answer,
    call: impl AsyncFnOnce(Retry<Scripted>) -> F,
) -> usize
where
    F: IntoIterator<Item = BackendResult<T>>,
{
    let (retry, scripted) = retried(config, [answer; 100]);
    for outcome in call(retry).await {
        let error = outcome.map(drop).unwrap_err();
        assert_eq!(error.label().as_str(), "scripted");
    }
    scripted.calls().len()
}

#[tokio::test(start_paused = true)]
async fn reads_and_removes_are_repeated_after_retryable_failures_only() {
    for kind in ALL {
        let expected = if is_retryable(kind) { 3 } else { 1 };
        let config = RetryConfig::new();
        let fails = Answer::Fails(kind);
        let read = async |retry: Retry<Scripted>| [retry.read(&key("1")).await];
        assert_eq!(
            attempts(config.clone(), fails, read).await,
            expected,
            "{kind:?}"
        );
        let read = async |retry: Retry<Scripted>| {
            let mut context = BoxContext::default();
            [retry.read_with(&key("1"), &mut context).await]
        };
        assert_eq!(
            attempts(config.clone(), fails, read).await,
            expected,
            "{kind:?}"
        );
        let remove = async |retry: Retry<Scripted>| [retry.remove(&key("1")).await];
        assert_eq!(attempts(config, fails, remove).await, expected, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_are_repeated_only_if_they_certainly_did_nothing() {
    let write = async |retry: Retry<Scripted>| [retry.write(&key("1"), value(1)).await];
    let refill = async |retry: Retry<Scripted>| [retry.refill(&key("1"), value(1)).await];
    for (answer, by_default, always) in [
        (Answer::Fails(Kind::Timeout), 1, 3),
        (Answer::Fails(Kind::Unavailable), 1, 3),
        (Answer::Fails(Kind::Throttled), 3, 3),
        (Answer::Refuses(Kind::Unavailable), 3, 3),
        (Answer::Fails(Kind::TooLarge), 1, 1),
        (Answer::Refuses(Kind::Internal), 1, 1),
    ] {
        let config = RetryConfig::new();
        assert_eq!(
            attempts(config.clone(), answer, write).await,
            by_default,
            "{answer:?}"
        );
        assert_eq!(
            attempts(config.clone(), answer, refill).await,
            by_default,
            "{answer:?}"
        );
        let config = config.writes(WriteRetry::Always);
        assert_eq!(
            attempts(config.clone(), answer, write).await,
            always,
            "{answer:?}"
        );
        assert_eq!(attempts(config, answer, refill).await, always, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_retries_is_exact() {
    for retries in [0, 1, 2, 5] {
        let config = RetryConfig::new().retries(retries);
        let read = async |retry: Retry<Scripted>| [retry.read(&key("1")).await];
        let made = attempts(config.clone(), FAILS, read).await;
        assert_eq!(made, retries as usize + 1);

        let (retry, scripted) = retried(config, vec![FAILS; retries as usize]);
        assert!(retry.read(&key("1")).await.is_ok());
        assert_eq!(scripted.calls().len(), retries as usize + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_works_is_made_once() {
    let (retry, scripted) = retried(RetryConfig::new(), []);
    let began = Instant::now();
    retry.write(&key("1"), value(1)).await.unwrap();
    retry.read(&key("1")).await.unwrap();
    retry.remove(&key("1")).await.unwrap();
    assert_eq!(scripted.calls().len(), 3);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn pauses_are_random_up_to_a_bound_that_doubles_up_to_another() {
    let (first, longest) = (Duration::from_millis(100), Duration::from_millis(400));
    let config = RetryConfig::new()
        .retries(5)
        .pauses(first, longest)
        .within(Duration::from_secs(60));
    let mut longest_seen = [Duration::ZERO; 5];
    let mut shortest_seen = [Duration::MAX; 5];
    for _ in 0..500 {
        let (retry, scripted) = retried(config.clone(), [FAILS; 6]);
        assert!(retry.read(&key("1")).await.is_err());
        let calls = scripted.calls();
        assert_eq!(calls.len(), 6);
        for (index, pair) in calls.windows(2).enumerate() {
            let pause = pair[1].at - pair[0].at;
            longest_seen[index] = longest_seen[index].max(pause);
            shortest_seen[index] = shortest_seen[index].min(pause);
        }
    }
    println!("pauses from {shortest_seen:?} to {longest_seen:?}");
    for (index, factor) in [1, 2, 4, 4, 4].into_iter().enumerate() {
        let bound = first * factor;
        // The timer's granularity is a millisecond.
        assert!(longest_seen[index] <= bound + Duration::from_millis(1));
        assert!(longest_seen[index] > bound.mul_f64(0.9));
        assert!(shortest_seen[index] < bound.mul_f64(0.1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_outlast_the_deadline_is_not_begun() {
    let within = Duration::from_millis(250);
    let config = RetryConfig::new()
        .retries(1_000)
        .pauses(Duration::from_millis(50), Duration::from_millis(50))
        .within(within);
    for _ in 0..200 {
        let (retry, scripted) = retried(config.clone(), [FAILS; 1_001]);
        let began = Instant::now();
        let error = retry.read(&key("1")).await.unwrap_err();
        assert!(began.elapsed() < within);
        // The backend's error, not one of the deadline.
        assert_eq!(error.to_string(), "scripted: read: timeout");
        let last = scripted.calls().pop().unwrap().at;
        assert_eq!(began.elapsed(), last - began, "it slept in vain");
    }
}

/// Holds if `call` fails by `Timeout`, exactly at `limit`.
async fn assert_cut_off<T>(call: impl Future<Output = Vec<BackendResult<T>>>, limit: Duration) {
    let began = Instant::now();
    let outcomes = call.await;
    assert_eq!(began.elapsed(), limit);
    for outcome in outcomes {
        let error = outcome.map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout);
        assert!(!error.is_definite());
        assert!(error.to_string().contains("retries included"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_attempt_is_cut_off_at_the_deadline() {
    let within = Duration::from_millis(250);
    let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
    let retry = backend.retry(RetryConfig::new().within(within)).unwrap();
    for switch in [faults.reads(), faults.writes(), faults.removes()] {
        switch.always(Fault::HangBeforeEffect);
    }
    let (one, keys) = (key("1"), [key("1"), key("2")]);
    let entries = || keys.clone().map(|key| (key, value(1))).into();
    assert_cut_off(async { vec![retry.read(&one).await] }, within).await;
    assert_cut_off(async { vec![retry.write(&one, value(1)).await] }, within).await;
    assert_cut_off(async { vec![retry.refill(&one, value(1)).await] }, within).await;
    assert_cut_off(async { vec![retry.remove(&one).await] }, within).await;
    assert_cut_off(retry.read_many(&keys), within).await;
    assert_cut_off(retry.write_many(entries()), within).await;
    assert_cut_off(retry.refill_many(entries()), within).await;
    assert_cut_off(retry.remove_many(&keys), within).await;
    let mut contexts = [(); 2].map(|()| {
        let mut context = BoxContext::default();
        context.set_status(CacheStatus::Hit);
        context.set_source(ResponseSource::Backend("before".into()));
        context
    });
    assert_cut_off(retry.read_many_with(&keys, &mut contexts), within).await;
    let read = async { vec![retry.read_with(&one, &mut contexts[0]).await] };
    assert_cut_off(read, within).await;
    for context in contexts {
        assert_eq!(context.status(), CacheStatus::Miss);
        assert_eq!(*context.source(), ResponseSource::Upstream);
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_deadline_for_each_attempt_the_whole_costs_no_more_than_its_own() {
    let attempt = Duration::from_millis(100);
    for (within, calls) in [(1_000, 3), (250, 3), (150, 2), (60, 1)] {
        let within = Duration::from_millis(within);
        let (backend, faults) = FaultyBackend::new(MemoryBackend::new());
        let pause = Duration::from_millis(1);
        let config = RetryConfig::new().pauses(pause, pause).within(within);
        let backend = backend.deadline(attempt).unwrap().retry(config).unwrap();
        faults.reads().always(Fault::HangBeforeEffect);
        let began = Instant::now();
        let error = backend.read(&key("1")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout);
        assert!(began.elapsed() <= within && began.elapsed() <= attempt * 3 + pause * 4);
        assert_eq!(faults.reads().calls(), calls, "{within:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unclear_failure_of_a_change_outweighs_a_clear_one_that_follows() {
    let config = RetryConfig::new().writes(WriteRetry::Always);
    for later in [
        Answer::Fails(Kind::TooLarge),
        Answer::Fails(Kind::Denied),
        Answer::Refuses(Kind::Unavailable),
    ] {
        let script = [FAILS, later, later, later];
        let (retry, _) = retried(config.clone(), script);
        let error = retry.write(&key("1"), value(1)).await.unwrap_err();
        assert!(
            error.kind() == Kind::Timeout && !error.is_definite(),
            "{error:?}"
        );
        let (retry, _) = retried(config.clone(), script);
        let error = retry.remove(&key("1")).await.unwrap_err();
        assert!(
            error.kind() == Kind::Timeout && !error.is_definite(),
            "{error:?}"
        );
    }
    // A read leaves nothing behind: the last word is the best.
    let (retry, scripted) = retried(config, [FAILS, Answer::Fails(Kind::Denied)]);
    let error = retry.read(&key("1")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(scripted.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_an_open_circuit_refused_is_not_repeated() {
    let scripted = Scripted::answering([FAILS; 2]);
    let breaker = CircuitBreakerConfig::new().consecutive_failures(2);
    let retry = scripted.clone().circuit_breaker(breaker).unwrap();
    let retry = retry.retry(RetryConfig::new().retries(10)).unwrap();
    // The second attempt opens the circuit, and the third is refused.
    let error = retry.read(&key("1")).await.unwrap_err();
    assert!(CircuitOpen::is_cause_of(&error));
    assert_eq!(scripted.calls().len(), 2);
    assert_eq!(retry.get_ref().statistics(Calls::Reads).refused, 1);
    let began = Instant::now();
    assert!(retry.read(&key("1")).await.is_err());
    assert_eq!(retry.get_ref().statistics(Calls::Reads).refused, 2);
    let outcomes = retry.read_many(&[key("1"), key("2")]).await;
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(retry.get_ref().statistics(Calls::Reads).refused, 3);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(scripted.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_context_tells_of_the_attempt_that_answered() {
    let (retry, _scripted) = retried(RetryConfig::new(), [Answer::Works, FAILS]);
    retry.write(&key("1"), value(1)).await.unwrap();
    let mut context = BoxContext::default();
    assert!(retry.read_with(&key("1"), &mut context).await.is_ok());
    assert_eq!(context.status(), CacheStatus::Hit);
    assert_eq!(context.source().to_string(), "scripted");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let (zero, some) = (Duration::ZERO, Duration::from_millis(10));
    for (config, named) in [
        (RetryConfig::new().within(zero), "within"),
        (RetryConfig::new().pauses(zero, some), "pauses: the first"),
        (
            RetryConfig::new().pauses(some * 2, some),
            "longest is below",
        ),
    ] {
        let refused = MemoryBackend::new().retry(config).unwrap_err();
        assert_eq!(refused.kind(), Kind::InvalidConfiguration);
        assert!(refused.to_string().contains(named), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn times_that_no_clock_can_show_are_as_good_as_none() {
    let max = Duration::MAX;
    let config = RetryConfig::new().within(max).retries(u32::MAX);
    let (retry, scripted) = retried(config, vec![FAILS; 100]);
    assert!(retry.read(&key("1")).await.is_ok());
    assert_eq!(scripted.calls().len(), 101);
}

#[tokio::test]
async fn leads_back_to_the_backend() {
    let (retry, scripted) = retried(RetryConfig::new(), []);
    retry.write(&key("1"), value(7)).await.unwrap();
    assert_eq!(retry.get_ref().stored(&key("1")).await, Some(7));
    assert_eq!(retry.into_inner().asked(), scripted.asked());
}
