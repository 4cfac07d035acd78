//! A store of bytes in memory, sound or with one defect. `backend.rs` makes a backend of it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use hitbox_backend::{
    BackendError, BackendErrorKind, BackendResult, BincodeFormat, Capabilities, Operation,
    Rejection, compression::NoCompression, encoded, stored_form,
};
use hitbox_core::{CacheKey, CacheValue, Encoded, FormatId, Raw, Stamp, clock};

use crate::conformance::catches::defect::Defect;

pub(crate) const LIMIT: usize = 128 << 10;

/// What is stored under a key: the bytes, and when the store forgets them.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) bytes: Bytes,
    pub(crate) gone_at: Option<DateTime<Utc>>,
}

pub(crate) type Map = HashMap<String, Entry>;

#[derive(Clone)]
pub(crate) struct ByteStore {
    pub(crate) defect: Option<Defect>,
    pub(crate) busy: Arc<AtomicBool>,
    pub(crate) scratch: Arc<Mutex<Bytes>>,
    map: Arc<Mutex<Map>>,
    /// Keys that a defect treats apart from then on.
    marked: Arc<Mutex<HashSet<String>>>,
    /// What a defect brings back after a restart.
    buried: Arc<Mutex<Map>>,
}

impl ByteStore {
    pub(crate) fn new(defect: Option<Defect>) -> Self {
        Self {
            defect,
            busy: Arc::default(),
            scratch: Arc::default(),
            map: Arc::default(),
            marked: Arc::default(),
            buried: Arc::default(),
        }
    }

    pub(crate) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// The store as after a restart.
    pub(crate) fn reopen(&self) -> Self {
        if self.has(Defect::ForgetsOnReopen) {
            self.map().clear();
        }
        self.map().extend(self.buried.lock().unwrap().drain());
        self.clone()
    }

    pub(crate) fn bury(&self, key: &CacheKey, entry: Entry) {
        self.buried
            .lock()
            .unwrap()
            .insert(self.stored_key(key), entry);
    }

    pub(crate) fn mark(&self, key: &CacheKey) {
        self.marked.lock().unwrap().insert(self.stored_key(key));
    }

    pub(crate) fn is_marked(&self, key: &CacheKey) -> bool {
        self.marked.lock().unwrap().contains(&self.stored_key(key))
    }

