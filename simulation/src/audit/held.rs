//! What the layers hold when nothing is under way.

use hitbox_backend::{
    CompositionLayer::{self, L1, L2},
    PendingRepair,
};
use hitbox_core::{CacheValue, Raw, Stamp};
use hitbox_scenarios::ReadKind;

use crate::{
    composed::Composed,
    execution::Execution,
    place::{Level, Place},
    reference::Violation,
    rules::{BackgroundKind, Rules},
};

/// What the layers of a composition hold of one key, and what of it may be served.
pub(super) struct Held {
    pub(super) layers: [Option<CacheValue<Raw>>; 2],
    pub(super) trusted: [Trusted; 2],
}

/// What a read finds, and where.
pub(super) type Served<'a> = Option<(CompositionLayer, &'a CacheValue<Raw>)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trusted {
    Yes,
    No,
    /// It is below a coarse fence: it depends on what is still known of the key.
    Unknown,
}

impl Held {
    pub(super) fn stamp(&self, layer: CompositionLayer) -> Option<Stamp> {
        self.layers[layer as usize]
            .as_ref()
            .map(CacheValue::created)
    }

    pub(super) fn trusted(&self, layer: CompositionLayer) -> Option<&CacheValue<Raw>> {
        let trusted = self.trusted[layer as usize] == Trusted::Yes;
        self.layers[layer as usize]
            .as_ref()
            .filter(|value| trusted && !value.is_expired())
    }

    pub(super) fn is_uncertain(&self) -> bool {
        self.trusted.contains(&Trusted::Unknown)
    }

    /// What a read by this policy finds, where `first` is the layer that answers first.
    pub(super) fn served(&self, read: ReadKind, first: CompositionLayer) -> Served<'_> {
        match (self.trusted(L1), self.trusted(L2)) {
            (None, None) => None,
            (Some(value), None) => Some((L1, value)),
            (None, Some(value)) => Some((L2, value)),
            (Some(one), Some(two)) => match read {
                ReadKind::Sequential => Some((L1, one)),
                ReadKind::Race => match first {
                    L1 => Some((L1, one)),
                    L2 => Some((L2, two)),
                },
                ReadKind::Parallel => match (one.expire(), two.expire()) {
                    (Some(first), Some(second)) if second > first => Some((L2, two)),
                    (Some(_), None) => Some((L2, two)),
                    (Some(_) | None, _) => Some((L1, one)),
                },
            },
        }
    }
}

impl Rules {
    /// The layer that a refill which repairs brings up to date, and with which value. A race is left out:
    /// it may have asked either layer, or both.
    pub(super) fn lacking(&self, held: &Held) -> Option<(CompositionLayer, Stamp)> {
        if self.background == BackgroundKind::Disabled {
            // Such a refill happens there or not at all.
            return None;
        }
        let [one, two] =
            CompositionLayer::BOTH.map(|layer| held.trusted(layer).map(CacheValue::created));
        let asks_both = match self.policies.read {
            ReadKind::Sequential => one.is_none(),
            ReadKind::Parallel => true,
            ReadKind::Race => false,
        };
        if !asks_both || one == two {
            return None;
        }
        if one < two {
            return two.map(|newest| (L1, newest));
        }
        // L1's copy has a shorter life than the value was written with, where that is capped.
        one.filter(|_| self.l1_ttl.is_none())
            .map(|newest| (L2, newest))
    }
}

impl Execution {
    pub(super) fn rules(&self, level: Level) -> Option<&Rules> {
        let setting = &self.plan.setting;
        match level {
            Level::Outer => Some(&setting.outer),
            Level::Inner => setting.nested.as_ref().map(|nested| &nested.rules),
        }
    }

    /// What the composition has on record of a key.
    pub(super) fn pending_repairs(&self, level: Level, key: usize) -> Vec<PendingRepair> {
        let composition = self.scene.composition(level);
        let mut pending = composition.map_or_else(Vec::new, Composed::pending_repairs);
        pending.retain(|pending| pending.key == self.scene.world.keys[key]);
        pending
    }

    pub(super) fn layer_fence(&self, level: Level, layer: CompositionLayer) -> Option<Stamp> {
        self.scene.composition(level)?.layer_fence(layer)
    }

    pub(super) fn held(&self, level: Level, key: usize) -> Result<Held, Violation> {
        let pending = self.pending_repairs(level, key);
        let mut held = Held {
            layers: [None, None],
            trusted: [Trusted::Yes; 2],
        };
        for layer in CompositionLayer::BOTH {
            let (value, certain) = self.content(level, layer, key)?;
            let pending = pending.iter().find(|pending| pending.layer == layer);
            let coarse = self.layer_fence(level, layer);
            held.trusted[layer as usize] = match value.as_ref().map(CacheValue::created) {
                _ if !certain => Trusted::Unknown,
                Some(created) if pending.is_some_and(|pending| created <= pending.fence) => {
                    Trusted::No
                }
                Some(created) if coarse.is_some_and(|fence| created <= fence) => Trusted::Unknown,
                Some(_) | None => Trusted::Yes,
            };
            held.layers[layer as usize] = value;
        }
        Ok(held)
    }

    /// What a layer would answer to a read, and whether that is certain. A nested composition holds what
    /// it would serve.
    fn content(
        &self,
        level: Level,
        layer: CompositionLayer,
        key: usize,
    ) -> Result<(Option<CacheValue<Raw>>, bool), Violation> {
        let nested = self.plan.setting.nested;
        let place = match (level, nested) {
            (Level::Outer, Some(nested)) if nested.layer == layer => {
                let inner = self.held(Level::Inner, key)?;
                let served = inner.served(nested.rules.policies.read, L1);
                let served = served.map(|(_, value)| value.clone());
                return Ok((served, !inner.is_uncertain()));
            }
            (Level::Inner, Some(nested)) => Place {
                outer: nested.layer,
                inner: Some(layer),
            },
            (Level::Outer, _) | (Level::Inner, None) => Place {
                outer: layer,
                inner: None,
            },
        };
        let world = &self.scene.world;
        let Some(site) = world.sites.iter().find(|site| site.place == place) else {
            return Err(format!("there is no store {place}"));
        };
        let found = site.store.read(&world.keys[key]);
        Ok((found.map_err(|error| error.to_string())?, true))
    }
}
