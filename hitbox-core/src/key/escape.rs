//! How what could be mistaken for a separator is written, and read back.

use std::fmt::Write as _;

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

/// By byte. A table, since every byte of every key that is made is looked up.
const ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let ascii = byte as u8;
        table[byte] = matches!(ascii, b'%' | b':' | b'&' | b'=' | b' ') || ascii.is_ascii_control();
        byte += 1;
    }
    table
};

fn must_be_escaped(byte: u8) -> bool {
    ESCAPED[usize::from(byte)]
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
