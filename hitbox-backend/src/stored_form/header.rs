use std::sync::Arc;

use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};
use hitbox_core::{CacheValue, CompressorId, Encoded, Encoding, FormatId, Meta, Stamp};

use super::metadata;
use crate::Rejection;

/// The length of the header that stands before the payload, in bytes.
pub const HEADER_LENGTH: usize = 48;

/// The first byte is not ASCII and the fourth is a line feed, as in PNG's signature: neither text
/// nor a transfer that meddles with line ends can pass for it.
const MAGIC: [u8; 4] = [0x89, b'H', b'B', b'\n'];
/// Kept for what is no value but a promise of one. A build that knows no such thing takes it for
/// nothing at all: it stands there in place of a value that is not there.
const LEASE_MAGIC: [u8; 4] = [0x89, b'H', b'B', 0x0B];
const VERSION: u8 = 2;

const CHECKSUM_AT: usize = 8;
const CHECKSUM_END: usize = CHECKSUM_AT + 4;
const HAS_EXPIRE: u8 = 0b01;
const HAS_STALE: u8 = 0b10;

/// What the header of a stored form says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// When the load that produced the value began.
    pub created: Stamp,
    /// When the value expires.
    pub expire: Option<DateTime<Utc>>,
    /// When the value is due for a refresh.
    pub stale: Option<DateTime<Utc>>,
}

impl Header {
    pub(super) fn of(value: &CacheValue<Encoded>) -> Self {
        Self {
            encoding: value.data().encoding(),
            created: value.created(),
            expire: value.expire(),
            stale: value.stale(),
        }
    }

    /// The header before these metadata, without its checksum, which [`seal`] adds.
    pub(super) fn to_bytes(self, metadata: &[u8]) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        let flags = (if self.expire.is_some() { HAS_EXPIRE } else { 0 })
            | (if self.stale.is_some() { HAS_STALE } else { 0 });
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.encoding.format.get();
        bytes[6] = self.encoding.compressor.get();
        bytes[7] = flags;
        let length = u32::try_from(metadata.len()).unwrap_or(u32::MAX);
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.created.as_micros().to_le_bytes());
        bytes[24..32].copy_from_slice(&milliseconds(self.expire).to_le_bytes());
        bytes[32..40].copy_from_slice(&milliseconds(self.stale).to_le_bytes());
        bytes[40..48].copy_from_slice(&self.encoding.shape.to_le_bytes());
        bytes
    }

    /// The header of a stored form, checked against the whole of it.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] for anything but an undamaged stored form of this version.
    pub fn parse(stored: &[u8]) -> Result<Self, Rejection> {
        let fields = Fields::parse(stored)?;
        Ok(Self {
            encoding: fields.encoding,
            created: fields.created,
            expire: date(fields.expire)?,
            stale: date(fields.stale)?,
        })
    }
}

/// A [`Header`] with its times as they are stored.
pub(super) struct Fields {
    encoding: Encoding,
    created: Stamp,
    expire: Option<i64>,
    stale: Option<i64>,
    meta: Option<Meta>,
    payload_at: usize,
}

impl Fields {
    /// What [`Header::parse`] does, but for times that are none.
    pub(super) fn parse(stored: &[u8]) -> Result<Self, Rejection> {
        if stored.starts_with(&LEASE_MAGIC) {
            return Err(Rejection::Lease);
        }
        if !stored.starts_with(&MAGIC) {
            return Err(Rejection::Foreign);
        }
        // Before the length: a later version may have a shorter header.
        match stored.get(4) {
            Some(&VERSION) => {}
            Some(_) => return Err(Rejection::Version),
            None => return Err(Rejection::Malformed),
        }
        let header = stored
            .first_chunk::<HEADER_LENGTH>()
            .ok_or(Rejection::Malformed)?;
        let stored_checksum = u32::from_le_bytes(array_at(header, CHECKSUM_AT));
        if checksum(stored) != Some(stored_checksum) {
            return Err(Rejection::Checksum);
        }
        let flags = header[7];
        if flags & !(HAS_EXPIRE | HAS_STALE) != 0 {
            return Err(Rejection::Malformed);
        }
        let format = FormatId::from_stored(header[5]);
        let payload_at = payload_at(header)?;
        let metadata = stored.get(HEADER_LENGTH..payload_at);
        let payload = stored.get(payload_at..).unwrap_or_default();
        let meta = metadata::parse(metadata.ok_or(Rejection::Malformed)?, format, payload)?;
        Ok(Self {
            encoding: Encoding {
                format,
                compressor: CompressorId::from_stored(header[6]),
                shape: u64::from_le_bytes(array_at(header, 40)),
            },
            created: Stamp::from_micros(u64::from_le_bytes(array_at(header, 16))),
            expire: time(flags & HAS_EXPIRE, array_at(header, 24))?,
            stale: time(flags & HAS_STALE, array_at(header, 32))?,
            meta,
            payload_at,
        })
    }

    /// The value in `stored`, which these fields are of.
    pub(super) fn into_value(self, mut stored: Bytes) -> Result<CacheValue<Encoded>, Rejection> {
        stored.advance(self.payload_at);
        let encoded = Encoded::new(stored, self.encoding).with_meta(self.meta.map(Arc::new));
        CacheValue::from_millis(encoded, self.expire, self.stale, self.created)
            .ok_or(Rejection::Malformed)
    }
}

/// Where the payload begins: behind the metadata.
fn payload_at(header: &[u8; HEADER_LENGTH]) -> Result<usize, Rejection> {
    let length = usize::try_from(u32::from_le_bytes(array_at(header, 12)))
        .map_err(|_longer_than_memory| Rejection::Malformed)?;
    Ok(HEADER_LENGTH.saturating_add(length))
}

/// CRC-32 (IEEE 802.3) over the header, its checksum field taken as zero, and all that follows. It finds
/// every flipped bit, and other damage but for one case in 2^32. It is no protection against
/// somebody who means it: decoders have bounds of their own.
///
/// `None` of what is too short for it.
fn checksum(stored: &[u8]) -> Option<u32> {
    let (start, rest) = stored.split_first_chunk::<CHECKSUM_END>()?;
    let mut start = *start;
    start[CHECKSUM_AT..].fill(0);
    // All the rest in one step: each one costs a start and an end.
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&start);
    hasher.update(rest);
    Some(hasher.finalize())
}

/// Puts the checksum into a stored form that lacks it.
pub(super) fn seal(stored: &mut [u8]) {
    if let Some(checksum) = checksum(stored) {
        stored[CHECKSUM_AT..CHECKSUM_END].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn milliseconds(time: Option<DateTime<Utc>>) -> i64 {
    time.map_or(0, |time| time.timestamp_millis())
}

fn time(present: u8, bytes: [u8; 8]) -> Result<Option<i64>, Rejection> {
    match (present, i64::from_le_bytes(bytes)) {
        (0, 0) => Ok(None),
        // A time that is not there is written as zero; anything else no writer wrote.
        (0, _) => Err(Rejection::Malformed),
        (_, millis) => Ok(Some(millis)),
    }
}

fn date(millis: Option<i64>) -> Result<Option<DateTime<Utc>>, Rejection> {
    let date = |millis| DateTime::from_timestamp_millis(millis).ok_or(Rejection::Malformed);
    millis.map(date).transpose()
}

fn array_at<const N: usize>(header: &[u8; HEADER_LENGTH], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&header[at..at + N]);
    array
}
