//! The bytes of an entry in a log of news: `docs/news-form.md` has them one by one.
//!
//! For a [`Backplane`](super::Backplane) whose log keeps bytes.
//!
//! ```
//! use hitbox_backend::coherence::{News, Origin, news_form};
//! use hitbox_core::{CacheKey, Stamp};
//!
//! let (key, origin, stamp) = (CacheKey::from_pair("id", "42"), Origin::random(), Stamp::now());
//! let entries = news_form::encode(origin, [(&key, stamp)]);
//! assert_eq!(news_form::decode(&entries[0]), Ok(vec![News::Changed { key, origin, stamp }]));
//! ```

use std::{error::Error, fmt};

use hitbox_core::{CacheKey, LogMark, Stamp};

use super::{News, Origin};
use crate::tags::{Invalidated, Severity};

/// No entry is longer, in bytes. More keys take several entries.
pub const LARGEST_ENTRY: usize = 64 << 10;

const FORM: u8 = 1;
const HEADER_LENGTH: usize = 1 + size_of::<u64>();

/// A key, its length and its stamp follow.
const CHANGED: u8 = 1;
/// Nothing follows: the key is too long to be named.
const ANY: u8 = 2;

/// The severity, the name of the cache and the tag follow, each of the two after its length.
const TAG: u8 = 3;
/// The severity and the name of the cache follow.
const EVERYTHING: u8 = 4;

const HARD: u8 = 1;
const SOFT: u8 = 2;

/// What a key takes but for its text: kind, length and stamp.
const AROUND_KEY: usize = 1 + size_of::<u16>() + size_of::<u64>();
const LONGEST_KEY: usize = LARGEST_ENTRY - HEADER_LENGTH - AROUND_KEY;

/// Why an entry cannot be read as news. Whoever finds one has a gap: any key may have been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// The entry is of a form, or has a kind of news, that this version does not know.
    Unknown,
    /// The bytes are not an entry.
    Malformed,
    /// It says itself that any key may have been changed, since one was too long to be named.
    AnyKey,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the news are in a form that this version does not know",
            Self::Malformed => "the bytes are not news",
            Self::AnyKey => "the news are of a key that is too long to be named",
        })
    }
}

impl Error for Unreadable {}

/// The entries that say that these keys have been changed, in this order. At least one: without a key, it is news of
/// nothing.
#[must_use]
pub fn encode<'k>(
    origin: Origin,
    changed: impl IntoIterator<Item = (&'k CacheKey, Stamp)>,
) -> Vec<Vec<u8>> {
    let mut entries = vec![empty(origin)];
    for (key, stamp) in changed {
        let text = key.as_text().as_bytes();
        let is_named = text.len() <= LONGEST_KEY;
        let length = if is_named { AROUND_KEY + text.len() } else { 1 };
        let mut entry = entries.pop().unwrap_or_else(|| empty(origin));
        if entry.len() + length > LARGEST_ENTRY {
            entries.push(entry);
            entry = empty(origin);
        }
        match u16::try_from(text.len()) {
            Ok(length) if is_named => {
                entry.push(CHANGED);
                entry.extend_from_slice(&length.to_le_bytes());
                entry.extend_from_slice(text);
                entry.extend_from_slice(&stamp.as_micros().to_le_bytes());
            }
            _ => entry.push(ANY),
        }
        entries.push(entry);
    }
    entries
}

