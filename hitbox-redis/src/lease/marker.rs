//! What stands under a key that is being loaded.

use std::time::Duration;

/// As `docs/stored-form.md` has it. Readers take it for nothing at all.
const MAGIC: [u8; 4] = [0x89, b'H', b'B', 0x0B];
const LENGTH: usize = 24;

/// The life of a marker. Nobody waits for it: a load may take as long without being able to renew it.
const LIFE: Duration = Duration::from_secs(60);

/// How often a marker is renewed, and for how long it is believed that it will be.
pub(super) const RENEWED_AFTER: Duration = Duration::from_millis(100);
const BELIEVED_FOR: Duration = Duration::from_millis(300);

/// That somebody loads the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker([u8; LENGTH]);

impl Marker {
    /// One that nobody else has.
    pub(super) fn new() -> Self {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&fastrand::u64(..).to_le_bytes());
        bytes[12..20].copy_from_slice(&fastrand::u64(..).to_le_bytes());
        bytes[20..].copy_from_slice(&(LIFE.as_millis() as u32).to_le_bytes());
        Self(bytes)
    }

    /// The marker that is stored, if it is one.
    pub(super) fn parse(stored: &[u8]) -> Option<Self> {
        let bytes: [u8; LENGTH] = stored.try_into().ok()?;
        bytes.starts_with(&MAGIC).then_some(Self(bytes))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// In milliseconds.
    pub(super) fn life(&self) -> u64 {
        let [.., a, b, c, d] = self.0;
        u32::from_le_bytes([a, b, c, d]).into()
    }

    /// Whether nobody has renewed it for so long that nobody will, if it has so many milliseconds left.
    pub(super) fn is_abandoned(&self, left: i64) -> bool {
        let Ok(left) = u64::try_from(left) else {
            // It has gone meanwhile, or is none.
            return false;
        };
        self.life().saturating_sub(left) > BELIEVED_FOR.as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `docs/stored-form.md` has it.
    #[test]
    fn a_marker_is_read_as_it_was_written_and_has_a_life() {
        let marker = Marker::new();
        assert_eq!(Marker::parse(marker.as_bytes()), Some(marker));
        assert_eq!(marker.life(), 60_000);
        assert_ne!(Marker::new(), marker);
        let mut foreign = marker.as_bytes().to_vec();
        foreign[3] = b'\n';
        assert_eq!(Marker::parse(&foreign), None);
        assert_eq!(Marker::parse(&marker.as_bytes()[1..]), None);
    }

    #[test]
    fn it_is_abandoned_once_it_has_not_been_renewed_for_a_while() {
        let marker = Marker::new();
        for (left, is_abandoned) in [(60_000, false), (59_700, false), (59_699, true), (0, true)] {
            assert_eq!(marker.is_abandoned(left), is_abandoned, "{left}");
        }
        // PTTL of a key that is gone, and of one that does not expire.
        assert!(!marker.is_abandoned(-2) && !marker.is_abandoned(-1));
    }
}
