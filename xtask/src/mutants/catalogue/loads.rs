//! What decides, without I/O, which values get-or-load hands out, keeps, and loads anew.

use super::LOADS;
use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        guarantee: "G7",
        mistake: "an absent option within an option is written as the outer one",
        file: "hitbox/src/key/parts.rs",
        right: "options: self.options + 1,",
        wrong: "options: self.options,",
        check: LOADS,
    },
    Mutant {
        guarantee: "G7",
        mistake: "keyspaces of one name are one, whatever their version",
        file: "hitbox/src/key/space.rs",
        right: "is_name && self.version == other.version",
        wrong: "is_name",
        check: LOADS,
    },
    Mutant {
        guarantee: "G11",
        mistake: "a value that was removed meanwhile is a fallback",
        file: "hitbox/src/freshness/fallback.rs",
        right: "!invalidations.have_removed(value.created())",
        wrong: "!invalidations.have_expired(value.created())",
        check: LOADS,
    },
    Mutant {
        guarantee: "G11",
        mistake: "what was expired in the moment in which its load began is fresh",
        file: "hitbox-backend/src/load/invalidations.rs",
        right: "created <= self.soft",
        wrong: "created < self.soft",
        check: LOADS,
    },
    Mutant {
        guarantee: "G11",
        mistake: "the failure of a load that was overtaken throttles",
        file: "hitbox/src/throttle.rs",
        right: "let waits = now() < record.until && !invalidations.have_overtaken(record.began);",
        wrong: "let waits = now() < record.until;",
        check: LOADS,
    },
    Mutant {
        guarantee: "G14",
        mistake: "failures count as in a row across an invalidation",
        file: "hitbox/src/throttle.rs",
        right: ".filter(|record| !invalidations.have_overtaken(record.began));",
        wrong: ";",
        check: LOADS,
    },
    Mutant {
        guarantee: "G15",
        mistake: "jitter lengthens a life",
        file: "hitbox/src/freshness/times.rs",
        right: "ttl.saturating_sub(",
        wrong: "ttl.saturating_add(",
        check: LOADS,
    },
    Mutant {
        guarantee: "G15",
        mistake: "the window of a value that was expired by hand begins with its stale time",
        file: "hitbox/src/freshness/found.rs",
        right: "by_age.min(millis(invalidations.soft))",
        wrong: "by_age",
        check: LOADS,
    },
    Mutant {
        guarantee: "G15",
        mistake: "a value is a fallback in the last moment of its window",
        file: "hitbox/src/freshness/found.rs",
        right: "if Duration::from_millis(since) < length",
        wrong: "if Duration::from_millis(since) <= length",
        check: LOADS,
    },
];