/// The entry that says that what has the tag, or with `None` everything, is invalidated in caches of this name.
///
/// Of a name and a tag of more than 255 bytes, neither of which there is, it says only that anything may be.
#[must_use]
pub fn encode_invalidated(
    origin: Origin,
    cache: &str,
    tag: Option<&str>,
    severity: Severity,
) -> Vec<u8> {
    let mut entry = empty(origin);
    let texts = [Some(cache), tag].into_iter().flatten();
    let lengths: Result<Vec<u8>, _> = texts.clone().map(|text| u8::try_from(text.len())).collect();
    let Ok(lengths) = lengths else {
        entry.push(ANY);
        return entry;
    };
    entry.push(if tag.is_some() { TAG } else { EVERYTHING });
    entry.push(match severity {
        Severity::Hard => HARD,
        Severity::Soft => SOFT,
    });
    for (length, text) in lengths.into_iter().zip(texts) {
        entry.push(length);
        entry.extend_from_slice(text.as_bytes());
    }
    entry
}

fn empty(origin: Origin) -> Vec<u8> {
    let mut entry = vec![FORM];
    entry.extend_from_slice(&origin.to_bits().to_le_bytes());
    entry
}

/// What an entry says, in its order. The [mark](Invalidated::mark) of an invalidation is the place of the entry in the log, which
/// is not in it: here it is zero.
///
/// # Errors
///
/// [`Unreadable`] if it does not say which keys have been changed.
pub fn decode(entry: &[u8]) -> Result<Vec<News>, Unreadable> {
    if entry.len() > LARGEST_ENTRY {
        return Err(Unreadable::Malformed);
    }
    let mut rest = Rest(entry);
    if rest.byte()? != FORM {
        return Err(Unreadable::Unknown);
    }
    let origin = Origin::from_bits(rest.number()?);
    let mut news = Vec::new();
    while !rest.0.is_empty() {
        match rest.byte()? {
            CHANGED => {
                let length = u16::from_le_bytes(rest.array()?);
                let text = str::from_utf8(rest.bytes(length.into())?);
                let key = text.map_err(|_| Unreadable::Malformed)?;
                let key = CacheKey::parse(key).map_err(|_| Unreadable::Malformed)?;
                let stamp = Stamp::from_micros(rest.number()?);
                news.push(News::Changed { key, origin, stamp });
            }
            ANY => return Err(Unreadable::AnyKey),
            kind @ (TAG | EVERYTHING) => news.push(rest.invalidated(kind)?),
            _ => return Err(Unreadable::Unknown),
        }
    }
    Ok(news)
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Unreadable::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<Box<str>, Unreadable> {
        let length = self.byte()?.into();
        let text = str::from_utf8(self.bytes(length)?);
        text.map(Box::from).map_err(|_| Unreadable::Malformed)
    }

    fn invalidated(&mut self, kind: u8) -> Result<News, Unreadable> {
        let severity = match self.byte()? {
            HARD => Severity::Hard,
            SOFT => Severity::Soft,
            _ => return Err(Unreadable::Unknown),
        };
        let cache = self.text()?;
        let tag = if kind == TAG {
            Some(self.text()?)
        } else {
            None
        };
        if tag.as_deref().is_some_and(str::is_empty) {
            return Err(Unreadable::Malformed);
        }
        Ok(News::Invalidated(Invalidated {
            cache,
            tag,
            severity,
            mark: LogMark::default(),
        }))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (bytes, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Unreadable::Malformed)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin::from_bits(0x0102_0304_0506_0708);

    fn changed(key: &CacheKey, micros: u64) -> News {
        News::Changed {
            key: key.clone(),
            origin: ORIGIN,
            stamp: Stamp::from_micros(micros),
        }
    }

    /// As `docs/news-form.md` has it.
    #[test]
    fn the_bytes_are_those_of_the_documentation() {
        let key = CacheKey::new("users", 1, []);
        let entries = encode(ORIGIN, [(&key, Stamp::from_micros(0x1122_3344_5566))]);
        let golden: &[u8] = include_bytes!("golden/one_key.news");
        assert_eq!(entries, [golden]);
        assert_eq!(decode(golden), Ok(vec![changed(&key, 0x1122_3344_5566)]));
        let hello: &[u8] = include_bytes!("golden/hello.news");
        assert_eq!(encode(ORIGIN, []), [hello]);
        assert_eq!(decode(hello), Ok(Vec::new()));
    }

    #[test]
    fn invalidations_are_those_of_the_documentation() {
        let cases: [(Option<&str>, Severity, &[u8]); 2] = [
            (
                Some("team:7"),
                Severity::Hard,
                include_bytes!("golden/tag.news"),
            ),
            (
                None,
                Severity::Soft,
                include_bytes!("golden/everything.news"),
            ),
        ];
        for (tag, severity, golden) in cases {
            assert_eq!(encode_invalidated(ORIGIN, "shop", tag, severity), golden);
            let news = News::Invalidated(Invalidated {
                cache: "shop".into(),
                tag: tag.map(Box::from),
                severity,
                mark: LogMark::default(),
            });
            assert_eq!(decode(golden), Ok(vec![news]));
            for length in HEADER_LENGTH + 1..golden.len() {
                assert_eq!(decode(&golden[..length]), Err(Unreadable::Malformed));
            }
            let mut later = golden.to_vec();
            later[HEADER_LENGTH + 1] = 3;
            assert_eq!(decode(&later), Err(Unreadable::Unknown));
        }
        let long = "t".repeat(256);
        let entry = encode_invalidated(ORIGIN, "", Some(&long), Severity::Hard);
        assert_eq!(decode(&entry), Err(Unreadable::AnyKey));
    }

    #[test]
    fn more_keys_than_an_entry_takes_are_several() {
        let long = "x".repeat(1_000);
        let keys: Vec<_> = (0..200)
            .map(|number| CacheKey::from_pair(number.to_string(), &long))
            .collect();
        let entries = encode(ORIGIN, keys.iter().map(|key| (key, Stamp::from_micros(7))));
        assert_eq!(entries.len(), 4);
        assert!(entries.iter().all(|entry| entry.len() <= LARGEST_ENTRY));
        let news: Vec<_> = entries
            .iter()
            .flat_map(|entry| decode(entry).unwrap())
            .collect();
        let expected: Vec<_> = keys.iter().map(|key| changed(key, 7)).collect();
        assert_eq!(news, expected);
    }

    #[test]
    fn a_key_that_is_too_long_to_be_named_may_be_any() {
        let of_length = |length: usize| CacheKey::new("x".repeat(length - ":v1".len()), 1, []);
        let stamp = Stamp::from_micros(7);
        let (longest, longer) = (of_length(LONGEST_KEY), of_length(LONGEST_KEY + 1));
        let entries = encode(ORIGIN, [(&longest, stamp)]);
        assert_eq!((entries.len(), entries[0].len()), (1, LARGEST_ENTRY));
        assert_eq!(decode(&entries[0]), Ok(vec![changed(&longest, 7)]));
        let entries = encode(ORIGIN, [(&longer, stamp)]);
        assert_eq!(decode(&entries[0]), Err(Unreadable::AnyKey));
    }

    #[test]
    fn what_is_not_understood_is_never_half_of_it() {
        let key = CacheKey::from_pair("id", "1");
        let entry = encode(ORIGIN, [(&key, Stamp::from_micros(7))]).remove(0);
        for length in 0..entry.len() {
            let is_hello = length == HEADER_LENGTH;
            assert_eq!(decode(&entry[..length]).is_ok(), is_hello, "{length}");
        }
        let with = |at: usize, byte: u8| {
            let mut entry = entry.clone();
            entry[at] = byte;
            decode(&entry)
        };
        assert_eq!(with(0, 2), Err(Unreadable::Unknown));
        assert_eq!(with(HEADER_LENGTH, 5), Err(Unreadable::Unknown));
        assert_eq!(with(HEADER_LENGTH + 3, 0xFF), Err(Unreadable::Malformed));
        assert_eq!(
            decode(&vec![FORM; LARGEST_ENTRY + 1]),
            Err(Unreadable::Malformed)
        );
    }
}
