//! What a read knows before it comes to wait.

use std::mem;

use hitbox_core::{CacheKey, CacheValue, Failures, Raw};

use super::{Glimpse, Glimpses};
use crate::composition::{
    CompositionLayer,
    ledger::{Ledger, Trust},
    policy::Rules,
};

/// What a read found out before it came to wait.
pub(in crate::composition) struct Begun {
    /// Taken before a layer was asked.
    pub(in crate::composition) trust: Trust,
    pub(in crate::composition) glimpses: Glimpses,
    pub(in crate::composition) failures: Failures,
}

impl Begun {
    /// A read of `key` that begins now, with no layer asked yet.
    pub(in crate::composition) fn at(ledger: &Ledger, key: &CacheKey) -> Self {
        Self {
            trust: ledger.trust(key),
            glimpses: Glimpses::default(),
            failures: Failures::none(),
        }
    }

    /// Forgets the failures of layers that will be asked again: all but those that have missed.
    #[inline]
    pub(in crate::composition) fn forget_failures_of_open_layers(&mut self) {
        if !self.failures.is_empty() {
            let glimpses = self.glimpses;
            let is_known = |layer: CompositionLayer| glimpses[layer as usize] == Glimpse::Miss;
            let failures = mem::take(&mut self.failures).into_iter();
            let of_known = failures.filter(|failure| failure.layer().is_some_and(is_known));
            self.failures = of_known.collect();
        }
    }

    /// Whether L1 has answered with a value, and L2 has not been asked, or not answered.
    pub(in crate::composition) fn has_asked_l1_alone(&self) -> bool {
        matches!(self.glimpses, [Glimpse::Value(_), Glimpse::Nothing])
    }

    /// Whether it is known that L1 has no value, and of L2 nothing.
    pub(in crate::composition) fn lacks_in_l1_alone(&self) -> bool {
        self.glimpses == [Glimpse::Miss, Glimpse::Nothing]
    }

    /// Whether nothing is known of either layer.
    pub(in crate::composition) fn has_seen_nothing(&self) -> bool {
        self.glimpses == [Glimpse::Nothing; 2]
    }

    /// Whether L1 was seen to hold this value already: under a cap it has another expiry there, and
    /// may have reached it.
    pub(in crate::composition) fn has_in_l1(&self, value: &CacheValue<Raw>, rules: Rules) -> bool {
        let [in_l1, _] = self.glimpses;
        rules.l1_ttl.is_some() && in_l1 == Glimpse::Value(value.created())
    }
}
