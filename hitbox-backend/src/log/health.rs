//! Whether a layer of a composition answers, as the log has it.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use hitbox_core::{BackendLabel, CacheKey};
use tokio::time::Instant;

use super::{Limiter, Line, Name, Tally, lock};
use crate::{
    BackendError, BackendErrorKind, BackendResult, Operation, composition::CompositionLayer,
    wrapper::Calls,
};

/// A layer that fails now and then is not back each time that it answers: it is when it has answered
/// after so long without a failure.
const WITHOUT_FAILURE: Duration = Duration::from_secs(1);

/// Writes down that a layer fails, goes on failing, and answers again.
pub(crate) struct Health {
    composition: Arc<Name>,
    layer: CompositionLayer,
    backend: BackendLabel,
    /// A bit for each [kind of calls](Calls) that fails. While it is zero, an answer costs one load.
    failing: AtomicU8,
    state: Mutex<State>,
    refused_values: Mutex<Limiter<Event>>,
}

const fn bit(calls: Calls) -> u8 {
    match calls {
        Calls::Reads => 0b01,
        Calls::Changes => 0b10,
    }
}

/// What failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event(Operation, BackendErrorKind);

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(operation, kind) = self;
        write!(f, "{operation} {kind}")
    }
}

/// The part that decides.
#[derive(Default)]
struct State {
    limiter: Limiter<Event>,
    /// Since the layer last answered for good.
    outage: Option<Outage>,
}

struct Outage {
    began: Instant,
    failures: u64,
    /// Of reads and of changes, until they are answered for good.
    last_failures: [Option<Instant>; 2],
}

/// The end of an outage.
#[derive(Debug, PartialEq, Eq)]
struct Recovery {
    after: Duration,
    failures: u64,
    untold: Tally<Event>,
}

impl State {
    fn fail(&mut self, event: Event, now: Instant) -> Option<Line<Event>> {
        let outage = self.outage.get_or_insert(Outage {
            began: now,
            failures: 0,
            last_failures: [None; 2],
        });
        outage.failures += 1;
        outage.last_failures[Calls::of(event.0) as usize] = Some(now);
        self.limiter.note(event, now)
    }

    fn answer(&mut self, calls: Calls, now: Instant) -> Option<Recovery> {
        let outage = self.outage.as_mut()?;
        let last = &mut outage.last_failures[calls as usize];
        let is_back =
            last.is_none_or(|last| now.saturating_duration_since(last) >= WITHOUT_FAILURE);
        if !is_back || !self.limiter.is_due(now) {
            return None;
        }
        *last = None;
        if outage.last_failures != [None; 2] {
            return None;
        }
        let Outage {
            began, failures, ..
        } = self.outage.take()?;
        Some(Recovery {
            after: now.saturating_duration_since(began),
            failures,
            untold: self.limiter.begin_anew(now),
        })
    }

    fn failing(&self) -> u8 {
        let last_failures = self
            .outage
            .as_ref()
            .map_or([None; 2], |outage| outage.last_failures);
        Calls::ALL
            .into_iter()
            .filter(|calls| last_failures[*calls as usize].is_some())
            .fold(0, |bits, calls| bits | bit(calls))
    }
}

impl Health {
    pub(crate) fn new(
        composition: Arc<Name>,
        layer: CompositionLayer,
        backend: BackendLabel,
    ) -> Self {
        Self {
            composition,
            layer,
            backend,
            failing: AtomicU8::new(0),
            state: Mutex::default(),
            refused_values: Mutex::default(),
        }
    }

    /// The layer has answered an operation on `key`, or failed it.
    #[inline]
    pub(crate) fn note<T>(&self, operation: Operation, key: &CacheKey, outcome: &BackendResult<T>) {
        match outcome {
            Ok(_) => self.note_answered(operation),
            // A repeated attempt has been answered.
            Err(error) if error.repeated().is_some() => self.note_answered(operation),
            Err(error) => self.note_failure(operation, key, error),
        }
    }

    /// [`note`](Self::note) of a copy: a layer that takes only small values is refilled with those.
    #[inline]
    pub(crate) fn note_refill(&self, key: &CacheKey, outcome: &BackendResult<()>) {
        match outcome {
            Err(error) if error.kind() == BackendErrorKind::TooLarge => {}
            Ok(()) | Err(_) => self.note(Operation::Write, key, outcome),
        }
    }

    #[inline]
    fn note_answered(&self, operation: Operation) {
        let calls = Calls::of(operation);
        if self.failing.load(Ordering::Relaxed) & bit(calls) != 0 {
            self.note_answer(calls);
        }
    }

