//! When a circuit opens and closes, and what it lets through meanwhile.

use std::{collections::BTreeSet, time::Duration};

use hitbox_backend::{
    Backend, BackendErrorKind as Kind, BackendExt, CircuitBreaker, CircuitBreakerConfig,
    FailureRate,
    wrapper::{Calls, CircuitOpen, CircuitState},
};
use hitbox_core::{BoxContext, CacheStatus, ResponseSource};
use tokio::time::{Instant, advance};

use super::scripted::{Answer, Scripted, key, value};

const OPEN_FOR: Duration = Duration::from_millis(1_000);

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new().open_for(OPEN_FOR).jitter(0.0)
}

fn guarded(config: CircuitBreakerConfig) -> (CircuitBreaker<Scripted>, Scripted) {
    let scripted = Scripted::default();
    (scripted.clone().circuit_breaker(config).unwrap(), scripted)
}

/// Lets one read have this answer.
async fn read(breaker: &CircuitBreaker<Scripted>, answer: Answer) {
    breaker.get_ref().answer([answer]);
    let _outcome = breaker.read(&key("1")).await;
}

async fn read_all(breaker: &CircuitBreaker<Scripted>, answers: impl IntoIterator<Item = Answer>) {
    for answer in answers {
        read(breaker, answer).await;
    }
}

const FAILS: Answer = Answer::Fails(Kind::Unavailable);

#[track_caller]
fn assert_open_until(breaker: &CircuitBreaker<Scripted>, until: Instant) {
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Open { until });
}

#[tokio::test(start_paused = true)]
async fn opens_at_the_last_of_the_consecutive_failures() {
    let (breaker, scripted) = guarded(config());
    read_all(&breaker, [FAILS; 4]).await;
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    read(&breaker, FAILS).await;
    assert_open_until(&breaker, Instant::now() + OPEN_FOR);
    assert_eq!(scripted.calls().len(), 5);
    assert_eq!(breaker.statistics(Calls::Reads).opened, 1);
}

#[tokio::test(start_paused = true)]
async fn a_success_starts_the_count_anew() {
    let (breaker, _scripted) = guarded(config());
    for _ in 0..3 {
        read_all(&breaker, [FAILS, FAILS, FAILS, FAILS, Answer::Works]).await;
    }
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    read_all(&breaker, [FAILS; 5]).await;
    assert_open_until(&breaker, Instant::now() + OPEN_FOR);
}

#[tokio::test(start_paused = true)]
async fn refuses_every_operation_while_open_and_sends_nothing() {
    let (breaker, scripted) = guarded(config());
    let (one, keys) = (key("1"), [key("1"), key("2")]);
    read_all(&breaker, [FAILS; 5]).await;
    scripted.answer([FAILS; 5]);
    for _ in 0..5 {
        assert!(breaker.write(&one, value(1)).await.is_err());
    }
    advance(Duration::from_millis(300)).await;
    let entries = || keys.clone().map(|key| (key, value(1))).into();

    let mut refusals = vec![
        breaker.read(&one).await.map(drop),
        breaker.write(&one, value(1)).await,
        breaker.refill(&one, value(1)).await,
        breaker.remove(&one).await.map(drop),
    ];
    refusals.extend(breaker.write_many(entries()).await);
    refusals.extend(breaker.refill_many(entries()).await);
    let many = breaker.read_many(&keys).await;
    refusals.extend(many.into_iter().map(|outcome| outcome.map(drop)));
    let many = breaker.remove_many(&keys).await;
    refusals.extend(many.into_iter().map(|outcome| outcome.map(drop)));

    assert_eq!(refusals.len(), 12);
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.is_definite() && error.is_retryable(), "{error:?}");
        assert!(CircuitOpen::is_cause_of(&error), "{error:?}");
        assert_eq!(error.label().as_str(), "scripted");
        let message = error.report().to_string();
        let expected = "the circuit is open: open for 300 ms, the next probe is due in 700 ms";
        assert!(message.ends_with(expected), "{message}");
    }
    assert_eq!(scripted.calls().len(), 10);
    // A bulk call counts as one.
    let refused = |calls| breaker.statistics(calls).refused;
    assert_eq!((refused(Calls::Reads), refused(Calls::Changes)), (2, 6));
}

