use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::Meta;

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
    /// None: there is nothing to read. The payload of an [absent](crate::CacheValue::absent) value, which is empty.
    pub const ABSENT: Self = Self(4);

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

/// An encoded value: the payload, and how it is [encoded](Encoding).
///
/// ```
/// use bytes::Bytes;
/// use hitbox_core::{Encoded, Encoding};
///
/// let encoded = Encoded::from(Bytes::from_static(b"payload"));
/// assert_eq!(encoded.payload(), "payload");
/// assert_eq!(encoded.encoding(), Encoding::OPAQUE);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    payload: Bytes,
    encoding: Encoding,
    meta: Option<Arc<Meta>>,
}

impl Encoded {
    /// A payload with its encoding.
    #[must_use]
    pub const fn new(payload: Bytes, encoding: Encoding) -> Self {
        Self {
            payload,
            encoding,
            meta: None,
        }
    }

    /// The same with this metadata, in place of what it had: for a store that keeps it beside payload and encoding.
    #[must_use]
    pub fn with_meta(mut self, meta: Option<Arc<Meta>>) -> Self {
        self.meta = meta;
        self
    }

    /// The payload, compressed if [`encoding`](Self::encoding) says so.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// How the payload is encoded.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// What else is known of the value; `None`: nothing.
    #[must_use]
    pub const fn meta(&self) -> Option<&Arc<Meta>> {
        self.meta.as_ref()
    }
}

impl From<Bytes> for Encoded {
    fn from(payload: Bytes) -> Self {
        Self::new(payload, Encoding::OPAQUE)
    }
}

impl From<Vec<u8>> for Encoded {
    fn from(payload: Vec<u8>) -> Self {
        Self::from(Bytes::from(payload))
    }
}

/// Shows length, encoding and metadata, never the payload: cached values do not belong in logs.
impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded")
            .field("len", &self.payload.len())
            .field("encoding", &self.encoding)
            .field("meta", &self.meta)
            .finish()
    }
}
