//! The sections between header and payload.
//!
//! What this build does with those of a later build is settled here, so that a later build can add some without a new
//! version.

use hitbox_core::{FormatId, LogMark, Meta, TagSet};

use crate::Rejection;

/// The most bytes that all sections together may take.
pub(super) const LARGEST: usize = 64 * 1024;

/// An id from here on is of a section that a reader may ignore.
const IGNORABLE: u8 = 128;

/// The value says that there is no such thing. The section has no content.
const ABSENT: u8 = 1;

/// The tags of the value, and how old it is as far as they go.
const TAGS: u8 = 2;

/// The value is as old as its stamp says.
const BY_STAMP: u8 = 0;
/// It is as old as a place in a log of news, which follows.
const BY_LOG: u8 = 1;

/// The sections that say what `meta` does.
pub(super) fn encode(meta: Option<&Meta>) -> Vec<u8> {
    let mut sections = Vec::new();
    let Some(meta) = meta else {
        return sections;
    };
    if meta.is_absent() {
        put(&mut sections, ABSENT, &[]);
    }
    let mut content = match meta.mark() {
        Some(mark) => [&[BY_LOG][..], &mark.to_bits().to_le_bytes()].concat(),
        None if meta.tags().is_empty() => return sections,
        None => vec![BY_STAMP],
    };
    for tag in meta.tags().iter() {
        // A set of tags has none that is longer.
        content.push(u8::try_from(tag.len()).unwrap_or(u8::MAX));
        content.extend_from_slice(tag.as_bytes());
    }
    put(&mut sections, TAGS, &content);
    sections
}

fn put(sections: &mut Vec<u8>, id: u8, content: &[u8]) {
    sections.push(id);
    // No more than 16 tags of 255 bytes.
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    sections.extend_from_slice(&length.to_le_bytes());
    sections.extend_from_slice(content);
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
    let (mut is_absent, mut has_tags, mut tagged) = (false, false, None);
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
                let is_empty = content.is_empty() && payload.is_empty();
                if !is_empty || format != FormatId::ABSENT || is_absent {
                    return Err(Rejection::Malformed);
                }
                is_absent = true;
            }
            TAGS if has_tags => return Err(Rejection::Malformed),
            TAGS => {
                has_tags = true;
                match parse_tags(content) {
                    Err(Rejection::Version) => unknown = Err(Rejection::Version),
                    parsed => tagged = Some(parsed?),
                }
            }
            IGNORABLE.. => {}
            _ => unknown = Err(Rejection::Version),
        }
    }
    let meta = match (is_absent, tagged) {
        (false, tagged) => tagged,
        (true, tagged) => Some(tagged.map_or_else(Meta::absent, Meta::of_absence)),
    };
    unknown.map(|()| meta)
}

fn parse_tags(content: &[u8]) -> Result<Meta, Rejection> {
    let malformed = || Rejection::Malformed;
    let (kind, mut rest) = content.split_first().ok_or_else(malformed)?;
    let mark = match *kind {
        BY_STAMP => None,
        BY_LOG => {
            let (mark, tags) = rest.split_first_chunk().ok_or_else(malformed)?;
            rest = tags;
            Some(LogMark::from_bits(u64::from_le_bytes(*mark)))
        }
        // Of a later build, which judges by it.
        _ => return Err(Rejection::Version),
    };
    let mut tags = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let (tag, after) = after
            .split_at_checked(usize::from(*length))
            .ok_or_else(malformed)?;
        rest = after;
        tags.push(str::from_utf8(tag).map_err(|_| Rejection::Malformed)?);
    }
    let set = TagSet::of(&tags).map_err(|_| Rejection::Malformed)?;
    // Each once; and a section says something.
    if set.iter().len() != tags.len() || set.is_empty() && mark.is_none() {
        return Err(Rejection::Malformed);
    }
    let meta = Meta::tagged(set);
    Ok(match mark {
        Some(mark) => meta.marked(mark),
        None => meta,
    })
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
        assert_eq!(of_nothing(&sections), Ok(Some(absent.clone())));
        assert_eq!(of_nothing(&[200, 0, 0, 1, 0, 0]), Ok(Some(absent)));
        assert!(encode(None).is_empty());

        let rejected = Err(Rejection::Malformed);
        assert_eq!(of_a_value(&sections), rejected);
        assert_eq!(parse(&sections, FormatId::ABSENT, b"7"), rejected);
        assert_eq!(parse(&sections, FormatId::OPAQUE, &[]), rejected);
        assert_eq!(of_nothing(&[1, 1, 0, 7]), rejected);
        assert_eq!(of_nothing(&[1, 0, 0, 1, 0, 0]), rejected);
    }

    fn tags(tags: &[&str]) -> Meta {
        Meta::tagged(TagSet::of(tags).unwrap())
    }

    #[test]
    fn tags_are_read_as_they_were_written() {
        let mark = LogMark::from_bits(0x0807_0605_0403_0201);
        let cases = [
            (
                tags(&["ab", "c"]),
                &[2, 6, 0, 0, 2, b'a', b'b', 1, b'c'][..],
            ),
            (
                tags(&[]).marked(mark),
                &[2, 9, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8],
            ),
            (
                tags(&["a"]).marked(mark),
                &[2, 11, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 1, b'a'],
            ),
        ];
        for (meta, sections) in cases {
            assert_eq!(encode(Some(&meta)), sections);
            assert_eq!(of_a_value(sections), Ok(Some(meta.clone())));
            let absent = meta.of_absence();
            let sections = encode(Some(&absent));
            assert_eq!(of_nothing(&sections), Ok(Some(absent)));
        }
        let most: Vec<String> = (0..16).map(|tag| format!("{tag:0>255}")).collect();
        let most = Meta::tagged(TagSet::of(most).unwrap());
        assert_eq!(of_a_value(&encode(Some(&most))), Ok(Some(most)));
    }

    #[test]
    fn tags_that_nobody_writes_are_none() {
        let rejected = Err(Rejection::Malformed);
        for malformed in [
            // Nothing is said, twice.
            &[2, 0, 0][..],
            &[2, 1, 0, 0],
            // A mark, and a tag, that end early.
            &[2, 3, 0, 1, 1, 2],
            &[2, 3, 0, 0, 2, b'a'],
            // Empty, no text, twice the same.
            &[2, 2, 0, 0, 0],
            &[2, 3, 0, 0, 1, 0xff],
            &[2, 5, 0, 0, 1, b'a', 1, b'a'],
            // Two sections.
            &[2, 3, 0, 0, 1, b'a', 2, 3, 0, 0, 1, b'b'],
        ] {
            assert_eq!(of_a_value(malformed), rejected, "{malformed:?}");
        }
        let mut many = vec![2, 35, 0, 0];
        (b'a'..=b'q').for_each(|tag| many.extend([1, tag]));
        assert_eq!(of_a_value(&many), rejected);
        // It is judged by something that this build does not know.
        let later = [2, 3, 0, 2, 1, b'a'];
        assert_eq!(of_a_value(&later), Err(Rejection::Version));
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
