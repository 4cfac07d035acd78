use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use hitbox_core::{BackendLabel, CacheKey};
use tokio::time::Instant;

use crate::log::{Limiter, Line, lock};

/// Why stored bytes were not served. Every one of these is a miss, never an error (G6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not a stored form: another program's bytes.
    #[error("not a stored form")]
    Foreign,
    /// A stored form of a version this build does not know.
    #[error("a stored form of an unknown version")]
    Version,
    /// Shorter than it says, or with header fields that no writer sets.
    #[error("a truncated or malformed stored form")]
    Malformed,
    /// The checksum does not match.
    #[error("a stored form with a wrong checksum")]
    Checksum,
    /// Compressed with something this build and backend do not have, or not decompressible.
    #[error("a payload that cannot be decompressed")]
    Compression,
    /// Encoded in a format this build and backend do not have.
    #[error("a payload in an unknown format")]
    Format,
    /// Encoded from another type than the one asked for.
    #[error("a payload of another type")]
    Type,
    /// The format's decoder refused it.
    #[error("a payload that cannot be decoded")]
    Undecodable,
    /// Larger than the limit for decoding.
    #[error("a payload over the decoding limit")]
    TooLarge,
}

impl Rejection {
    const ALL: [Self; 9] = [
        Self::Foreign,
        Self::Version,
        Self::Malformed,
        Self::Checksum,
        Self::Compression,
        Self::Format,
        Self::Type,
        Self::Undecodable,
        Self::TooLarge,
    ];
}

/// Counts [`Rejection`]s by reason and traces them. Adapters keep one and show it in their statistics.
#[derive(Debug, Default)]
pub struct Rejections {
    counts: [AtomicU64; Rejection::ALL.len()],
    lines: Mutex<Limiter<Rejection>>,
}

impl Rejections {
    /// Counts one and traces it: each at DEBUG, and at WARN one line a second at the most, with what has
    /// been rejected since the line before. What an adapter's
    /// [`reject`](crate::Backend::reject) does.
    pub fn note(&self, label: &BackendLabel, key: &CacheKey, rejection: Rejection) {
        self.record(rejection);
        trace_rejection(label, key, rejection);
        let line = lock(&self.lines).note(rejection, Instant::now());
        match line {
            None => {}
            Some(Line::Single) => {
                tracing::warn!(backend = %label, %key, reason = %rejection, "stored bytes not served");
            }
            Some(Line::Summary { events, within }) => {
                tracing::warn!(backend = %label, rejected = %events, ?within, "more stored bytes not served");
            }
        }
    }

    /// Counts one.
    pub fn record(&self, rejection: Rejection) {
        self.counts[rejection as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were for this reason.
    #[must_use]
    pub fn count(&self, rejection: Rejection) -> u64 {
        self.counts[rejection as usize].load(Ordering::Relaxed)
    }

    /// How many there were in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        Rejection::ALL
            .iter()
            .map(|reason| self.count(*reason))
            .sum()
    }
}

/// The trace event of one rejection, at DEBUG. For backends that keep no [`Rejections`]: those tell the rest.
pub fn trace_rejection(label: &BackendLabel, key: &CacheKey, rejection: Rejection) {
    tracing::debug!(backend = %label, %key, reason = %rejection, "stored bytes not served");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let rejections = Rejections::default();
        for (index, reason) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            rejections.record(reason);
            assert_eq!(rejections.count(reason), 1);
        }
        assert_eq!(rejections.total(), 9);
    }
}
