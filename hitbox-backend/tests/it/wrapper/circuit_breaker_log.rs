//! A line in the log when a circuit opens or closes, and none per call.

use std::time::Duration;

use hitbox_backend::{
    Backend, BackendErrorKind, BackendExt, CircuitBreakerConfig, FailureRate, wrapper::Calls,
};
use test_servers::log::Recorder;
use tokio::time::advance;
use tracing::{Level, subscriber::DefaultGuard};

use super::scripted::{Answer, Scripted, key};

/// What is told at INFO and above.
fn lines() -> (Recorder, DefaultGuard) {
    Recorder::on_this_thread(|metadata| metadata.is_event() && *metadata.level() <= Level::INFO)
}

const OPEN_FOR: Duration = Duration::from_millis(1_000);

fn one(lines: &Recorder) -> String {
    let lines = lines.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_and_closes_is_two_lines_and_calls_are_none() {
    let (lines, _guard) = lines();
    let scripted = Scripted::default();
    let config = CircuitBreakerConfig::new().open_for(OPEN_FOR).jitter(0.0);
    let breaker = scripted.clone().circuit_breaker(config).unwrap();
    let key = key("1");

    scripted.answer([Answer::Fails(BackendErrorKind::Timeout); 8]);
    for _ in 0..4 {
        assert!(breaker.read(&key).await.is_err());
    }
    assert_eq!(lines.take(), [""; 0]);
    assert!(breaker.read(&key).await.is_err());
    let line = one(&lines);
    let told = "WARN message=circuit opened backend=scripted calls=reads open_for=1s cause=5 consecutive failures";
    assert_eq!(line, told);

    // Probes that fail are told at DEBUG.
    for _ in 0..3 {
        advance(OPEN_FOR).await;
        for _ in 0..100 {
            assert!(breaker.read(&key).await.is_err());
        }
    }
    assert_eq!(lines.take(), [""; 0]);

    advance(OPEN_FOR).await;
    for _ in 0..100 {
        assert!(breaker.read(&key).await.is_ok());
    }
    let line = one(&lines);
    assert_eq!(
        line,
        "INFO message=circuit closed: the probe was answered backend=scripted calls=reads"
    );
}

/// An hour of a layer that comes and goes: each line says what has happened since the one before.
#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_all_the_time_gets_a_line_now_and_then() {
    let (lines, _guard) = lines();
    let scripted = Scripted::default();
    let config = CircuitBreakerConfig::new().open_for(OPEN_FOR).jitter(0.0);
    let breaker = scripted.clone().circuit_breaker(config).unwrap();
    for _ in 0..3_600 {
        scripted.answer([Answer::Fails(BackendErrorKind::Timeout); 5]);
        for _ in 0..5 {
            assert!(breaker.read(&key("1")).await.is_err());
        }
        advance(OPEN_FOR).await;
        assert!(breaker.read(&key("1")).await.is_ok());
    }
    assert_eq!(breaker.statistics(Calls::Reads).opened, 3_600);
    let lines = lines.take();
    assert!((100..=150).contains(&lines.len()), "{}", lines.len());
    let (opened, closed): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.contains("opened"));
    // What is told to be open is told to be closed.
    assert_eq!(opened.len(), closed.len());
    assert!(opened[20].contains("times=60 within=60s"), "{}", opened[20]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_rate_is_told_as_one() {
    let (lines, _guard) = lines();
    let rate = FailureRate::new(0.5).window(4).minimum_calls(4);
    let config = CircuitBreakerConfig::new().failure_rate(rate);
    let scripted = Scripted::answering([
        Answer::Works,
        Answer::Works,
        Answer::Fails(BackendErrorKind::Timeout),
        Answer::Fails(BackendErrorKind::Timeout),
    ]);
    let breaker = scripted.circuit_breaker(config).unwrap();
    for _ in 0..4 {
        let _outcome = breaker.read(&key("1")).await;
    }
    let line = one(&lines);
    assert!(line.ends_with("cause=2 of 4 calls failed"), "{line}");
}
