use std::sync::atomic::{AtomicU64, Ordering};

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

/// Counts [`Rejection`]s by reason. Adapters keep one and show it in their statistics.
#[derive(Debug, Default)]
pub struct Rejections {
    counts: [AtomicU64; Rejection::ALL.len()],
}

impl Rejections {
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
