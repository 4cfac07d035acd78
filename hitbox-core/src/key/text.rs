//! The canonical text form of a key, read. What writes it is `KeyWriter`.
//!
//! Injective because every separator that is not one is escaped, the number of colons tells a key
//! without parts from one with a single empty part, and `=` tells an empty value from none.

use super::{
    Namespace,
    escape::{KeyParseError, unescape},
    part::KeyPart,
};

/// What a key is made of.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) namespace: Namespace,
    pub(super) prefix: String,
    pub(super) version: u32,
    pub(super) parts: Vec<KeyPart>,
}

/// Whether the text is canonical is to be looked at.
pub(super) fn parse(text: &str) -> Result<Parsed, KeyParseError> {
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
    Ok(Parsed {
        namespace,
        prefix: unescape(prefix)?,
        version,
        parts,
    })
}

fn parse_part(part: &str) -> Result<KeyPart, KeyParseError> {
    Ok(match part.split_once('=') {
        None => KeyPart::new(unescape(part)?, None::<&str>),
        Some((name, value)) => KeyPart::new(unescape(name)?, Some(unescape(value)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CacheKey;

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
