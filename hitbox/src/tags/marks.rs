//! When something was invalidated last.

use hitbox_backend::tags::{Severity, TagMarks};

/// The newest invalidation of each severity. What is as old as one, or older, is invalidated; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) hard: u64,
    pub(super) soft: u64,
}

impl From<TagMarks> for Marks {
    fn from(marks: TagMarks) -> Self {
        Self {
            hard: marks.hard.to_bits(),
            soft: marks.soft.to_bits(),
        }
    }
}

impl Marks {
    pub(super) const NONE: Self = Self { hard: 0, soft: 0 };

    pub(super) const fn of(severity: Severity, mark: u64) -> Self {
        match severity {
            Severity::Hard => Self {
                hard: mark,
                soft: 0,
            },
            Severity::Soft => Self {
                hard: 0,
                soft: mark,
            },
        }
    }

    /// The newer of each.
    pub(super) fn combine(self, other: Self) -> Self {
        Self {
            hard: self.hard.max(other.hard),
            soft: self.soft.max(other.soft),
        }
    }

    pub(super) fn newest(self) -> u64 {
        self.hard.max(self.soft)
    }

    /// As they stand in an entry of a store: the hard one and the soft one, 8 bytes each, little-endian.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.hard.to_le_bytes());
        bytes[8..].copy_from_slice(&self.soft.to_le_bytes());
        bytes
    }

    /// `None`: nobody has written this.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hard, soft) = bytes.split_first_chunk::<8>()?;
        let soft: [u8; 8] = soft.try_into().ok()?;
        Some(Self {
            hard: u64::from_le_bytes(*hard),
            soft: u64::from_le_bytes(soft),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let marks = Marks { hard: 1, soft: 513 };
        let bytes = [1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0];
        assert_eq!(marks.to_bytes(), bytes);
        assert_eq!(Marks::from_bytes(&bytes), Some(marks));
        assert_eq!(Marks::from_bytes(&bytes[1..]), None);
        assert_eq!(Marks::from_bytes(&[0; 17]), None);
    }
}
