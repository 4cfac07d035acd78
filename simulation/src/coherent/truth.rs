//! What has happened to each key in L2, and who has been told: what answers are judged by.

use hitbox_core::Stamp;

use super::scene::Micros;

/// A value that somebody has written or loaded. No two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(u32);

impl Version {
    /// No two versions have the same.
    pub(super) const fn stamp(self) -> Stamp {
        Stamp::from_micros(self.0 as u64 + 1)
    }
}

/// How many changes of its key a value stands behind: every later one replaces it.
pub(super) type Place = u32;

#[derive(Debug)]
pub(super) struct Truth {
    keys: Vec<Changes>,
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Changes {
    /// How many have taken effect in L2.
    newest: Place,
    /// When changes were confirmed, each with the newest that was by then.
    confirmed: Vec<(Micros, Place)>,
}

impl Truth {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            keys: (0..keys).map(|_| Changes::default()).collect(),
            places: Vec::new(),
        }
    }

    /// A value that the source of truth has now.
    pub(super) fn loaded(&mut self, key: usize) -> Version {
        self.places.push(self.keys[key].newest);
        Version(self.places.len() as u32 - 1)
    }

    /// A change of the key takes effect in L2.
    pub(super) fn change(&mut self, key: usize, to: Option<Version>) -> Place {
        let changes = &mut self.keys[key];
        changes.newest += 1;
        if let Some(version) = to {
            self.places[version.0 as usize] = changes.newest;
        }
        changes.newest
    }

    /// The caller of a change has been told that L2 has it.
    pub(super) fn confirm(&mut self, key: usize, place: Place, now: Micros) {
        let confirmed = &mut self.keys[key].confirmed;
        let newest = confirmed
            .last()
            .map_or(place, |(_, newest)| place.max(*newest));
        confirmed.push((now, newest));
    }

    pub(super) fn place(&self, version: Version) -> Place {
        self.places[version.0 as usize]
    }

    /// When a change was confirmed that has replaced this value.
    pub(super) fn replaced_at(&self, key: usize, version: Version) -> Option<Micros> {
        let place = self.place(version);
        let confirmed = &self.keys[key].confirmed;
        let first = confirmed.partition_point(|(_, newest)| *newest <= place);
        confirmed.get(first).map(|(at, _)| *at)
    }

    /// When a change of the key was last confirmed.
    pub(super) fn last_change(&self, key: usize) -> Option<Micros> {
        self.keys[key].confirmed.last().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_replaced_when_the_first_later_change_is_confirmed() {
        let mut truth = Truth::new(1);
        let loaded = truth.loaded(0);
        let written = truth.loaded(0);
        let first = truth.change(0, Some(written));
        assert_eq!(truth.replaced_at(0, loaded), None);
        let removed = truth.change(0, None);
        // Told in the other order.
        truth.confirm(0, removed, 50);
        truth.confirm(0, first, 60);
        assert_eq!(truth.replaced_at(0, loaded), Some(50));
        assert_eq!(truth.replaced_at(0, written), Some(50));
        let later = truth.loaded(0);
        assert_eq!(truth.replaced_at(0, later), None);
    }
}