    pub(crate) fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap()
    }

    pub(crate) fn entry(&self, key: &CacheKey) -> Option<Entry> {
        let entry = self.map().get(&self.stored_key(key)).cloned();
        let gone = |at: DateTime<Utc>| at <= clock::now();
        entry.filter(|entry| !entry.gone_at.is_some_and(gone))
    }

    pub(crate) fn insert(&self, key: &CacheKey, entry: Entry) {
        self.map().insert(self.stored_key(key), entry);
    }

    pub(crate) fn take(&self, key: &CacheKey) -> Option<Entry> {
        let entry = self.entry(key);
        self.map().remove(&self.stored_key(key));
        entry
    }

    /// Puts bytes where those of a stored value would be.
    pub(crate) fn put(&self, key: &CacheKey, bytes: Vec<u8>) {
        if self.has(Defect::ReadsNothingFromOthers) {
            return;
        }
        let bytes = Bytes::from(bytes);
        let gone_at = None;
        self.insert(key, Entry { bytes, gone_at });
    }

    pub(crate) fn stored_key(&self, key: &CacheKey) -> String {
        let text = key.as_text();
        match self.defect {
            Some(Defect::IgnoresKeyCase) => text.to_lowercase(),
            Some(Defect::IgnoresKeyVersion) => {
                CacheKey::new(key.prefix(), 0, key.parts()).to_string()
            }
            Some(Defect::ConfusesEmptyWithNoValue) => text.trim_end_matches('=').to_owned(),
            Some(Defect::DropsControlCharacters) => text.replace("%00", ""),
            Some(Defect::CutsLongKeys) => text.chars().take(1_000).collect(),
            _ => text.to_owned(),
        }
    }

    /// What `value` is stored as over what was there.
    pub(crate) fn to_entry(&self, value: &CacheValue<Raw>, old: Option<&Entry>) -> Entry {
        let old_value = old.and_then(|old| stored_form::decode(&old.bytes).ok());
        let value = in_bytes(value);
        let value = self.altered(value, old_value.as_ref());
        let old_life = old.map(|old| old.gone_at);
        let keeps_lives = matches!(
            self.defect,
            Some(Defect::KeepsOldLifeOnOverwrite | Defect::KeepsOldLifeWithoutNewExpiry)
        );
        let gone_at = match (self.defect, old_life) {
            (Some(Defect::KeepsOldLifeOnOverwrite), Some(life)) => life,
            (Some(Defect::KeepsOldLifeWithoutNewExpiry), Some(life))
                if value.expire().is_none() =>
            {
                life
            }
            (Some(Defect::LivesWholeSeconds), _) => value.remaining().map(|ttl| {
                let seconds = Duration::from_secs(ttl.as_secs());
                TimeDelta::from_std(seconds)
                    .map_or(DateTime::<Utc>::MAX_UTC, |life| clock::now() + life)
            }),
            _ if keeps_lives => value.expire(),
            _ => None,
        };
        let bytes = stored_form::encode(&value, &NoCompression).unwrap();
        Entry { bytes, gone_at }
    }

    fn altered(
        &self,
        value: CacheValue<Encoded>,
        old: Option<&CacheValue<Encoded>>,
    ) -> CacheValue<Encoded> {
        let Some(defect) = self.defect else {
            return value;
        };
        let expired = value.is_expired();
        let (encoded, mut expire, mut stale, mut created) = value.into_parts();
        let mut meta = encoded.meta().cloned();
        let (mut payload, mut encoding) = (encoded.payload().clone(), encoded.encoding());
        match (defect, old) {
            (Defect::CutsLongPayloads, _) => payload.truncate(60_000),
            (Defect::TrimsRepeatedBytes, _)
                if payload.windows(2).all(|pair| pair[0] == pair[1]) =>
            {
                payload.truncate(1);
            }
            (Defect::LosesShape, _) => encoding.shape = 0,
            (Defect::MislabelsFormat, _) => encoding.format = FormatId::JSON,
            (Defect::KeepsOldEncodingOnOverwrite, Some(old)) => encoding = old.data().encoding(),
            (Defect::LosesCreated, _) => created = Stamp::ZERO,
            (Defect::LosesMetadata, _) => meta = None,
            (Defect::KeepsOldMetadataOnOverwrite, Some(old)) => meta = old.data().meta().cloned(),
            (Defect::LosesStale, _) => stale = None,
            (Defect::RoundsExpiryToSeconds, _) => {
                expire = expire.and_then(|at| at.duration_trunc(TimeDelta::seconds(1)).ok());
            }
            (Defect::TakesExpiredForImmortal, _) if expired => expire = None,
            (Defect::KeepsOldPayloadOnOverwrite, Some(old)) => {
                payload = old.data().payload().clone();
            }
            (Defect::KeepsOldStale, Some(old)) => stale = stale.or(old.stale()),
            (Defect::CutsStaleToExpiry, _) => stale = stale.min(expire.or(stale)),
            (Defect::OverwriteOnlyLengthensLife, Some(old)) => expire = expire.max(old.expire()),
            (Defect::StaysImmortal, Some(old)) if old.expire().is_none() => expire = None,
            _ => {}
        }
        let encoded = Encoded::new(payload, encoding).with_meta(meta);
        CacheValue::from_parts(encoded, expire, stale, created)
    }

    /// The value in `bytes`, or why there is none.
    pub(crate) fn decode(&self, bytes: &Bytes) -> Result<CacheValue<Encoded>, Rejection> {
        let rejection = match stored_form::decode(bytes) {
            Ok(value) => return Ok(value),
            Err(rejection) => rejection,
        };
        match (self.defect, rejection) {
            (Some(Defect::PanicsOnTruncated), Rejection::Malformed) => panic!("{rejection}"),
            (Some(Defect::IgnoresTheChecksum), Rejection::Checksum) => {
                let payload = bytes.slice(stored_form::HEADER_LENGTH..);
                Ok(CacheValue::loaded(Encoded::from(payload), Stamp::now()))
            }
            (Some(Defect::IgnoresTheVersion), Rejection::Version) => {
                let mut known = bytes.to_vec();
                known[4] = 2;
                stored_form::decode(&Bytes::from(known))
            }
            // The version is the one that it knows: it is the metadata that it does not.
            (Some(Defect::IgnoresMetadata), Rejection::Version) if bytes[4] == 2 => {
                let payload = bytes.slice(stored_form::HEADER_LENGTH..);
                Ok(CacheValue::loaded(Encoded::from(payload), Stamp::now()))
            }
            (Some(Defect::FailsOnALease), Rejection::Lease) => panic!("{rejection}"),
            (Some(Defect::IgnoresTheEnd), Rejection::Checksum) => (0..bytes.len())
                .find_map(|end| stored_form::decode(&bytes.slice(..end)).ok())
                .ok_or(rejection),
            _ => Err(rejection),
        }
    }

    /// Whether a value that expires at `expire` may still be served.
    pub(crate) fn is_live(&self, expire: Option<DateTime<Utc>>) -> bool {
        let Some(expire) = expire else {
            return true;
        };
        match self.defect {
            Some(Defect::ServesExpired | Defect::TakesExpiredForImmortal) => true,
            Some(Defect::LivesHalfASecondLonger) => {
                clock::now() < expire + TimeDelta::milliseconds(500)
            }
            _ => clock::now() < expire,
        }
    }

    /// Refuses what the store cannot take. A defect may refuse more, or less.
    pub(crate) fn admit(&self, key: &CacheKey, value: &CacheValue<Raw>) -> BackendResult<()> {
        let length = in_bytes(value).data().payload().len();
        let limit = match self.defect {
            Some(Defect::RefusesAtTheLimit) => LIMIT - 1,
            Some(Defect::TakesOversized) => usize::MAX,
            _ => LIMIT,
        };
        let kind = match self.defect {
            _ if length > limit && self.has(Defect::SaysFull) => BackendErrorKind::Full,
            _ if length > limit => BackendErrorKind::TooLarge,
            Some(Defect::FailsOnEmptyPayload) if length == 0 => BackendErrorKind::Internal,
            Some(Defect::FailsOnLongKeys) if key.as_text().len() > 2_048 => {
                BackendErrorKind::Internal
            }
            Some(Defect::FailsOnEmptyKey) if *key == CacheKey::new("", 0, []) => {
                BackendErrorKind::Internal
            }
            _ => return Ok(()),
        };
        Err(error(kind, Operation::Write))
    }
}

fn in_bytes(value: &CacheValue<Raw>) -> CacheValue<Encoded> {
    let limit = Capabilities::DEFAULT_LARGEST_DECODED;
    encoded(value, &BincodeFormat, limit, &"defective".into()).unwrap()
}

pub(crate) fn error(kind: BackendErrorKind, operation: Operation) -> BackendError {
    BackendError::new(kind, operation, "bytes".into())
}
