//! Ids of entries in a stream, as numbers.

use hitbox_backend::LogMark;

/// The bits of an id's number: no server adds more entries in a millisecond.
const NUMBER: u32 = 20;
const MOST: u64 = (1 << NUMBER) - 1;

/// The place of an entry: its id's milliseconds times 2^20, plus its number.
pub(crate) fn place_of(id: &[u8]) -> Option<LogMark> {
    let (millis, number) = str::from_utf8(id).ok()?.split_once('-')?;
    let (millis, number): (u64, u64) = (millis.parse().ok()?, number.parse().ok()?);
    let is_short = millis <= u64::MAX >> NUMBER;
    is_short.then(|| LogMark::from_bits(millis << NUMBER | number.min(MOST)))
}

/// The id of the entry at this place.
pub(crate) fn id_at(place: LogMark) -> String {
    let bits = place.to_bits();
    format!("{}-{}", bits >> NUMBER, bits & MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ids_are_greater_numbers() {
        let place = |id: &str| place_of(id.as_bytes());
        let id = "1796000000123-7";
        assert_eq!(place(id).map(id_at).as_deref(), Some(id));
        assert!(place("1796000000123-7") < place("1796000000123-8"));
        assert!(place("1796000000123-1048575") < place("1796000000124-0"));
        assert_eq!(place("1-9999999"), place("1-1048575"));
        for none in ["", "1", "-1", "1-", "x-1", "1-x", "99999999999999999-0"] {
            assert_eq!(place(none), None, "{none}");
        }
    }
}
