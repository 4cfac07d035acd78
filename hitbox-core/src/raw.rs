use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use crate::WantedType;

/// Names the format that a payload is encoded with.
///
/// 0 is [`OPAQUE`](Self::OPAQUE), 1 to 127 belong to hitbox, 128 to 255 are for
/// [formats of your own](Self::custom).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormatId(u8);

impl FormatId {
    /// Bytes that nobody has said anything about: typed access reads them in the backend's own
    /// format.
    pub const OPAQUE: Self = Self(0);
    /// bincode 2, standard configuration.
    pub const BINCODE: Self = Self(1);
    /// JSON.
    pub const JSON: Self = Self(2);
    /// postcard 1.
    pub const POSTCARD: Self = Self(3);

    /// The id of a format from outside hitbox. Panics (at compile time, in a constant) below 128.
    #[must_use]
    pub const fn custom(id: u8) -> Self {
        assert!(id >= 128, "ids below 128 are hitbox's own");
        Self(id)
    }

    /// The id as it stands in a stored form; any number is possible there.
    #[must_use]
    pub const fn from_stored(id: u8) -> Self {
        Self(id)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Names the compressor that a payload went through after it was encoded.
///
/// 0 is [`NONE`](Self::NONE), 1 to 127 belong to hitbox, 128 to 255 are for
/// [compressors of your own](Self::custom).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompressorId(u8);

impl CompressorId {
    /// Not compressed.
    pub const NONE: Self = Self(0);
    /// gzip, RFC 1952.
    pub const GZIP: Self = Self(1);
    /// Zstandard, RFC 8878.
    pub const ZSTD: Self = Self(2);
    /// LZ4 frame format.
    pub const LZ4: Self = Self(3);

    /// The id of a compressor from outside hitbox. Panics (at compile time, in a constant) below
    /// 128.
    #[must_use]
    pub const fn custom(id: u8) -> Self {
        assert!(id >= 128, "ids below 128 are hitbox's own");
        Self(id)
    }

    /// The id as it stands in a stored form; any number is possible there.
    #[must_use]
    pub const fn from_stored(id: u8) -> Self {
        Self(id)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// How a payload came to be: what one has to know to decode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// The format of the (uncompressed) payload.
    pub format: FormatId,
    /// What the formatted payload was compressed with.
    pub compressor: CompressorId,
    /// A fingerprint of the encoded type where the format does not describe itself; 0 where it
    /// does, or where the type is not known. A reader that expects another fingerprint treats the
    /// payload as not decodable.
    pub shape: u64,
}

impl Encoding {
    /// Uncompressed bytes of unknown format and type.
    pub const OPAQUE: Self = Self {
        format: FormatId::OPAQUE,
        compressor: CompressorId::NONE,
        shape: 0,
    };
}

/// An encoded value: the payload, how it is [encoded](Encoding), and a slot for the decoded object.
///
/// Cloning costs one reference count, and every clone shares the slot. Typed access fills it when
/// it encodes or first decodes the object, and takes the object out of it from then on, so a
/// backend that keeps `Raw`s in process serves objects without decoding.
///
/// ```
/// use bytes::Bytes;
/// use hitbox_core::Raw;
///
/// let raw = Raw::from(Bytes::from_static(b"payload"));
/// assert_eq!(raw.as_ref(), b"payload");
/// ```
#[derive(Clone)]
pub struct Raw {
    shared: Arc<Shared>,
}

struct Shared {
    payload: Bytes,
    encoding: Encoding,
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Raw {
    /// A payload with its encoding, and an empty slot.
    #[must_use]
    pub fn new(payload: Bytes, encoding: Encoding) -> Self {
        Self {
            shared: Arc::new(Shared {
                payload,
                encoding,
                decoded: OnceLock::new(),
            }),
        }
    }

    /// A payload together with the object that it encodes.
    pub fn with_decoded<T: Send + Sync + 'static>(
        payload: Bytes,
        encoding: Encoding,
        object: Arc<T>,
    ) -> Self {
        let raw = Self::new(payload, encoding);
        raw.remember(object);
        raw
    }

    /// The payload, compressed if [`encoding`](Self::encoding) says so.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.shared.payload
    }

    /// How the payload is encoded.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.shared.encoding
    }

    /// The decoded object, if the slot holds one of this type.
    #[must_use]
    pub fn decoded<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        // Cloned before the type is known: it is nearly always the right one, and asking twice
        // would be a second call through the object's table.
        Arc::clone(self.shared.decoded.get()?).downcast().ok()
    }

    /// Whether the slot holds an object of this type.
    #[inline]
    #[must_use]
    pub fn holds(&self, wanted: &WantedType) -> bool {
        let object = self.shared.decoded.get();
        object.is_some_and(|object| wanted.is((**object).type_id()))
    }

