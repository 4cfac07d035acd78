//! What the log is told of work that is lost.

use std::{fmt, sync::Mutex};

use tokio::time::Instant;

use crate::log::{Limiter, Line, lock};

/// Tells the log of lost work: a line a second at the most.
#[derive(Default)]
pub(super) struct Losses(Mutex<Limiter<Loss>>);

/// One piece of work that did not run to its end.
#[derive(PartialEq)]
struct Loss {
    kind: &'static str,
    reason: &'static str,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.reason)
    }
}

impl Losses {
    pub(super) fn note(&self, kind: &'static str, reason: &'static str) {
        tracing::debug!(kind, reason, "a piece of offloaded work lost");
        let line = lock(&self.0).note(Loss { kind, reason }, Instant::now());
        match line {
            None => {}
            Some(Line::Single) => tracing::warn!(kind, reason, "offloaded work lost"),
            Some(Line::Summary { events, within }) => {
                tracing::warn!(lost = %events, ?within, "more offloaded work lost");
            }
        }
    }
}
