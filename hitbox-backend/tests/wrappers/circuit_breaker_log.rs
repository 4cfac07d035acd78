//! One line in the log per transition, and none per call.

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use hitbox_backend::{Backend, BackendErrorKind, BackendExt, CircuitBreakerConfig, FailureRate};
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
async fn each_transition_is_one_line_and_calls_are_none() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let scripted = Scripted::default();
    let config = CircuitBreakerConfig::new().open_for(OPEN_FOR).jitter(0.0);
    let breaker = scripted.clone().circuit_breaker(config).unwrap();
    let key = key("1");

    scripted.answer([Answer::Fails(BackendErrorKind::Timeout); 6]);
    for _ in 0..4 {
        assert!(breaker.read(&key).await.is_err());
    }
    assert_eq!(lines.take(), [""; 0]);
    assert!(breaker.read(&key).await.is_err());
    let line = one(&lines);
    assert!(
        line.starts_with("WARN message=circuit opened: consecutive failures"),
        "{line}"
    );
    assert!(
        line.contains("backend=scripted open_for=1s failures=5"),
        "{line}"
    );

    for _ in 0..100 {
        assert!(breaker.read(&key).await.is_err());
    }
    assert_eq!(lines.take(), [""; 0]);

    advance(OPEN_FOR).await;
    assert!(breaker.read(&key).await.is_err());
    let [half_open, opened] = &lines.take()[..] else {
        panic!("not two lines");
    };
    assert!(
        half_open.starts_with("INFO message=circuit half-open"),
        "{half_open}"
    );
    assert!(
        opened.starts_with("WARN message=circuit opened again"),
        "{opened}"
    );

    advance(OPEN_FOR).await;
    for _ in 0..100 {
        assert!(breaker.read(&key).await.is_ok());
    }
    let [half_open, closed] = &lines.take()[..] else {
        panic!("not two lines");
    };
    assert!(
        half_open.starts_with("INFO message=circuit half-open"),
        "{half_open}"
    );
    assert!(
        closed.starts_with("INFO message=circuit closed"),
        "{closed}"
    );
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
    assert!(
        line.contains("failure rate") && line.contains("failures=2 calls=4"),
        "{line}"
    );
}
