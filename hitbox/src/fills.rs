//! The fills that are under way: what loads have returned and is being written to the backend.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hitbox_backend::CacheKey;
use tokio::time::Instant;

/// A value that was loaded and is being stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FillUnderWay {
    /// What it is stored under.
    pub key: CacheKey,
    /// How long ago that began.
    pub since: Duration,
}

/// As many as are allowed, at a time.
pub(crate) struct Fills {
    most: usize,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    number: u64,
    fills: HashMap<u64, (Vec<CacheKey>, Instant)>,
}

/// One fill, until it has ended or was dropped.
pub(crate) struct Filling<'f> {
    fills: &'f Fills,
    number: u64,
}

impl Fills {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            under_way: Mutex::default(),
        }
    }

    /// One begins, of these keys; `None`: too many are under way.
    pub(crate) fn begin(&self, keys: Vec<CacheKey>) -> Option<Filling<'_>> {
        let mut under_way = self.lock();
        if under_way.fills.len() >= self.most {
            return None;
        }
        under_way.number += 1;
        let number = under_way.number;
        under_way.fills.insert(number, (keys, Instant::now()));
        Some(Filling {
            fills: self,
            number,
        })
    }

    /// All that are under way, key by key.
    pub(crate) fn under_way(&self) -> Vec<FillUnderWay> {
        let under_way = self.lock();
        let of_each = under_way.fills.values().flat_map(|(keys, began)| {
            let since = began.elapsed();
            keys.iter().map(move |key| FillUnderWay {
                key: key.clone(),
                since,
            })
        });
        of_each.collect()
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        // No code that holds the lock panics.
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.fills.lock().fills.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/bounds.md has it.
    #[test]
    fn a_fill_takes_forty_eight_bytes_and_twenty_four_for_each_key() {
        assert!(size_of::<(u64, (Vec<CacheKey>, Instant))>() <= 48);
        assert!(size_of::<CacheKey>() <= 24);
    }

    #[test]
    fn as_many_as_are_allowed_are_under_way() {
        let fills = Fills::new(1);
        let key = CacheKey::from_pair("id", "1");
        let filling = fills.begin(vec![key.clone()]);
        assert!(filling.is_some() && fills.begin(Vec::new()).is_none());
        let keys: Vec<_> = fills.under_way().into_iter().map(|fill| fill.key).collect();
        assert_eq!(keys, [key]);
        drop(filling);
        assert!(fills.under_way().is_empty() && fills.begin(Vec::new()).is_some());
    }
}
