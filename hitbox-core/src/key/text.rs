//! The canonical text form of a key: writing and reading it.
//!
//! Injective because every separator that is not one is escaped, the number of colons tells a key
//! without parts from one with a single empty part, and `=` tells an empty value from none.

use std::fmt::Write as _;

use super::{CacheKey, KeyPart, Namespace};

/// A text that no key has as its text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyParseError {
    /// Prefix and version are not both there, or there are more than three sections.
    #[error("a key has the form prefix:vN or prefix:vN:parts")]
    Sections,
    /// The version is not `v` and a number below 2^32 without leading zeros.
    #[error("the version of a key is written v0, v1, v2, ...")]
    Version,
    /// A `%` that does not begin an escape sequence, or one that does not decode to UTF-8.
    #[error("a key has an escape sequence that does not decode")]
    Escape,
    /// The text decodes, but the key it decodes to is written differently.
    #[error("the key is not in its canonical form")]
    NotCanonical,
}

pub(super) fn write(key: &CacheKey) -> Box<str> {
    let mut text = String::with_capacity(64);
    text.push_str(key.namespace().as_text());
    escape_into(&mut text, key.prefix());
    // Writing to a String cannot fail.
    let _ = write!(text, ":v{}", key.version());
    for (index, part) in key.parts().iter().enumerate() {
        text.push(if index == 0 { ':' } else { '&' });
        escape_into(&mut text, part.name());
        if let Some(value) = part.value() {
            text.push('=');
            escape_into(&mut text, value);
        }
    }
    text.into_boxed_str()
}

pub(super) fn parse(text: &str) -> Result<CacheKey, KeyParseError> {
    let (namespace, rest) = Namespace::split(text);
    let mut sections = rest.split(':');
    let (Some(prefix), Some(version)) = (sections.next(), sections.next()) else {
        return Err(KeyParseError::Sections);
    };
    let parts = sections.next();
    if sections.next().is_some() {
        return Err(KeyParseError::Sections);
    }
    let version = version
        .strip_prefix('v')
        .and_then(|number| number.parse().ok())
        .ok_or(KeyParseError::Version)?;
    let parts = match parts {
        None => Vec::new(),
        Some(parts) => parts.split('&').map(parse_part).collect::<Result<_, _>>()?,
    };
    let key = CacheKey::new(unescape(prefix)?, version, parts).in_namespace(&namespace);
    // One comparison rejects every other spelling: needless or lower-case escapes, `v01`, `v+1`.
    if key.as_text() == text && namespace.is_canonical()? {
        Ok(key)
    } else {
        Err(KeyParseError::NotCanonical)
    }
}

fn parse_part(part: &str) -> Result<KeyPart, KeyParseError> {
    Ok(match part.split_once('=') {
        None => KeyPart::new(unescape(part)?, None::<&str>),
        Some((name, value)) => KeyPart::new(unescape(name)?, Some(unescape(value)?)),
    })
}

const fn must_be_escaped(byte: u8) -> bool {
    matches!(byte, b'%' | b':' | b'&' | b'=' | b' ') || byte.is_ascii_control()
}

pub(super) fn escape_into(text: &mut String, raw: &str) {
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(must_be_escaped) {
        // Only ASCII is escaped, so `at` and `at + 1` are character boundaries.
        text.push_str(&rest[..at]);
        let _ = write!(text, "%{:02X}", rest.as_bytes()[at]);
        rest = &rest[at + 1..];
    }
    text.push_str(rest);
}

pub(super) fn unescape(text: &str) -> Result<String, KeyParseError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (Some(digits), Some(tail)) = (rest.get(..2), rest.get(2..)) else {
            return Err(KeyParseError::Escape);
        };
        bytes.push(hexadecimal(digits)?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| KeyParseError::Escape)
}

fn hexadecimal(digits: &[u8]) -> Result<u8, KeyParseError> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = char::from(*digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(KeyParseError::Escape)?;
        Ok(number * 16 + digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key in these namespaces, from the outside in.
    fn within(names: &[&str], key: CacheKey) -> CacheKey {
        let inside_out = names.iter().rev();
        inside_out.fold(key, |key, name| key.in_namespace(&Namespace::new(name)))
    }

    #[test]
    fn readable_where_nothing_has_to_be_escaped() {
        let parts = [
            KeyPart::new("id", Some("42")),
            KeyPart::new("lang", Some("dé")),
        ];
        let key = CacheKey::new("users", 1, parts);
        assert_eq!(key.as_text(), "users:v1:id=42&lang=dé");
    }

    #[test]
    fn keys_that_look_alike_do_not_share_a_form() {
        let none = None::<&str>;
        let forms = [
            (CacheKey::new("", 0, []), ":v0"),
            (CacheKey::new("", 0, [KeyPart::new("", none)]), ":v0:"),
            (CacheKey::new("", 0, [KeyPart::new("", Some(""))]), ":v0:="),
            (CacheKey::new("a:v1", 2, []), "a%3Av1:v2"),
            (CacheKey::new("a", 1, [KeyPart::new("v2", none)]), "a:v1:v2"),
            (CacheKey::from_pair("a", "b&c=d"), ":v0:a=b%26c%3Dd"),
            (CacheKey::from_pair("a", "%26\n"), ":v0:a=%2526%0A"),
            (within(&["n"], CacheKey::new("", 0, [])), "n:::v0"),
            (within(&["n"], CacheKey::new("a", 1, [])), "n::a:v1"),
            (within(&["n", "m"], CacheKey::new("a", 1, [])), "n::m::a:v1"),
            (
                within(&["n::m"], CacheKey::new("a", 1, [])),
                "n%3A%3Am::a:v1",
            ),
            (within(&[""], CacheKey::new("a", 1, [])), "a:v1"),
            (
                CacheKey::new("a", 1, []).in_namespace(&Namespace::new("n").beside()),
                "::n::a:v1",
            ),
        ];
        for (key, text) in forms {
            assert_eq!(key.as_text(), text);
            assert_eq!(CacheKey::parse(text), Ok(key));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let cases = [
            ("", KeyParseError::Sections),
            ("users", KeyParseError::Sections),
            ("a:v1:b:c", KeyParseError::Sections),
            ("a:1:b", KeyParseError::Version),
            ("a:v4294967296", KeyParseError::Version),
            ("a:v-1", KeyParseError::Version),
            ("a:v01", KeyParseError::NotCanonical),
            ("a:v+1", KeyParseError::NotCanonical),
            ("a:v1:b=%3a", KeyParseError::NotCanonical),
            ("a:v1:b=%41", KeyParseError::NotCanonical),
            ("a:v1:b=c=d", KeyParseError::NotCanonical),
            ("a:v1:b=%", KeyParseError::Escape),
            ("a:v1:b=%4", KeyParseError::Escape),
            ("a:v1:b=%zz", KeyParseError::Escape),
            ("a:v1:b=%+1", KeyParseError::Escape),
            ("a:v1:b=%FF", KeyParseError::Escape),
            ("n::", KeyParseError::Sections),
            ("n m::a:v1", KeyParseError::NotCanonical),
            ("n:::m::a:v1", KeyParseError::NotCanonical),
            ("%6E::a:v1", KeyParseError::NotCanonical),
            ("%FF::a:v1", KeyParseError::Escape),
        ];
        for (text, error) in cases {
            assert_eq!(CacheKey::parse(text), Err(error), "{text:?}");
        }
    }
}
