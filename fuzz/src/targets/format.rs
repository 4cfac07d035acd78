//! What must hold for every value format.

use std::sync::Arc;

use bytes::Bytes;
use hitbox_backend::{Cacheable, Format};
use hitbox_core::{CacheValue, CompressorId, Encoding, Raw, Stamp};

use crate::{
    Observed, Seed,
    shelf::{Contents, Shelf},
    values::{self, Headers, Record, Tree},
};

/// For payloads. Low: the values themselves take up to a hundred times as much, and what a false
/// length makes a decoder allocate has to show beside that.
pub(crate) const LIMIT: usize = 8 * 1024;

/// Reads the payload as each of several types.
pub(crate) fn run(format: &'static dyn Format, payload: &[u8]) -> Observed {
    let mut reading = Reading {
        format,
        payload: Bytes::copy_from_slice(payload),
        observed: Observed::default(),
    };
    reading.check::<String>();
    reading.check::<Vec<u8>>();
    // Elements that take no bytes are read one by one, up to 65,536 of them: not on both paths.
    let _units = reading.read::<Vec<()>>();
    reading.check::<Record>();
    reading.check::<Tree>();
    reading.check::<Headers>();
    reading.observed
}

struct Reading {
    format: &'static dyn Format,
    payload: Bytes,
    observed: Observed,
}

impl Reading {
    fn read<T: Cacheable>(&mut self) -> Option<CacheValue<Arc<T>>> {
        let shelf = self.shelf(self.payload.clone(), LIMIT);
        let found = self.observed.bounded(LIMIT, || shelf.get::<T>());
        self.observed.count(found.as_ref());
        assert_eq!(shelf.rejected(), u64::from(found.is_none()));
        found
    }

    fn check<T: Cacheable + PartialEq>(&mut self) {
        let found = self.read::<T>();
        if self.payload.len() <= LIMIT {
            // Formats from outside, and formats behind a `dyn`, are decoded on another path.
            let (format, payload) = (self.format, &self.payload);
            let erased = self
                .observed
                .bounded(LIMIT, || erased::<T>(format, payload));
            // The limit is on memory, too, which the value may take more of than the payload.
            let unlimited = self.shelf(self.payload.clone(), usize::MAX).get::<T>();
            let typed = unlimited.as_ref().map(|value| &**value.data());
            assert!(erased.as_ref() == typed, "the paths disagree");
            let limited = found.as_ref().map(|value| &**value.data());
            assert!(
                limited.is_none() || limited == typed,
                "the limit changes a value"
            );
        }
        if let Some(value) = found {
            self.comes_back(&**value.data());
        }
    }

    /// What decodes can be written, and read again.
    fn comes_back<T: Cacheable + PartialEq>(&self, object: &T) {
        let payload = self
            .format
            .encode(object)
            .unwrap_or_else(|error| panic!("decoded, but not encoded: {error}"));
        let shelf = self.shelf(Bytes::from(payload), usize::MAX);
        let again = shelf.get::<T>();
        let again = again.as_ref().map(|value| &**value.data());
        assert!(again == Some(object), "another value after a round trip");
    }

    fn shelf(&self, payload: Bytes, limit: usize) -> Shelf {
        let encoding = Encoding {
            format: self.format.id(),
            compressor: CompressorId::NONE,
            shape: 0,
        };
        let value = CacheValue::loaded(Raw::new(payload, encoding), Stamp::now());
        Shelf::new(Contents::Payload(value), self.format, limit)
    }
}

fn erased<T: Cacheable>(format: &dyn Format, payload: &[u8]) -> Option<T> {
    let mut decoded = None;
    let outcome = format.decode(payload, &mut |deserializer| {
        decoded = Some(T::deserialize(deserializer)?);
        Ok(())
    });
    // Bytes left over show after the value.
    outcome.ok().and(decoded)
}

pub(super) fn seeds(format: &dyn Format) -> Vec<Seed> {
    payloads(format)
        .into_iter()
        .map(|(name, payload)| (name.to_owned(), payload))
        .collect()
}

/// Values of the types that payloads are read as.
pub(super) fn payloads(format: &dyn Format) -> [(&'static str, Vec<u8>); 7] {
    let text = "All work and no cache makes a dull service. é".to_owned();
    [
        ("string", encoded(format, &text)),
        ("string-empty", encoded(format, &String::new())),
        (
            "bytes",
            encoded(format, &(0..=u8::MAX).collect::<Vec<u8>>()),
        ),
        ("units", encoded(format, &vec![(); 300])),
        ("record", encoded(format, &values::record())),
        ("tree", encoded(format, &values::tree())),
        ("headers", encoded(format, &values::headers())),
    ]
}

fn encoded<T: Cacheable>(format: &dyn Format, object: &T) -> Vec<u8> {
    format
        .encode(object)
        .unwrap_or_else(|error| panic!("a seed that cannot be encoded: {error}"))
}