    /// The same payload with this object: in the slot, if that is empty or holds one of its type already, which
    /// then stays; else apart from the other clones.
    #[must_use]
    pub fn holding<T: Send + Sync + 'static>(&self, object: Arc<T>) -> Self {
        self.remember(Arc::clone(&object));
        match self.decoded::<T>() {
            Some(_) => self.clone(),
            None => Self::with_decoded(self.payload().clone(), self.encoding(), object),
        }
    }

    /// Puts the decoded object into the slot; does nothing if the slot is filled.
    pub fn remember<T: Send + Sync + 'static>(&self, object: Arc<T>) {
        let _already_filled = self.shared.decoded.set(object);
    }

    /// Whether there are other clones, which whoever holds them may ask for the decoded object.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    /// An estimate of the memory this takes in process, in bytes: the payload, the decoded object
    /// that typed access will keep beside it, and the bookkeeping.
    #[must_use]
    pub fn weight(&self) -> usize {
        // An object is about as large as its encoding; a compressed payload says less about it,
        // and text-like data that is worth compressing shrinks to about a quarter.
        let object = if self.shared.encoding.compressor == CompressorId::NONE {
            self.shared.payload.len()
        } else {
            self.shared.payload.len().saturating_mul(4)
        };
        self.shared
            .payload
            .len()
            .saturating_add(object)
            .saturating_add(size_of::<Shared>())
    }
}

impl From<Bytes> for Raw {
    fn from(payload: Bytes) -> Self {
        Self::new(payload, Encoding::OPAQUE)
    }
}

impl From<Vec<u8>> for Raw {
    fn from(payload: Vec<u8>) -> Self {
        Self::from(Bytes::from(payload))
    }
}

impl AsRef<[u8]> for Raw {
    fn as_ref(&self) -> &[u8] {
        &self.shared.payload
    }
}

/// Equal when payload and encoding are; the slot does not count.
impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
            || (self.shared.encoding == other.shared.encoding
                && self.shared.payload == other.shared.payload)
    }
}

impl Eq for Raw {}

/// Shows length and encoding, never the payload: cached values do not belong in logs.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw")
            .field("len", &self.shared.payload.len())
            .field("encoding", &self.shared.encoding)
            .field("decoded", &self.shared.decoded.get().is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_slot_and_the_first_object_stays() {
        let raw = Raw::from(vec![1, 2, 3]);
        let clone = raw.clone();
        assert_eq!(clone.decoded::<u32>(), None);
        raw.remember(Arc::new(7_u32));
        clone.remember(Arc::new(8_u32));
        assert_eq!(clone.decoded::<u32>().as_deref(), Some(&7));
        assert_eq!(clone.decoded::<i32>(), None);
        assert!(raw.is_shared());
        drop(clone);
        assert!(!raw.is_shared());
    }

    #[test]
    fn an_object_of_another_type_is_held_apart() {
        static WANTED: WantedType = WantedType::of::<u32, _>(&());
        let raw = Raw::from(vec![1]);
        assert!(!raw.holds(&WANTED));
        let first = raw.holding(Arc::new(7_u32));
        let second = raw.holding(Arc::new(8_u32));
        assert!(raw.holds(&WANTED));
        assert_eq!(first.decoded::<u32>().as_deref(), Some(&7));
        assert_eq!(second.decoded::<u32>().as_deref(), Some(&7));
        let other = raw.holding(Arc::new("other"));
        assert!(raw.holds(&WANTED) && !other.holds(&WANTED));
        assert_eq!(other.decoded::<&str>().as_deref(), Some(&"other"));
        assert_eq!(other, raw);
    }

    #[test]
    fn debug_shows_no_payload() {
        let raw = Raw::with_decoded(
            Bytes::from_static(b"secret"),
            Encoding::OPAQUE,
            Arc::new("secret"),
        );
        let shown = format!("{raw:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
        assert!(shown.contains("len: 6"), "{shown}");
    }

    #[test]
    fn weight_counts_payload_object_and_bookkeeping() {
        let plain = Raw::from(vec![0; 1_000]);
        assert!(plain.weight() >= 2_000);
        let encoding = Encoding {
            compressor: CompressorId::GZIP,
            ..Encoding::OPAQUE
        };
        assert!(Raw::new(Bytes::from(vec![0; 1_000]), encoding).weight() >= 5_000);
    }

    #[test]
    fn equality_is_payload_and_encoding() {
        let one = Raw::from(vec![1]);
        assert_eq!(one, Raw::from(vec![1]));
        assert_ne!(one, Raw::from(vec![2]));
        let json = Encoding {
            format: FormatId::JSON,
            ..Encoding::OPAQUE
        };
        assert_ne!(one, Raw::new(Bytes::from(vec![1]), json));
    }
}
