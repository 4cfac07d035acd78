//! Which flights have ended a short while ago.

use std::collections::VecDeque;

/// How many ends a shard remembers.
const REMEMBERED: usize = 64;

/// The newest ends of the flights of a shard, and of inserts.
///
/// A caller who has read nothing leads a new flight. If another one of the key has ended since his read began, the value may
/// be there now; the flight then reads once more before it loads.
#[derive(Debug, Default)]
pub(super) struct RecentEnds {
    /// The number of each and the hash of its key, the newest last.
    ends: VecDeque<(u64, u64)>,
    /// The newest number that is forgotten.
    forgotten: u64,
}

impl RecentEnds {
    /// `number` is higher than those before.
    pub(super) fn note(&mut self, number: u64, hash: u64) {
        if self.ends.len() == REMEMBERED
            && let Some((oldest, _)) = self.ends.pop_front()
        {
            self.forgotten = oldest;
        }
        self.ends.push_back((number, hash));
    }

    /// Whether one may have ended whose number is above `since`.
    pub(super) fn may_have_ended(&self, hash: u64, since: u64) -> bool {
        let newer = self.ends.iter().rev().take_while(|end| end.0 > since);
        self.forgotten > since || newer.into_iter().any(|end| end.1 == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ends_of_the_key_since_then_count() {
        let mut recent = RecentEnds::default();
        assert!(!recent.may_have_ended(7, 0));
        recent.note(1, 7);
        recent.note(2, 8);
        assert!(recent.may_have_ended(7, 0));
        assert!(!recent.may_have_ended(7, 1));
        assert!(!recent.may_have_ended(9, 0));
    }

    #[test]
    fn what_is_forgotten_may_have_been_any() {
        let mut recent = RecentEnds::default();
        let all = u64::try_from(REMEMBERED).unwrap_or(u64::MAX) + 2;
        (1..=all).for_each(|number| recent.note(number, 7));
        assert!(recent.may_have_ended(9, 1));
        assert!(!recent.may_have_ended(9, 2));
    }
}
