//! A line in the log when a circuit opens or closes, and none per call.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use hitbox_backend::{
    Backend, BackendErrorKind, BackendExt, CircuitBreakerConfig, FailureRate, wrapper::Calls,
};
use tokio::time::advance;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::scripted::{Answer, Scripted, key};

/// Keeps the lines at INFO and above.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

const OPEN_FOR: Duration = Duration::from_millis(1_000);

fn one(lines: &Lines) -> String {
    let lines = lines.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_and_closes_is_two_lines_and_calls_are_none() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
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
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
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
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
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
