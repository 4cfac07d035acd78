//! The data of values: objects in callers' hands and in first layers, bytes in others.

use std::sync::Arc;

use hitbox_backend::Known;
use hitbox_core::{CacheValue, Raw};

/// What callers write and read.
pub(super) type Data = Known<String>;

const NOTHING: &str = "nothing";

/// The data of what a call writes: they say which key and which write they are of. Now and then a load has found that
/// there is no such thing.
pub(super) fn data_of(call: usize, key: usize) -> Data {
    match call % 8 {
        5 => Known::Absent,
        _ => Known::Present(Arc::new(format!("v{call}k{key}"))),
    }
}

/// What the data say.
pub(super) fn text_of(data: &Data) -> &str {
    data.present().map_or(NOTHING, |text| text.as_str())
}

/// The same, of what a layer has of them.
pub(super) fn name_of(value: &CacheValue<Raw>) -> String {
    let raw = value.data();
    if raw.is_absent() {
        return String::from(NOTHING);
    }
    if let Some(object) = raw.object_of::<String>() {
        return String::clone(&object);
    }
    let payload = raw.payload().map_or(&[][..], |payload| payload);
    // As bincode has a text of so few bytes.
    match payload.split_first() {
        Some((length, text)) if usize::from(*length) == text.len() => {
            String::from_utf8_lossy(text).into_owned()
        }
        Some(_) | None => format!("no text but {payload:?}"),
    }
}
