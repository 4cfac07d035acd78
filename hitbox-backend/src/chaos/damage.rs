use bytes::Bytes;
use hitbox_core::{CacheValue, Encoded};

use crate::{Rejection, compression::NoCompression, stored_form};

/// What has happened to stored bytes. The number chooses the place, whatever their length.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    EndsEarly(u64),
    BitFlipped(u64),
}

impl Damage {
    /// What an adapter makes of the stored form of `value` with this damage.
    ///
    /// By way of the real stored form, so that chaos shows neither more nor less than a store of
    /// bytes with such damage would.
    pub(super) fn decode(
        self,
        value: &CacheValue<Encoded>,
    ) -> Result<CacheValue<Encoded>, Rejection> {
        let stored = stored_form::encode(value, &NoCompression)
            .map_err(|_no_codec_is_involved| Rejection::Compression)?;
        let damaged = match self {
            Self::EndsEarly(dice) => stored.slice(..place(dice, stored.len())),
            Self::BitFlipped(dice) => with_flipped_bit(&stored, dice),
        };
        stored_form::decode(&damaged)
    }
}

/// `value` with one bit of its payload flipped, or one byte more if it has none.
pub(super) fn distorted(value: CacheValue<Encoded>, dice: u64) -> CacheValue<Encoded> {
    value.map(|encoded| {
        let payload = if encoded.payload().is_empty() {
            Bytes::from_static(&[0])
        } else {
            with_flipped_bit(encoded.payload(), dice)
        };
        Encoded::new(payload, encoded.encoding()).with_meta(encoded.meta().cloned())
    })
}

fn with_flipped_bit(bytes: &[u8], dice: u64) -> Bytes {
    let mut flipped = bytes.to_vec();
    let bit = place(dice, bytes.len().saturating_mul(8));
    if let Some(byte) = flipped.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    flipped.into()
}

/// One of `places`, about evenly.
fn place(dice: u64, places: usize) -> usize {
    let places = u64::try_from(places).unwrap_or(u64::MAX).max(1);
    // Fits: it is below a number that came from a usize, or 0.
    usize::try_from(dice % places).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use hitbox_core::Stamp;

    use super::*;

    #[test]
    fn damage_to_stored_bytes_is_never_served() {
        let value = CacheValue::loaded(Encoded::from(vec![7; 40]), Stamp::now());
        for dice in 0..1_000 {
            assert!(Damage::EndsEarly(dice).decode(&value).is_err(), "{dice}");
            assert!(Damage::BitFlipped(dice).decode(&value).is_err(), "{dice}");
        }
    }

    #[test]
    fn a_distorted_payload_differs_in_one_bit() {
        for dice in 0..100 {
            let value = CacheValue::loaded(Encoded::from(vec![7, 8, 9]), Stamp::now());
            let distorted = distorted(value.clone(), dice);
            assert_eq!(distorted.created(), value.created());
            let pairs = value
                .data()
                .payload()
                .iter()
                .zip(distorted.data().payload());
            let flipped: u32 = pairs.map(|(one, two)| (one ^ two).count_ones()).sum();
            assert_eq!(flipped, 1);
        }
        let empty = CacheValue::loaded(Encoded::from(Vec::new()), Stamp::now());
        assert_eq!(*distorted(empty, 9).data().payload(), [0][..]);
    }
}