    #[cold]
    fn note_failure(&self, operation: Operation, key: &CacheKey, error: &BackendError) {
        let (composition, layer, backend) = (&self.composition, self.layer, &self.backend);
        tracing::debug!(%composition, %layer, %backend, %key, error = %error.report(), "an operation on a layer failed");
        let event = Event(operation, error.kind());
        // The value's fault, where all others say something of the layer.
        if matches!(
            error.kind(),
            BackendErrorKind::TooLarge | BackendErrorKind::NotStorable
        ) {
            let line = lock(&self.refused_values).note(event, Instant::now());
            self.tell_refusal(line, error);
            return;
        }
        let line = {
            let mut state = lock(&self.state);
            let line = state.fail(event, Instant::now());
            self.failing.store(state.failing(), Ordering::Relaxed);
            line
        };
        self.tell_failure(line, error);
    }

    // What is told is told without the lock: a subscriber may do anything.
    fn tell_failure(&self, line: Option<Line<Event>>, error: &BackendError) {
        let (composition, layer, backend) = (&self.composition, self.layer, &self.backend);
        let error = error.report();
        match line {
            None => {}
            Some(Line::Single) => {
                tracing::warn!(%composition, %layer, %backend, %error, "a layer fails");
            }
            Some(Line::Summary { events, within }) => {
                tracing::warn!(%composition, %layer, %backend, failures = %events, ?within, %error, "a layer goes on failing");
            }
        }
    }

    fn tell_refusal(&self, line: Option<Line<Event>>, error: &BackendError) {
        let (composition, layer, backend) = (&self.composition, self.layer, &self.backend);
        let error = error.report();
        match line {
            None => {}
            Some(Line::Single) => {
                tracing::warn!(%composition, %layer, %backend, %error, "a layer refused a value");
            }
            Some(Line::Summary { events, within }) => {
                tracing::warn!(%composition, %layer, %backend, refused = %events, ?within, %error, "a layer refused values");
            }
        }
    }

    #[cold]
    fn note_answer(&self, calls: Calls) {
        let recovery = {
            let mut state = lock(&self.state);
            let recovery = state.answer(calls, Instant::now());
            self.failing.store(state.failing(), Ordering::Relaxed);
            recovery
        };
        let (composition, layer, backend) = (&self.composition, self.layer, &self.backend);
        if let Some(Recovery {
            after,
            failures,
            untold,
        }) = recovery
        {
            // A field that says nothing is left out.
            let untold = (untold.total() > 0).then(|| tracing::field::display(&untold));
            tracing::info!(%composition, %layer, %backend, ?after, failures, untold, "a layer answers again");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const READ: Event = Event(Operation::Read, BackendErrorKind::Unavailable);
    const WRITE: Event = Event(Operation::Write, BackendErrorKind::Timeout);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_layer_is_back_after_a_second_without_a_failure() {
        let (mut state, begin) = (State::default(), Instant::now());
        assert_eq!(state.answer(Calls::Reads, begin), None);
        assert_eq!(state.fail(READ, begin), Some(Line::Single));
        assert_eq!(state.fail(READ, begin + seconds(0.5)), None);
        assert_eq!(state.answer(Calls::Reads, begin + seconds(1.0)), None);
        let recovery = state.answer(Calls::Reads, begin + seconds(1.5)).unwrap();
        assert_eq!(recovery.after, seconds(1.5));
        assert_eq!(recovery.failures, 2);
        assert_eq!(recovery.untold.to_string(), "read unavailable x 1");
        assert_eq!(state.failing(), 0);
        assert_eq!(state.answer(Calls::Reads, begin + seconds(9.0)), None);
    }

    #[test]
    fn reads_that_are_answered_do_not_hide_writes_that_fail() {
        let (mut state, begin) = (State::default(), Instant::now());
        assert_eq!(state.fail(WRITE, begin), Some(Line::Single));
        assert_eq!(state.failing(), bit(Calls::Changes));
        assert_eq!(state.answer(Calls::Reads, begin + seconds(5.0)), None);
        assert_eq!(state.failing(), bit(Calls::Changes));
        assert!(state.answer(Calls::Changes, begin + seconds(6.0)).is_some());
    }

    #[test]
    fn a_layer_that_fails_now_and_then_gets_one_line_a_second_at_most() {
        let (mut state, begin) = (State::default(), Instant::now());
        let mut lines: Vec<Duration> = Vec::new();
        for step in 0..60_000 {
            // Silent for more than a second, then a burst.
            let at = Duration::from_millis(step);
            let line = match step % 1_300 {
                0..100 => state.fail(READ, begin + at).is_some(),
                _ => state.answer(Calls::Reads, begin + at).is_some(),
            };
            lines.extend(line.then_some(at));
        }
        assert!(lines.len() > 30, "{lines:?}");
        assert!(
            lines
                .windows(2)
                .all(|pair| pair[1] - pair[0] >= seconds(1.0)),
            "{lines:?}"
        );
    }
}
