use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use hitbox_core::{BackendLabel, CacheKey};
use tokio::time::Instant;

use crate::log::{Limiter, Line, lock};

/// Why stored bytes were not served. Every one of these is a miss, never an error (G6).
///
/// While processes of two builds share a store, each finds what the other wrote:
/// [`Version`](Self::Version) and [`Type`](Self::Type) are expected then
/// (`docs/rolling-deploys.md`). [`Rejections`] counts them, and nothing warns of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not a stored form: another program's bytes.
    #[error("not a stored form")]
    Foreign,
    /// A stored form of a version this build does not know, or with metadata that it does not know
    /// and must not ignore.
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
    /// No value but a lease: the note of a process that is loading one. It is neither counted nor
    /// traced.
    #[error("a lease in place of a value")]
    Lease,
}

impl Rejection {
    /// Those that are counted.
    const COUNTED: [Self; 9] = [
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

    /// Whether the other side of a rolling deploy leaves it in a store, or a process that is at work.
    fn is_expected(self) -> bool {
        match self {
            Self::Version | Self::Type | Self::Lease => true,
            Self::Foreign
            | Self::Malformed
            | Self::Checksum
            | Self::Compression
            | Self::Format
            | Self::Undecodable
            | Self::TooLarge => false,
        }
    }
}

/// Counts [`Rejection`]s by reason and traces them. Adapters keep one and show it in their statistics.
#[derive(Default)]
pub struct Rejections {
    counts: [AtomicU64; Rejection::COUNTED.len()],
    lines: Mutex<Limiter<Rejection>>,
}

/// The reasons that there were, with their counts: `{Checksum: 2}`.
impl fmt::Debug for Rejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Rejection::COUNTED.map(|reason| (reason, self.count(reason)));
        let counted = counts.into_iter().filter(|(_, count)| *count > 0);
        f.debug_map().entries(counted).finish()
    }
}

impl Rejections {
    /// Counts one and traces it: each at DEBUG, and at WARN one line a second at the most, with what has
    /// been rejected since the line before. What an adapter's
    /// [`reject`](crate::Backend::reject) does.
    ///
    /// There is no event for another [version](Rejection::Version) and for a [lease](Rejection::Lease),
    /// and none at WARN for another [type](Rejection::Type).
    pub fn note(&self, label: &BackendLabel, key: &CacheKey, rejection: Rejection) {
        self.record(rejection);
        trace_rejection(label, key, rejection);
        if rejection.is_expected() {
            return;
        }
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

    /// Counts one. A [`Lease`](Rejection::Lease) is not counted.
    pub fn record(&self, rejection: Rejection) {
        if let Some(count) = self.counts.get(rejection as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were for this reason.
    #[must_use]
    pub fn count(&self, rejection: Rejection) -> u64 {
        self.counts
            .get(rejection as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How many there were in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        Rejection::COUNTED
            .iter()
            .map(|reason| self.count(*reason))
            .sum()
    }
}

/// The trace event of one rejection, at DEBUG. For backends that keep no [`Rejections`]: those tell the rest.
/// There is none for another [version](Rejection::Version) and for a [lease](Rejection::Lease).
pub fn trace_rejection(label: &BackendLabel, key: &CacheKey, rejection: Rejection) {
    if matches!(rejection, Rejection::Version | Rejection::Lease) {
        return;
    }
    tracing::debug!(backend = %label, %key, reason = %rejection, "stored bytes not served");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let rejections = Rejections::default();
        for (index, reason) in Rejection::COUNTED.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            rejections.record(reason);
            assert_eq!(rejections.count(reason), 1);
        }
        assert_eq!(rejections.total(), 9);
        assert!(format!("{rejections:?}").contains("Malformed: 1, Checksum: 1"));
        rejections.record(Rejection::Lease);
        assert_eq!(rejections.count(Rejection::Lease), 0);
        assert_eq!(rejections.total(), 9);
    }
}
