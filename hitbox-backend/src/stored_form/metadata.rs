//! The sections between header and payload.
//!
//! What this build does with those of a later build is settled here, so that a later build can add some without a new
//! version.

use hitbox_core::{FormatId, Meta};

use crate::Rejection;

/// The most bytes that all sections together may take.
pub(super) const LARGEST: usize = 64 * 1024;

/// An id from here on is of a section that a reader may ignore.
const IGNORABLE: u8 = 128;

/// The value says that there is no such thing. The section has no content.
const ABSENT: u8 = 1;

/// The sections that say what `meta` does.
pub(super) fn encode(meta: Option<&Meta>) -> &'static [u8] {
    match meta {
        Some(meta) if meta.is_absent() => &[ABSENT, 0, 0],
        Some(_) | None => &[],
    }
}

/// What `sections` say, of a value with this payload.
///
/// A section that decides whether a value may be served, as a tag does, has an id below 128. A
/// reader that served the value without it would hand it on without it, and no later reader could
/// tell.
///
/// # Errors
///
/// [`Rejection::Version`] for a section that is not known and not to be ignored, [`Rejection::Malformed`] for
/// bytes that are no sections, and for sections that do not go with each other or with the payload.
pub(super) fn parse(
    sections: &[u8],
    format: FormatId,
    payload: &[u8],
) -> Result<Option<Meta>, Rejection> {
    if sections.len() > LARGEST {
        return Err(Rejection::Malformed);
    }
    let mut meta = None;
    let mut unknown = Ok(());
    let mut rest = sections;
    while let Some((id, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk().ok_or(Rejection::Malformed)?;
        let (content, after) = after
            .split_at_checked(usize::from(u16::from_le_bytes(*length)))
            .ok_or(Rejection::Malformed)?;
        rest = after;
        match *id {
            ABSENT => {
                let is_absent = content.is_empty() && payload.is_empty();
                if !is_absent || format != FormatId::ABSENT || meta.is_some() {
                    return Err(Rejection::Malformed);
                }
                meta = Some(Meta::absent());
            }
            IGNORABLE.. => {}
            _ => unknown = Err(Rejection::Version),
        }
    }
    unknown.map(|()| meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_a_value(sections: &[u8]) -> Result<Option<Meta>, Rejection> {
        parse(sections, FormatId::JSON, b"7")
    }

    fn of_nothing(sections: &[u8]) -> Result<Option<Meta>, Rejection> {
        parse(sections, FormatId::ABSENT, &[])
    }

    #[test]
    fn only_what_may_be_ignored_is() {
        assert_eq!(of_a_value(&[]), Ok(None));
        assert_eq!(of_a_value(&[128, 0, 0, 255, 2, 0, 7, 7]), Ok(None));
        assert_eq!(of_a_value(&[127, 0, 0]), Err(Rejection::Version));
        assert_eq!(of_a_value(&[0, 1, 0, 7]), Err(Rejection::Version));
        assert_eq!(of_a_value(&[128, 0, 0, 5, 0, 0]), Err(Rejection::Version));
        assert_eq!(of_nothing(&[1, 0, 0, 5, 0, 0]), Err(Rejection::Version));
    }

    #[test]
    fn sections_that_end_early_are_none() {
        for malformed in [
            &[128][..],
            &[128, 0],
            &[128, 1, 0],
            &[5, 0, 0, 200, 9, 0, 1],
            &[1, 0, 0, 200],
        ] {
            let rejected = Err(Rejection::Malformed);
            assert_eq!(of_a_value(malformed), rejected, "{malformed:?}");
            assert_eq!(of_nothing(malformed), rejected, "{malformed:?}");
        }
    }

    #[test]
    fn what_says_absent_has_neither_content_nor_payload_and_says_it_once() {
        let absent = Meta::absent();
        let sections = encode(Some(&absent));
        assert_eq!(of_nothing(sections), Ok(Some(absent.clone())));
        assert_eq!(of_nothing(&[200, 0, 0, 1, 0, 0]), Ok(Some(absent)));
        assert!(encode(None).is_empty());

        let rejected = Err(Rejection::Malformed);
        assert_eq!(of_a_value(sections), rejected);
        assert_eq!(parse(sections, FormatId::ABSENT, b"7"), rejected);
        assert_eq!(parse(sections, FormatId::OPAQUE, &[]), rejected);
        assert_eq!(of_nothing(&[1, 1, 0, 7]), rejected);
        assert_eq!(of_nothing(&[1, 0, 0, 1, 0, 0]), rejected);
    }

    #[test]
    fn there_is_a_largest_length() {
        let most = LARGEST - 3;
        let mut sections = vec![200];
        sections.extend(u16::try_from(most).unwrap().to_le_bytes());
        sections.resize(LARGEST, 0);
        assert_eq!(of_a_value(&sections), Ok(None));
        sections.extend([200, 0, 0]);
        assert_eq!(of_a_value(&sections), Err(Rejection::Malformed));
    }
}
