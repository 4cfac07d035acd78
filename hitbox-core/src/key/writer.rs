use super::escape::escape_into;

/// Writes the text form of a key part by part, without a [`KeyPart`](super::KeyPart) for each.
///
/// [`CacheKey::new`](super::CacheKey::new) goes by it; so there is one form. Making a key in this way takes two
/// allocations, unless its text is longer than 64 bytes.
///
/// ```
/// use hitbox_core::{CacheKey, KeyPart, KeyWriter};
///
/// let mut writer = KeyWriter::new("users", 1);
/// writer.part("id", Some("42"));
/// writer.part("full", None);
/// let key = CacheKey::from(writer);
/// assert_eq!(key.as_text(), "users:v1:id=42&full");
/// ```
#[derive(Debug)]
pub struct KeyWriter {
    text: String,
    separator: char,
}

impl KeyWriter {
    /// A key with this prefix and version, so far without parts.
    #[must_use]
    pub fn new(prefix: &str, version: u32) -> Self {
        let mut text = String::with_capacity(64);
        escape_into(&mut text, prefix);
        text.push_str(":v");
        text.push_str(itoa::Buffer::new().format(version));
        Self {
            text,
            separator: ':',
        }
    }

    /// Adds a part behind those that are there.
    pub fn part(&mut self, name: &str, value: Option<&str>) {
        self.text.push(self.separator);
        self.separator = '&';
        escape_into(&mut self.text, name);
        if let Some(value) = value {
            self.text.push('=');
            escape_into(&mut self.text, value);
        }
    }

    pub(super) fn as_text(&self) -> &str {
        &self.text
    }
}