#[tokio::test(start_paused = true)]
async fn a_refused_read_counts_as_a_miss_in_its_context() {
    let (breaker, _scripted) = guarded(config().consecutive_failures(1));
    read(&breaker, FAILS).await;
    let mut contexts = [(); 3].map(|()| BoxContext::default());
    for context in &mut contexts {
        context.set_status(CacheStatus::Hit);
        context.set_source(ResponseSource::Backend("before".into()));
    }
    let [single, in_bulk @ ..] = &mut contexts;
    assert!(breaker.read_with(&key("1"), single).await.is_err());
    let outcomes = breaker.read_many_with(&[key("1"), key("2")], in_bulk).await;
    assert!(outcomes.iter().all(Result::is_err));
    for context in contexts {
        assert_eq!(context.status(), CacheStatus::Miss);
        assert_eq!(*context.source(), ResponseSource::Upstream);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answered_probe_closes_it_and_the_count_starts_at_zero() {
    let (breaker, scripted) = guarded(config());
    read_all(&breaker, [FAILS; 5]).await;
    advance(OPEN_FOR - Duration::from_millis(1)).await;
    assert!(breaker.read(&key("1")).await.is_err());
    assert_eq!(scripted.calls().len(), 5);
    advance(Duration::from_millis(1)).await;
    assert!(breaker.read(&key("1")).await.is_ok());
    assert_eq!(scripted.calls().len(), 6);
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    read_all(&breaker, [FAILS; 4]).await;
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_opens_it_anew() {
    let (breaker, scripted) = guarded(config());
    read_all(&breaker, [FAILS; 5]).await;
    for round in 1..=3 {
        advance(OPEN_FOR).await;
        read(&breaker, FAILS).await;
        assert_open_until(&breaker, Instant::now() + OPEN_FOR);
        assert_eq!(scripted.calls().len(), 5 + round);
    }
    let statistics = breaker.statistics(Calls::Reads);
    assert_eq!((statistics.opened, statistics.probes), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn the_time_grows_with_each_failed_probe_and_not_over_its_bound() {
    let (breaker, _scripted) = guarded(config().open_for_at_most(OPEN_FOR * 5));
    for _ in 0..2 {
        read_all(&breaker, [FAILS; 5]).await;
        for factor in [1, 2, 4, 5, 5] {
            assert_open_until(&breaker, Instant::now() + OPEN_FOR * factor);
            advance(OPEN_FOR * factor).await;
            read(&breaker, FAILS).await;
        }
        // Closed once, it starts from the beginning.
        advance(OPEN_FOR * 5).await;
        read(&breaker, Answer::Works).await;
        assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_stays_within_its_part_and_uses_all_of_it() {
    let (breaker, _scripted) = guarded(config().jitter(0.2).consecutive_failures(1));
    let mut seen = BTreeSet::new();
    for _ in 0..2_000 {
        read(&breaker, FAILS).await;
        let CircuitState::Open { until } = breaker.state(Calls::Reads) else {
            panic!("not open");
        };
        let open_for = until - Instant::now();
        seen.insert(open_for);
        advance(open_for).await;
    }
    let (least, most) = (*seen.first().unwrap(), *seen.last().unwrap());
    println!("{} times from {least:?} to {most:?}", seen.len());
    assert!(least >= OPEN_FOR.mul_f64(0.8) && most <= OPEN_FOR.mul_f64(1.2));
    assert!(least < OPEN_FOR.mul_f64(0.82) && most > OPEN_FOR.mul_f64(1.18));
}

#[tokio::test(start_paused = true)]
async fn only_failures_that_speak_of_the_layer_count() {
    for (kind, opens) in [
        (Kind::Unavailable, true),
        (Kind::Timeout, true),
        (Kind::Throttled, true),
        (Kind::TooLarge, false),
        (Kind::InvalidConfiguration, false),
        (Kind::NotStorable, false),
        (Kind::Full, false),
        (Kind::Denied, false),
        (Kind::Internal, false),
    ] {
        let (breaker, _scripted) = guarded(config());
        read_all(&breaker, [Answer::Fails(kind); 5]).await;
        let is_open = breaker.state(Calls::Reads) != CircuitState::Closed;
        assert_eq!(is_open, opens, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_says_no_is_there_and_a_refused_value_says_nothing() {
    for kind in [Kind::Full, Kind::Denied] {
        let (breaker, _scripted) = guarded(config());
        read_all(&breaker, [FAILS; 4]).await;
        read(&breaker, Answer::Fails(kind)).await;
        read(&breaker, FAILS).await;
        assert_eq!(
            breaker.state(Calls::Reads),
            CircuitState::Closed,
            "{kind:?}"
        );
    }
    for kind in [Kind::TooLarge, Kind::NotStorable, Kind::Internal] {
        let (breaker, _scripted) = guarded(config());
        read_all(&breaker, [FAILS; 4]).await;
        read(&breaker, Answer::Fails(kind)).await;
        read(&breaker, FAILS).await;
        assert_ne!(
            breaker.state(Calls::Reads),
            CircuitState::Closed,
            "{kind:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulk_call_counts_once_and_any_answer_in_it_is_one() {
    let keys = [key("1"), key("2"), key("3")];
    let (breaker, scripted) = guarded(config());
    scripted.answer([FAILS; 3 * 4]);
    for _ in 0..4 {
        breaker.read_many(&keys).await;
    }
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    scripted.answer([FAILS, Answer::Works, FAILS]);
    breaker.read_many(&keys).await;
    scripted.answer([FAILS; 3 * 4]);
    for _ in 0..4 {
        breaker.remove_many(&keys).await;
    }
    assert_eq!(breaker.state(Calls::Changes), CircuitState::Closed);
    scripted.answer([Answer::Fails(Kind::TooLarge), FAILS, FAILS]);
    let entries = keys.map(|key| (key, value(1)));
    breaker.write_many(entries.into()).await;
    assert_ne!(breaker.state(Calls::Changes), CircuitState::Closed);
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
}

/// A store that takes no writes goes on to be read, and the writes are refused for all that: 1,000 of them
/// must not cost 1,000 time-outs.
#[tokio::test(start_paused = true)]
async fn writes_that_fail_open_their_circuit_whatever_reads_come_to() {
    for kind in [Kind::Timeout, Kind::Throttled, Kind::Unavailable] {
        let (breaker, scripted) = guarded(config());
        for round in 0..1_000_u64 {
            read(&breaker, Answer::Works).await;
            if round < 5 {
                scripted.answer([Answer::Fails(kind)]);
            }
            assert!(breaker.write(&key("1"), value(1)).await.is_err());
            assert!(breaker.read(&key("1")).await.is_ok());
        }
        let asked = |method: &str| {
            scripted
                .calls()
                .iter()
                .filter(|call| call.method == method)
                .count()
        };
        assert_eq!((asked("write"), asked("read")), (5, 2_000), "{kind:?}");
        assert_eq!(breaker.statistics(Calls::Changes).refused, 995);
        assert_eq!(breaker.statistics(Calls::Reads).refused, 0);
    }
}

/// And the other way round.
#[tokio::test(start_paused = true)]
async fn reads_that_fail_do_not_hold_up_writes() {
    let (breaker, _scripted) = guarded(config());
    read_all(&breaker, [FAILS; 5]).await;
    assert_open_until(&breaker, Instant::now() + OPEN_FOR);
    breaker.write(&key("1"), value(1)).await.unwrap();
    breaker.refill(&key("1"), value(1)).await.unwrap();
    breaker.remove(&key("1")).await.unwrap();
    assert_eq!(breaker.state(Calls::Changes), CircuitState::Closed);
    assert_open_until(&breaker, Instant::now() + OPEN_FOR);
}

#[tokio::test(start_paused = true)]
async fn opens_at_the_failure_rate_over_the_window() {
    let rate = FailureRate::new(0.5).window(10).minimum_calls(4);
    let (breaker, _scripted) = guarded(config().consecutive_failures(100).failure_rate(rate));
    // Too few calls to say anything.
    read_all(&breaker, [FAILS; 3]).await;
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    read(&breaker, FAILS).await;
    assert_open_until(&breaker, Instant::now() + OPEN_FOR);

    // The window starts empty when it closes.
    advance(OPEN_FOR).await;
    read(&breaker, Answer::Works).await;
    read_all(&breaker, [FAILS; 3]).await;
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    // 3 of 9, then 4 of 10: and of the next, the oldest three failures go as three new ones come.
    read_all(&breaker, [Answer::Works; 6]).await;
    read(&breaker, FAILS).await;
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    read_all(&breaker, [FAILS; 3]).await;
    assert_eq!(breaker.state(Calls::Reads), CircuitState::Closed);
    // 5 of the last 10.
    read(&breaker, FAILS).await;
    assert_open_until(&breaker, Instant::now() + OPEN_FOR);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let rate = FailureRate::new(0.5);
    let nan = f64::NAN;
    for (config, named) in [
        (config().consecutive_failures(0), "consecutive_failures"),
        (config().open_for(Duration::ZERO), "open_for"),
        (config().open_for_at_most(OPEN_FOR / 2), "open_for_at_most"),
        (config().open_for(Duration::MAX), "over a day"),
        (config().jitter(-0.1), "jitter"),
        (config().jitter(1.1), "jitter"),
        (config().jitter(nan), "jitter"),
        (config().failure_rate(FailureRate::new(0.0)), "failure_rate"),
        (config().failure_rate(FailureRate::new(1.5)), "failure_rate"),
        (config().failure_rate(FailureRate::new(nan)), "failure_rate"),
        (
            config().failure_rate(rate.minimum_calls(0)),
            "minimum_calls",
        ),
        (config().failure_rate(rate.window(19)), "window"),
        (config().failure_rate(rate.window(usize::MAX)), "window"),
    ] {
        let refused = Scripted::default().circuit_breaker(config.clone());
        let error = refused.map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidConfiguration, "{config:?}");
        assert!(error.to_string().contains(named), "{config:?}: {error}");
    }
}

#[tokio::test]
async fn leads_back_to_the_backend() {
    let (breaker, scripted) = guarded(config());
    breaker.write(&key("1"), value(7)).await.unwrap();
    assert_eq!(breaker.get_ref().stored(&key("1")).await, Some(7));
    assert_eq!(breaker.into_inner().asked(), scripted.asked());
}
