//! The header of the stored form.

use bytes::Bytes;
use chrono::DateTime;
use hitbox_backend::{
    Rejection,
    compression::NoCompression,
    stored_form::{self, HEADER_LENGTH, Header},
};

use super::forge;
use crate::{Observed, Target};

/// The section of a value that says that there is no such thing.
const ABSENT: [u8; 3] = [1, 0, 0];

pub(crate) const TARGET: Target = Target {
    name: "stored_form",
    about: "the header of a stored form",
    run,
    adapt: forge::header,
    seeds: forge::seeds,
    tokens: &[
        b"\x89HB\n\x02",
        b"\x89HB\x0b",
        // A section of metadata that may be ignored, and one that may not.
        b"\xff\x02\0\0\0",
        b"\x7f\x02\0\0\0",
        &ABSENT,
        // Tags: of a value as old as its stamp, and of one as old as a place in a log.
        b"\x02\x03\0\0\x01t",
        b"\x02\x0b\0\x01\x01\x02\x03\x04\x05\x06\x07\x08\x01t",
        // The first millisecond after the last that a calendar has, and the last before the first.
        b"\x80\x8e\xda\x1d\x30\xd1\x1d\0",
        b"\xff\x73\xa6\x7c\x7c\xe2\xe2\xff",
    ],
};

/// Decodes the bytes as a stored form.
///
/// # Panics
///
/// If they are not rejected for the reason that `docs/stored-form.md` gives, or if a value is not
/// stored as the very same bytes again.
pub fn run(stored: &[u8]) -> Observed {
    let mut observed = Observed::default();
    let stored = Bytes::copy_from_slice(stored);
    let outcome = observed.bounded(0, || stored_form::decode(&stored));
    observed.count(outcome.as_ref().ok());
    assert_eq!(outcome.as_ref().err(), due(&stored).as_ref());
    assert_eq!(Header::parse(&stored).err(), due(&stored));
    if let Ok(value) = outcome {
        let again = stored_form::encode(&value, &NoCompression);
        let again = again.unwrap_or_else(|error| panic!("decoded, but not encoded: {error}"));
        // What may be ignored is: it is not there any more.
        let before = metadata(&stored).unwrap_or_default();
        let kept = kept(before);
        assert_eq!(metadata(&again), Some(&*kept), "stored otherwise");
        assert_eq!(
            again.len() + before.len(),
            stored.len() + kept.len(),
            "stored otherwise"
        );
        assert!(before != kept || again == stored, "stored otherwise");
    }
    observed
}

/// Why the bytes are to be rejected, as the documentation has it.
fn due(stored: &[u8]) -> Option<Rejection> {
    if stored.starts_with(b"\x89HB\x0b") {
        return Some(Rejection::Lease);
    }
    if !stored.starts_with(b"\x89HB\n") {
        return Some(Rejection::Foreign);
    }
    if stored.get(4).is_some_and(|version| *version != 2) {
        return Some(Rejection::Version);
    }
    if stored.len() < HEADER_LENGTH {
        return Some(Rejection::Malformed);
    }
    let mut unsealed = stored.to_vec();
    unsealed[8..12].fill(0);
    if crc32fast::hash(&unsealed).to_le_bytes() != stored[8..12] {
        return Some(Rejection::Checksum);
    }
    if stored[7] >= 4 {
        return Some(Rejection::Malformed);
    }
    let Some(metadata) = metadata(stored) else {
        return Some(Rejection::Malformed);
    };
    let may_be_absent = stored[5] == 4 && stored.len() == HEADER_LENGTH + metadata.len();
    due_to_metadata(metadata, may_be_absent).or_else(|| due_to_times(stored))
}

/// What stands between header and payload.
fn metadata(stored: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(stored.get(12..16)?.try_into().ok()?);
    stored
        .get(HEADER_LENGTH..)?
        .get(..usize::try_from(length).ok()?)
}

/// The sections that a writer writes, in its order.
fn kept(mut sections: &[u8]) -> Vec<u8> {
    let (mut absent, mut tags) = (Vec::new(), Vec::new());
    while let [id, low, high, ..] = sections {
        let end = (3 + usize::from(*low) + 256 * usize::from(*high)).min(sections.len());
        let (section, rest) = sections.split_at(end);
        match *id {
            1 => absent.extend_from_slice(section),
            2 => tags.extend_from_slice(section),
            _ => {}
        }
        sections = rest;
    }
    [absent, tags].concat()
}

/// `may_be_absent`: whether there is no payload, and a format that says so.
fn due_to_metadata(mut sections: &[u8], mut may_be_absent: bool) -> Option<Rejection> {
    if sections.len() > 65_536 {
        return Some(Rejection::Malformed);
    }
    let (mut due, mut may_be_tagged) = (None, true);
    while let [id, rest @ ..] = sections {
        let [low, high, rest @ ..] = rest else {
            return Some(Rejection::Malformed);
        };
        let length = usize::from(*low) + 256 * usize::from(*high);
        let Some((content, rest)) = rest.split_at_checked(length) else {
            return Some(Rejection::Malformed);
        };
        match *id {
            // Once, and with no content.
            1 if may_be_absent && length == 0 => may_be_absent = false,
            1 => return Some(Rejection::Malformed),
            2 if may_be_tagged => {
                may_be_tagged = false;
                match due_to_tags(content) {
                    malformed @ Some(Rejection::Malformed) => return malformed,
                    later => due = due.or(later),
                }
            }
            2 => return Some(Rejection::Malformed),
            0..128 => due = Some(Rejection::Version),
            128.. => {}
        }
        sections = rest;
    }
    due
}

fn due_to_tags(content: &[u8]) -> Option<Rejection> {
    let (mut rest, is_marked) = match content {
        [0, rest @ ..] => (rest, false),
        [1, _, _, _, _, _, _, _, _, rest @ ..] => (rest, true),
        [] | [1, ..] => return Some(Rejection::Malformed),
        [_, ..] => return Some(Rejection::Version),
    };
    let mut tags = Vec::new();
    while let [length, after @ ..] = rest {
        let Some((tag, after)) = after.split_at_checked(usize::from(*length)) else {
            return Some(Rejection::Malformed);
        };
        if tag.is_empty() || std::str::from_utf8(tag).is_err() || tags.contains(&tag) {
            return Some(Rejection::Malformed);
        }
        tags.push(tag);
        rest = after;
    }
    let says_nothing = tags.is_empty() && !is_marked;
    (tags.len() > 16 || says_nothing).then_some(Rejection::Malformed)
}

fn due_to_times(stored: &[u8]) -> Option<Rejection> {
    let flags = stored[7];
    let times = [(0b01, &stored[24..32]), (0b10, &stored[32..40])];
    let in_order = times.into_iter().all(|(flag, time)| {
        if flags & flag == 0 {
            time == [0; 8]
        } else {
            <[u8; 8]>::try_from(time).is_ok_and(|time| {
                DateTime::from_timestamp_millis(i64::from_le_bytes(time)).is_some()
            })
        }
    });
    (!in_order).then_some(Rejection::Malformed)
}
