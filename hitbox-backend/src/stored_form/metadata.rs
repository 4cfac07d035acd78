//! The sections between header and payload.
//!
//! This build writes none and knows none. What it does with those of a later build is settled here,
//! so that a later build can add some without a new version.

use crate::Rejection;

/// The most bytes that all sections together may take.
pub(super) const LARGEST: usize = 64 * 1024;

/// An id from here on is of a section that a reader may ignore.
const IGNORABLE: u8 = 128;

/// Holds if a reader that knows no section may serve the payload that stands behind `sections`.
///
/// A section that decides whether a value may be served, as a tag does, has an id below 128. A
/// reader that served the value without it would hand it on without it, and no later reader could
/// tell.
///
/// # Errors
///
/// [`Rejection::Version`] for a section that is not to be ignored, [`Rejection::Malformed`] for
/// bytes that are no sections.
pub(super) fn check(sections: &[u8]) -> Result<(), Rejection> {
    if sections.len() > LARGEST {
        return Err(Rejection::Malformed);
    }
    let mut rest = sections;
    let mut unknown = Ok(());
    while let Some((id, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk().ok_or(Rejection::Malformed)?;
        rest = after
            .get(usize::from(u16::from_le_bytes(*length))..)
            .ok_or(Rejection::Malformed)?;
        if *id < IGNORABLE {
            unknown = Err(Rejection::Version);
        }
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_ignored_is() {
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[128, 0, 0, 255, 2, 0, 7, 7]), Ok(()));
        assert_eq!(check(&[127, 0, 0]), Err(Rejection::Version));
        assert_eq!(check(&[0, 1, 0, 7]), Err(Rejection::Version));
        assert_eq!(check(&[128, 0, 0, 5, 0, 0]), Err(Rejection::Version));
    }

    #[test]
    fn sections_that_end_early_are_none() {
        for malformed in [
            &[128][..],
            &[128, 0],
            &[128, 1, 0],
            &[5, 0, 0, 200, 9, 0, 1],
        ] {
            assert_eq!(check(malformed), Err(Rejection::Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn there_is_a_largest_length() {
        let most = LARGEST - 3;
        let mut sections = vec![200];
        sections.extend(u16::try_from(most).unwrap().to_le_bytes());
        sections.resize(LARGEST, 0);
        assert_eq!(check(&sections), Ok(()));
        sections.extend([200, 0, 0]);
        assert_eq!(check(&sections), Err(Rejection::Malformed));
    }
}
